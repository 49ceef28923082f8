"""Programs that type kernels for a GPU are run by tests, without the simulator."""

collect_ignore_glob = ["lowered*.py", "typed_*.py"]
