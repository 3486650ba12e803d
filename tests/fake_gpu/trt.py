"""TensorRT in so far as the backend sees it. A plan is an ONNX model, which ONNX Runtime computes on the fake
GPU's memory, when the stream gets there: queued through the driver, and so captured with a graph."""

from __future__ import annotations

import ctypes
import enum
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime

from tests.fake_gpu.machine import LIBRARY

_Function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class DataType(enum.Enum):
    FLOAT, HALF, INT8, INT32, UINT8, INT64 = "float", "float16", "int8", "int32", "uint8", "int64"


class TensorIOMode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class Logger:
    ERROR = 1

    def __init__(self, level: int) -> None:
        self.level = level


class Runtime:
    def __init__(self, logger: Logger) -> None:
        self.logger = logger

    def deserialize_cuda_engine(self, data: bytes) -> Engine | None:
        return None if data[:4] == b"junk" else Engine(data)


class Engine:
    contexts = 0  # that are alive

    def __init__(self, data: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self._ports = {p.name: (p, TensorIOMode.INPUT) for p in self.session.get_inputs()}
        self._ports |= {p.name: (p, TensorIOMode.OUTPUT) for p in self.session.get_outputs()}
        self.num_io_tensors = len(self._ports)

    def get_tensor_name(self, index: int) -> str:
        return list(self._ports)[index]

    def get_tensor_shape(self, name: str) -> list[int]:
        return self._ports[name][0].shape

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType(_kind(self._ports[name][0]))

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return self._ports[name][1]

    def create_execution_context(self) -> ExecutionContext | None:
        return None if behaviour.get("no memory") else ExecutionContext(self)


class RuntimeCache:
    """Of TensorRT-RTX: what was compiled, a line each; the first names the driver it is for."""

    driver = b"580"
    compilations = 0  # in all engines together

    def __init__(self) -> None:
        self.lines = [self.driver]

    def deserialize(self, blob: bytes) -> bool:
        taken = blob.splitlines()[0] == self.driver
        self.lines = blob.splitlines() if taken else self.lines
        return taken

    def serialize(self) -> memoryview:
        return memoryview(b"\n".join(self.lines))


class RuntimeConfig:
    def __init__(self) -> None:
        self.cache: RuntimeCache | None = None

    def create_runtime_cache(self) -> RuntimeCache:
        return RuntimeCache()

    def set_runtime_cache(self, cache: RuntimeCache) -> bool:
        self.cache = cache
        return True


class RtxEngine(Engine):
    def create_runtime_config(self) -> RuntimeConfig:
        return RuntimeConfig()

    def create_execution_context(self, runtime_config: RuntimeConfig | None = None) -> Any:
        cache = runtime_config.cache if runtime_config else None
        if cache is None or b"kernels" not in cache.lines:
            RuntimeCache.compilations += 1
        if cache is not None and b"kernels" not in cache.lines:
            cache.lines.append(b"kernels")
        return super().create_execution_context()


class RtxRuntime(Runtime):
    def deserialize_cuda_engine(self, data: bytes) -> Engine | None:
        return RtxEngine(data)


class ExecutionContext:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}
        self._driver = ctypes.CDLL(LIBRARY)
        self._queued: list[Any] = []
        Engine.contexts += 1

    def __del__(self) -> None:
        Engine.contexts -= 1

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return memory % 64 == 0 or behaviour.get("unaligned", True)

    def execute_async_v3(self, stream_handle: int) -> bool:
        if behaviour.get("refuses"):
            return False
        addresses, session = dict(self._addresses), self._engine.session

        def work(_: Any) -> None:
            outputs = session.run(None, {p.name: _array(p, addresses[p.name]) for p in session.get_inputs()})
            for port, value in zip(session.get_outputs(), outputs, strict=True):
                _array(port, addresses[port.name])[:] = value

        self._queued.append(_Function(work))
        if behaviour.get("synchronises"):  # as a plugin may that was not written for graphs
            self._driver.cuStreamSynchronize(ctypes.c_void_p(stream_handle))
        return not self._driver.cuLaunchHostFunc(ctypes.c_void_p(stream_handle), self._queued[-1], None)


def _array(port: Any, address: int) -> np.ndarray:
    kind = np.dtype({"float": "float32"}.get(_kind(port), _kind(port)))
    raw = (ctypes.c_uint8 * (int(np.prod(port.shape)) * kind.itemsize)).from_address(address)
    return np.frombuffer(raw, kind).reshape(port.shape)


def _kind(port: Any) -> str:
    return port.type.removeprefix("tensor(").removesuffix(")")


behaviour: dict[str, bool] = {}


def rtx_module(version: str = "1.7.1.116") -> ModuleType:
    made = module(version)
    made.Runtime = RtxRuntime  # type: ignore[attr-defined]
    return made


def module(version: str = "10.3.0") -> ModuleType:
    made = ModuleType("tensorrt")
    for part in (DataType, TensorIOMode, Logger, Runtime):
        setattr(made, part.__name__, part)
    made.__version__ = version  # type: ignore[attr-defined]
    return made
