"""What cubins would do on a GPU, done on the tests' driver: the Triton source that each was compiled from, in
Triton's interpreter, on the very parameters and grid that were launched."""

from __future__ import annotations

import ctypes
import hashlib
import sys
import traceback
from typing import TYPE_CHECKING, Any

from tests.fake_gpu.machine import LIBRARY
from tests.gpu import PACK
from tests.gpu.blocks import launch_of
from tosa_edge.plugins import kernel_file
from tosa_edge.plugins.kernel_list import Kernel
from tosa_edge.plugins.launch import Launch

if TYPE_CHECKING:
    import torch

    from tests.gpu.cubin_launch import Entry, Machine

_LAUNCH_FAILED = 719
_DTYPES = {"*fp16": "float16", "*fp32": "float32", "*i32": "int32"}
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_char),
    ctypes.c_size_t,
    ctypes.POINTER(ctypes.c_uint),
    ctypes.POINTER(ctypes.c_uint64),
    ctypes.c_int,
)
known: dict[str, tuple[Entry, Launch]] = {}  # by the digest of the cubin
_kept: list[Any] = []


def install(machine: Machine) -> None:
    """From now on the driver's cubins are those of the pack, and what `learn` adds."""
    for path in PACK.glob("*/*.kernels"):
        index, _ = kernel_file.read(path.read_bytes())
        for entry in index["kernels"]:
            if entry["sm"] == machine.sm:
                learn(entry, launch_of(entry))
    driver = ctypes.CDLL(LIBRARY)
    driver.fake_extent.restype, driver.fake_extent.argtypes = ctypes.c_size_t, [ctypes.c_void_p]

    @_Callback
    def run(name: bytes, image: Any, size: int, grid: Any, values: Any, count: int) -> int:
        try:
            entry, launch = known[hashlib.sha256(ctypes.string_at(image, size)).hexdigest()]
            assert (name.decode(), count) == (entry["function"], len(entry["parameters"]))
            _interpret(driver, entry, launch, tuple(grid[:3]), values[:count])
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return _LAUNCH_FAILED
        return 0

    _kept.append(run)
    driver.fake_kernels(run)


def learn(entry: Entry, launch: Launch) -> None:
    known[entry["sha256"]] = entry, launch


def _interpret(driver: Any, entry: Entry, launch: Launch, grid: tuple[int, ...], values: list[int]) -> None:
    function = launch.function()
    # What the source takes, and Triton's hidden ones: not what the table says of it.
    kinds = Kernel(entry["operator"], entry["precision"], (), entry["step"], launch, entry["sm"]).parameters()
    kinds |= dict.fromkeys(kernel_file.HIDDEN_PARAMETERS, "*null")
    given: dict[str, Any] = {}
    for (name, kind), value in zip(kinds.items(), values, strict=True):
        word = ctypes.c_uint32(value & 0xFFFFFFFF)
        if kind == "i32":
            given[name] = ctypes.c_int32(word.value).value
        elif kind == "fp32":
            given[name] = ctypes.c_float.from_buffer(word).value
        elif kind == "*null":
            assert not value, f"{name} is not null"
        else:
            given[name] = _tensor(driver, value, _DTYPES[kind])
    function[grid](**given, **launch.constants)


def _tensor(driver: Any, address: int, name: str) -> torch.Tensor:
    """All that lies there from the address on."""
    import torch

    dtype = getattr(torch, name)
    extent = driver.fake_extent(address) // dtype.itemsize * dtype.itemsize
    if not extent:
        raise ValueError(f"{address:#x} is no memory of this device")
    return torch.frombuffer((ctypes.c_uint8 * extent).from_address(address), dtype=torch.uint8).view(dtype)
