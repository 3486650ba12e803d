"""The C++ plugin library, as TensorRT would use it: `tests/plugins/tensorrt/shim.cpp`, called from Python."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_DATA_TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int32): 3}  # nvinfer1::DataType


class _Tensor(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int32), ("rank", ctypes.c_int32), ("d", ctypes.c_int64 * 8))


class _Attribute(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("whole", ctypes.c_int32), ("value", ctypes.c_double))


class Refused(Exception):
    """What the library said."""


class Tensors:
    """Types and shapes of a node's inputs and outputs."""

    def __init__(
        self, inputs: list[tuple[tuple[int, ...], Any]], outputs: list[tuple[tuple[int, ...], Any]]
    ) -> None:
        self.inputs, self.outputs = len(inputs), len(outputs)
        all_of_them = (
            _Tensor(_DATA_TYPES[np.dtype(kind)], len(shape), (ctypes.c_int64 * 8)(*shape))
            for shape, kind in (*inputs, *outputs)
        )
        self.raw = (_Tensor * (len(inputs) + len(outputs)))(*all_of_them)

    @property
    def arguments(self) -> tuple[Any, int, int]:
        return self.raw, self.inputs, self.outputs


class PluginHost:
    """TensorRT, to one plugin library; `close` lets go of it."""

    def __init__(self, shim: Path, library: Path) -> None:
        self._shim = ctypes.CDLL(str(shim))
        self._shim.shim_said.restype = ctypes.c_char_p
        self._shim.shim_build.restype = ctypes.c_longlong
        for name in ("shim_create", "shim_from_engine", "shim_attach"):
            getattr(self._shim, name).restype = ctypes.c_void_p
        self.creators = self._raise_on_error(self._shim.shim_open(str(library).encode()))

    def close(self) -> None:
        self._shim.shim_close()

    def create(self, name: str, attributes: Mapping[str, Any]) -> Plugin:
        listed = [_Attribute(n.encode(), isinstance(v, int), v) for n, v in attributes.items()]
        raw = (_Attribute * max(len(listed), 1))(*listed)
        return self._plugin(self._shim.shim_create(name.encode(), raw, len(listed)))

    def _plugin(self, handle: int | None) -> Plugin:
        if not handle:
            raise Refused(self._shim.shim_said().decode())
        return Plugin(self, handle)

    def _raise_on_error(self, answer: int) -> int:
        if answer < 0:
            raise Refused(self._shim.shim_said().decode())
        return answer


class Plugin:
    """One plugin object of the library, until `destroy`."""

    def __init__(self, host: PluginHost, handle: int) -> None:
        self._host, self._shim, self._handle = host, host._shim, ctypes.c_void_p(handle)

    def from_engine(self) -> Plugin:
        return self._host._plugin(self._shim.shim_from_engine(self._handle))

    def build(self, tensors: Tensors) -> int:
        """Every question of a builder; the bytes of workspace."""
        return self._host._raise_on_error(self._shim.shim_build(self._handle, *tensors.arguments))

    def attach(self) -> Plugin:
        return self._host._plugin(self._shim.shim_attach(self._handle))

    def shapes(self, tensors: Tensors) -> None:
        self._host._raise_on_error(self._shim.shim_shapes(self._handle, *tensors.arguments))

    def enqueue(
        self, tensors: Tensors, inputs: list[int], outputs: list[int], workspace: int, stream: int
    ) -> None:
        given, made = (
            (ctypes.c_void_p * len(all_of_them))(*all_of_them) for all_of_them in (inputs, outputs)
        )
        addresses = (given, made, ctypes.c_void_p(workspace), ctypes.c_void_p(stream))
        self._host._raise_on_error(self._shim.shim_enqueue(self._handle, *tensors.arguments, *addresses))

    def destroy(self) -> None:
        self._shim.shim_destroy(self._handle)
