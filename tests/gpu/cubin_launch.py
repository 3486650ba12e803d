"""Compiled kernels on a device, through its driver alone: loaded and launched as the kernel file says."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.gpu import PACK
from tests.gpu.cases import Case
from tosa_edge.cuda.context import Context
from tosa_edge.cuda.driver import CudaError, bindings, call
from tosa_edge.cuda.memory import DeviceMemory, HostMemory, copy
from tosa_edge.cuda.stream import Stream
from tosa_edge.errors import MachineLacks
from tosa_edge.plugins import kernel_file

VARIANTS = ("shipped", "cuda12")  # folders of the pack: cubins of Triton's own ptxas, and of CUDA 12's
KERNELS = "tosa.kernels"
GUARD = 256  # bytes on both sides of every array, which nobody may write
_UNTOUCHED = 0xC3
_WITHOUT_ASKING = 48 * 1024  # bytes of shared memory

Entry = dict[str, Any]


class Cubin:
    """One kernel of a kernel file, loaded in the current context."""

    def __init__(self, context: Context, entry: Entry, image: bytes) -> None:
        self.entry = entry
        module = call("cuModuleLoadData", image)
        self.close = context.give_back(self, "cuModuleUnload", module)
        self._function = call("cuModuleGetFunction", module, entry["function"].encode())
        if entry["shared"] > _WITHOUT_ASKING:
            most = bindings().CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            call("cuFuncSetAttribute", self._function, most, entry["shared"])

    def figure(self, name: str) -> int:
        """NUM_REGS, LOCAL_SIZE_BYTES, ...: as the driver has it."""
        which = getattr(bindings().CUfunction_attribute, f"CU_FUNC_ATTRIBUTE_{name}")
        return int(call("cuFuncGetAttribute", which, self._function))

    def launch(self, arguments: Mapping[str, Any], sizes: Mapping[str, int], stream: int) -> None:
        """`arguments`: addresses and numbers by the names of the parameters; the hidden ones are null."""
        values = [_value(kind, arguments.get(name, 0)) for name, kind in self.entry["parameters"]]
        places = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        grid = [-(-sizes[name] // block) for name, block in self.entry["grid"]]
        threads, shared = self.entry["threads"], self.entry["shared"]
        blocks = (*grid, 1, 1)[:3]
        call(
            "cuLaunchKernel",
            self._function,
            *blocks,
            threads,
            1,
            1,
            shared,
            stream,
            ctypes.addressof(places),
            0,
        )


def _value(kind: str, value: Any) -> Any:
    return {"i32": ctypes.c_int32, "fp32": ctypes.c_float}.get(kind, ctypes.c_void_p)(value)


class KernelFile:
    """The kernels of a file that are for one GPU; each is loaded when it is asked for."""

    def __init__(self, context: Context, path: Path, sm: int) -> None:
        if not path.is_file():
            raise MachineLacks(
                f"{path} is not here", "Make it where there is no GPU, and bring it along: make gpu-pack"
            )
        index, self._cubins = kernel_file.read(path.read_bytes())
        self.context, self.path, self.compiler = context, path, index["compiler"]
        self.entries: list[Entry] = [e for e in index["kernels"] if e["sm"] == sm]
        self._loaded: dict[int, Cubin] = {}

    def cubin(self, entry: Entry) -> Cubin:
        number = self.entries.index(entry)
        if number not in self._loaded:
            image = kernel_file.cubin_of(entry, self._cubins)
            self._loaded[number] = Cubin(self.context, entry, image)
        return self._loaded[number]

    def of(self, case: Case) -> list[Cubin]:
        """What a case launches, in order."""
        wanted = (case.operator.name, case.precision, dict(case.shape))
        found = [e for e in self.entries if (e["operator"], e["precision"], e["shape"]) == wanted]
        if not found:
            raise MachineLacks(f"no kernel is packed for {case.name}", "make gpu-pack, without --quick")
        return [self.cubin(entry) for entry in sorted(found, key=lambda entry: entry["step"])]


class Array:
    """Memory of the device, and its bytes on the host."""

    def __init__(self, context: Context, stream: Stream, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype, self._stream = shape, np.dtype(dtype), stream
        self.nbytes = math.prod(shape) * self.dtype.itemsize
        self._host = HostMemory(context, (self.nbytes + 2 * GUARD,), "uint8")
        self._device = DeviceMemory(context, self._host.nbytes)
        self.pointer = self._device.pointer + GUARD

    def fill(self, value: np.ndarray | int) -> None:
        """With numbers, or every byte the same."""
        host = self._host.array
        host[:] = _UNTOUCHED
        inside = host[GUARD : GUARD + self.nbytes]
        inside[:] = (
            value if isinstance(value, int) else np.ascontiguousarray(value).view(np.uint8).reshape(-1)
        )
        copy(self._device.pointer, self._host.address, self._host.nbytes, self._stream)
        self._stream.synchronize()

    def read(self) -> np.ndarray:
        copy(self._host.address, self._device.pointer, self._host.nbytes, self._stream)
        self._stream.synchronize()
        host = self._host.array
        if (host[:GUARD] != _UNTOUCHED).any() or (host[GUARD + self.nbytes :] != _UNTOUCHED).any():
            raise AssertionError("something was written beside an array")
        return host[GUARD : GUARD + self.nbytes].copy().view(self.dtype).reshape(self.shape)

    def close(self) -> None:
        self._host.close()
        self._device.close()


class CaseOnDevice:
    """A case laid out in the device's memory, with what its kernels are to be given."""

    def __init__(self, machine: Machine, case: Case) -> None:
        self.case, self._stream = case, machine.stream

        def made(shape: tuple[int, ...], dtype: Any) -> Array:
            return Array(machine.context, machine.stream, shape, dtype)

        self.inputs = {n: made(a.shape, a.dtype) for n, a in case.arrays.items()}
        self.scratch = {n: made(shape, np.float32) for n, shape in case.scratch.items()}
        self.outputs = {n: made(*one) for n, one in case.outputs.items() if not case.in_place}
        if case.in_place:
            self.outputs = {"out": self.inputs["x"]}
        for name, array in self.inputs.items():
            array.fill(case.arrays[name])
        self.sizes = case.sizes
        first = next(iter(self.inputs.values()))
        absent = dict.fromkeys(("w1", "b1", "w2"), first.pointer)  # asked for, and never read
        placed = {**self.inputs, **self.scratch, **self.outputs}
        pointers = {name: array.pointer for name, array in placed.items()}
        self.arguments = {**absent, **pointers, **case.attributes, **self.sizes}
        self.poison(0)

    def poison(self, byte: int) -> None:
        """Whatever a kernel is to write; 0xFF is not a number in either precision."""
        for array in (*self.scratch.values(), *self.outputs.values()):
            array.fill(byte)
        if self.case.in_place:
            self.inputs["x"].fill(self.case.arrays["x"])

    def launch(self, cubins: list[Cubin], stream: int | None = None) -> None:
        for cubin in cubins:
            cubin.launch(self.arguments, self.sizes, self._stream.handle if stream is None else stream)

    def read(self) -> list[np.ndarray]:
        return [array.read() for array in self.outputs.values()]

    def close(self) -> None:
        for array in {**self.inputs, **self.scratch, **self.outputs}.values():
            array.close()


