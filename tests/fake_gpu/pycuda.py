"""PyCUDA in so far as the example uses it: contexts over the same driver, and arrays in them."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

from tests.fake_gpu.machine import Fake, Foreign
from tosa_edge.cuda.driver import call


class Context:
    def __init__(self) -> None:
        self.handle = Fake().context()
        call("cuCtxPushCurrent", self.handle)

    def pop(self) -> None:
        assert int(call("cuCtxPopCurrent")) == self.handle  # left as it was found

    def detach(self) -> None:
        pass


class Device:
    def __init__(self, number: int) -> None:
        self.make_context = Context


class GPUArray:
    def __init__(self, shape: Any, dtype: Any, gpudata: int, base: Any) -> None:
        self.shape, self.dtype, self.gpudata, self.base = shape, np.dtype(dtype), gpudata, base

    def get(self) -> np.ndarray:
        host = np.empty(self.shape, self.dtype)
        call("cuMemcpyDtoH", host.ctypes.data, self.gpudata, host.nbytes)
        return host


class Uploaded(Foreign):
    def __del__(self) -> None:
        self.free()


def install(monkeypatch: Any) -> None:
    package, driver, arrays = (ModuleType(f"pycuda{part}") for part in ("", ".driver", ".gpuarray"))
    driver.init, driver.Device, driver.Error = lambda: None, Device, RuntimeError  # type: ignore[attr-defined]
    arrays.to_gpu, arrays.GPUArray = Uploaded, GPUArray  # type: ignore[attr-defined]
    package.driver, package.gpuarray = driver, arrays  # type: ignore[attr-defined]
    for module in (package, driver, arrays):
        monkeypatch.setitem(sys.modules, module.__name__, module)
