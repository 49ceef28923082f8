"""Run all benchmarks, or those named: ``python -m benchmarks [NAME ...]``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> None:
    known = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
    unknown = sorted(set(sys.argv[1:]) - set(known))
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    for name in sys.argv[1:] or known:
        print(f"== {name}", flush=True)
        # A process each, so that peak memory is its own.
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
