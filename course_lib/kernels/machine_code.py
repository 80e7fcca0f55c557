"""Machine code of loops: compiled by Numba once, kept on disk, and loaded without Numba.

Numba has a store of its own, but before it loads anything from there it sets itself up, which takes more than a second
in each process. Here the machine code lies in a file, and llvmlite, which comes with Numba, loads it in some
hundredths of a second. The file's name says for which source, versions and processor it is.
"""

import ctypes
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from threading import RLock
from typing import Any

import torch
from torch import Tensor

from course_lib.files import write_whole

FOLDER = Path(__file__).parent / "__pycache__"
OPTIONS: dict[str, Any] = {"fastmath": True, "error_model": "numpy"}  # sums in any order
_compiling = RLock()
if hasattr(os, "register_at_fork"):  # a child must not inherit it from a thread that it has not
    os.register_at_fork(
        before=_compiling.acquire, after_in_parent=_compiling.release, after_in_child=_compiling.release
    )


def loops(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """A function that is compiled as a part of those that call it."""
    import numba

    return numba.njit(function, **OPTIONS | options)


class MachineCode:
    """``module.name`` compiled: a function of pointers to numbers of one type, of some pointers to whole numbers, its
    tables, and of two whole numbers. It holds no lock of Python while it runs."""

    def __init__(self, module: str, name: str, dtype: torch.dtype, tables: int) -> None:
        with _compiling:
            self._engine, self._address = _loaded(module, name, dtype, tables)

    def __call__(self, tensors: Sequence[Tensor], first: int, last: int) -> None:
        types = [*[ctypes.c_void_p] * len(tensors), ctypes.c_ssize_t, ctypes.c_ssize_t]
        ctypes.CFUNCTYPE(None, *types)(self._address)(*(t.data_ptr() for t in tensors), first, last)


@cache
def _loaded(module: str, name: str, dtype: torch.dtype, tables: int) -> tuple[Any, int]:
    """The engine that holds the code, and its address."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    file = _file(module, name, dtype)
    try:
        code = file.read_bytes()
    except OSError:
        code = _compiled(module, name, dtype, tables)
        with suppress(OSError):  # a package that must not be written to: compiled anew by each process
            write_whole(file, code)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine, engine.get_function_address("work")


def _file(module: str, name: str, dtype: torch.dtype) -> Path:
    import llvmlite.binding as llvm

    sources = [file.read_bytes() for file in sorted(Path(__file__).parent.glob("loops_*.py"))]
    processor = llvm.get_host_cpu_name() + llvm.get_host_cpu_features().flatten()
    known = [Path(__file__).read_bytes(), *sources, processor.encode(), version("numba").encode()]
    key = sha256(b"\0".join(known)).hexdigest()[:16]
    number = str(dtype).removeprefix("torch.")
    return FOLDER / f"{module}.{name}_{number}.{key}.o"


def _compiled(module: str, name: str, dtype: torch.dtype, tables: int) -> bytes:
    """By way of LLVM's language: Numba translates and optimizes, and llvmlite makes an object file of it."""
    import llvmlite.binding as llvm
    from numba import cfunc, types

    work = getattr(import_module(f"course_lib.kernels.{module}"), name)
    number = types.CPointer(types.float32 if dtype == torch.float32 else types.float64)
    maps = [number] * (len(signature(work).parameters) - tables - 2)
    whole = [types.CPointer(types.intp)] * tables + [types.intp] * 2
    compiled = cfunc(types.void(*maps, *whole), **OPTIONS)(work)
    translated, machine = llvm.parse_assembly(compiled.inspect_llvm()), _machine()
    translated.get_function(compiled.native_name).name = "work"
    _leave_out_errors(translated, machine)
    foreign = [f.name for f in translated.functions if f.is_declaration and not f.name.startswith(("llvm.", "mem"))]
    if foreign:  # which is not there where the code is loaded
        raise RuntimeError(f"the loops of {module}.{name} may fail or take memory of their own: they need {foreign}")
    return machine.emit_object(translated)


def _leave_out_errors(translated: Any, machine: Any) -> None:
    """Each loop returns whether it failed. None does, but only where all calls are known is that known, too, and
    what Numba would do after a failure, by functions of its own, is left out."""
    import llvmlite.binding as llvm

    for function in translated.functions:
        if not function.is_declaration and function.name != "work":
            function.linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_ipsccp_pass()
    passes.add_simplify_cfg_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(translated, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))


def _machine() -> Any:
    import llvmlite.binding as llvm

    processor = {"cpu": llvm.get_host_cpu_name(), "features": llvm.get_host_cpu_features().flatten()}
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(**processor, opt=3, codemodel="jitdefault", jit=True)
