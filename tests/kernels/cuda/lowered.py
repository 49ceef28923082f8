"""Kernels lowered to PTX without a GPU, a driver or the CUDA toolkit.

The simulator runs kernels as Python: it sees neither a type that numba cannot tell nor a function
that it does not have for CUDA. This types and lowers them as for a GPU and has LLVM write PTX, in
place of NVVM, which comes with the toolkit. It stands in for three things of numba that ask a
driver or NVVM, in a process of its own, as the simulator cannot be left.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

_LAYOUT = (
    "e-p:64:64:64-i1:8:8-i8:8:8-i16:16:16-i32:32:32-i64:64:64-i128:128:128-f32:32:32-f64:64:64"
    "-v16:16:16-v32:32:32-v64:64:64-v128:128:128-n16:32:64"
)
_CAPABILITY = (9, 0)


def run_lowering(module: str) -> str:
    """Run a module that lowers kernels; give what it printed."""
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "0"}
    done = subprocess.run(
        [sys.executable, "-m", module], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ptx_of(kernel: Any, *argument_types: Any) -> str:
    """Give the PTX of a kernel; only in a process without the simulator."""
    import llvmlite.binding as llvm
    from numba import types
    from numba.cuda import compiler, dispatcher
    from numba.cuda.cudadrv import nvvm

    class Device:
        compute_capability = _CAPABILITY

    class Nvvm:
        data_layout = _LAYOUT

        def get_ir_version(self) -> tuple[int, int, int, int]:
            return (2, 0, 3, 2)

    nvvm.NVVM = Nvvm
    dispatcher.get_current_device = Device
    result = compiler.compile_cuda(kernel.py_func, types.void, argument_types, cc=_CAPABILITY)
    libraries = [result.library, *result.library.linking_libraries]
    first, *rest = (
        llvm.parse_assembly(str(module)) for library in libraries for module in library.modules
    )
    for module in rest:
        first.link_in(module)
    for function in first.functions:
        if not function.is_declaration and function.name != result.fndesc.llvm_func_name:
            function.linkage = "internal"
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple("nvptx64-nvidia-cuda")
    machine = target.create_target_machine(cpu="sm_90", opt=3)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(first, builder)
    return str(machine.emit_assembly(first))
