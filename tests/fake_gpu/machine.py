"""The fake driver's controls, and arrays of other libraries on its GPU."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tosa_edge.cuda import compile as kernels
from tosa_edge.cuda import dlpack
from tosa_edge.cuda.driver import call
from tosa_edge.cuda.stream import Stream

HERE = Path(__file__).parent
LIBRARY = "libcuda.so.1"
FOLDER = "TOSA_EDGE_FAKE_GPU"  # names the folder of the library, in the process that runs on it
_KINDS = ("memory", "stream", "event", "graph", "graph exec", "module", "primary")


def build(folder: Path, *flags: str) -> Path:
    """The driver, with fit.cu inside."""
    compiler = shutil.which("g++") or shutil.which("c++")
    assert compiler is not None
    words = [compiler, "-O1", "-std=c++17", "-ffp-contract=off", "-shared", "-fPIC", *flags]
    words += [f"-I{kernels.SOURCE.parent}", f"-Wl,-soname,{LIBRARY}", "-o", str(folder / LIBRARY)]
    subprocess.run([*words, str(HERE / "driver.cpp"), "-ldl"], check=True)
    return folder / LIBRARY


def run_tests(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The tests of this folder in a process for which the fake is the driver of the machine."""
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("LD_LIBRARY_PATH"))))
    environment = {**os.environ, "LD_LIBRARY_PATH": path, FOLDER: str(folder)}
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(HERE), *arguments]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


class Fake:
    """The driver from outside."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        self._library.fake_context.restype = ctypes.c_void_p
        self._failing: set[str] = set()

    def live(self) -> dict[str, int]:
        """What was made and not given back."""
        found = {kind: self._library.fake_live(kind.encode()) for kind in _KINDS}
        return {kind: number for kind, number in found.items() if number}

    def calls(self, name: str) -> int:
        return self._library.fake_calls(name.encode())

    def fail(self, name: str, code: int) -> None:
        """From now on, with that code; 0 lets it succeed again."""
        self._library.fake_fail(name.encode(), code)
        self._failing.add(name)

    def mend(self) -> None:
        """Nothing fails any more, and the machine is the usual one."""
        for name in self._failing:
            self._library.fake_fail(name.encode(), 0)
        self.machine()

    def machine(self, driver: int = 13000, integrated: bool = False, multiprocessors: int = 8) -> None:
        self._library.fake_machine(driver, integrated, multiprocessors)

    def context(self) -> int:
        """An application's own, which is current to nobody yet."""
        return self._library.fake_context()

    def depth(self) -> int:
        """How many contexts are pushed in this thread."""
        return self._library.fake_depth()


class OfTorch:
    """A tensor as PyTorch hands it out: DLPack knows its stream, the array interface does not."""

    def __init__(self, array: Foreign, producer: Stream) -> None:
        self._array, self._producer, self.asked = array, producer, []
        self.shape = array.shape

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CUDA, 0

    def __dlpack__(self, stream: int | None = None) -> Any:
        self.asked.append(stream)
        self._producer._mark.record(self._producer.handle)
        self._producer._mark.hold_back(stream)
        found = self._array
        return dlpack.export(int(found.memory), found.shape, found.dtype, (dlpack.CUDA, 0), self)


class Foreign:
    """An array as PyCUDA has it, on the GPU; what fills it waits in a stream, as any kernel would."""

    def __init__(self, host: np.ndarray, stream: int = 1, says: Any = None, version: int = 3) -> None:
        """`stream` is where it is filled, `says` what it says of that."""
        self.host = np.ascontiguousarray(host)
        self.memory = call("cuMemAlloc", self.host.nbytes)
        self._source = call("cuMemHostAlloc", self.host.nbytes, 0)
        ctypes.memmove(int(self._source), self.host.ctypes.data, self.host.nbytes)
        call("cuMemcpyAsync", int(self.memory), int(self._source), self.host.nbytes, stream)
        self.shape, self.dtype, self.strides, self.offset = host.shape, host.dtype, None, 0
        self._about = {"stream": says, "version": version} if version > 2 else {"version": version}

    def permuted(self, *axes: int) -> Foreign:
        """A view with its axes in another order."""
        self.strides = tuple(self.host.strides[axis] for axis in axes)
        self.shape = tuple(self.host.shape[axis] for axis in axes)
        return self

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (int(self.memory) + self.offset, False),
            "strides": self.strides,
            **self._about,
        }

    def free(self) -> None:
        call("cuMemFree", self.memory)
        call("cuMemFreeHost", self._source)