@dataclass(frozen=True)
class Machine:
    """The GPU that a stage works on; `walk`: there is none, and the tests' driver stands in for its."""

    context: Context
    stream: Stream
    sm: int
    walk: bool

    @property
    def torch_device(self) -> str:
        return "cpu" if self.walk else "cuda"

    def kernels(self) -> KernelFile:
        """Those that ship, where this driver takes every one of them; else CUDA 12's."""
        for variant in VARIANTS:
            try:
                return self.all_of(variant)
            except CudaError:
                if variant == VARIANTS[-1]:
                    raise
        raise AssertionError("unreachable")

    def all_of(self, variant: str) -> KernelFile:
        file = KernelFile(self.context, PACK / variant / KERNELS, self.sm)
        if not file.entries:
            raise MachineLacks(f"{file.path} has no kernels for sm_{self.sm}", f"make gpu-pack SM={self.sm}")
        for entry in file.entries:
            file.cubin(entry)
        return file

    @contextmanager
    def load_case(self, case: Case) -> Iterator[CaseOnDevice]:
        on_device = CaseOnDevice(self, case)
        try:
            yield on_device
        finally:
            on_device.close()


@contextmanager
def machine(walk: bool) -> Iterator[Machine]:
    """The context is current inside."""
    context = Context.here()
    with context.active():
        device = call("cuCtxGetDevice")
        attribute = bindings().CUdevice_attribute
        major, minor = (
            int(
                call(
                    "cuDeviceGetAttribute",
                    getattr(attribute, f"CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_{part}"),
                    device,
                )
            )
            for part in ("MAJOR", "MINOR")
        )
        found = Machine(context, Stream(context), 10 * major + minor, walk)
        if walk:
            from tests.gpu import interpreted

            interpreted.install(found)
        yield found
