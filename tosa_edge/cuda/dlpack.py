"""DLPack capsules, there and back: how array libraries hand each other memory without a copy.

The layout is that of DLPack before 1.0, which every library takes and gives when no version is asked for.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np

CPU, CUDA, CUDA_MANAGED = 1, 2, 13
_FRESH, _USED = b"dltensor", b"used_dltensor"  # the name of a capsule points to these bytes: kept alive here
_KINDS = {0: "i", 1: "u", 2: "f"}


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),  # in elements; null when rows follow one another
        ("offset", ctypes.c_uint64),
    )


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter))


_Destructor = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _Destructor)(
    ("PyCapsule_New", ctypes.pythonapi)
)
# By address, for a capsule that is being destroyed must not be held again.
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_is = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_SetName", ctypes.pythonapi)
)

_exported: dict[int, tuple[Any, ...]] = {}


@_Deleter
def _delete(address: int) -> None:
    _exported.pop(address, None)


@_Destructor
def _destroy(capsule: int) -> None:
    """Of a capsule that nobody took."""
    if _is(capsule, _FRESH):
        _delete(_pointer(capsule, _FRESH))


def export(pointer: int, shape: tuple[int, ...], dtype: np.dtype, device: tuple[int, int], owner: Any) -> Any:
    """A capsule over contiguous memory, which `owner` keeps until the taker has done with it."""
    sizes = (ctypes.c_int64 * max(len(shape), 1))(*shape)
    code = next(code for code, kind in _KINDS.items() if kind == dtype.kind)
    tensor = _Tensor(pointer, *device, len(shape), code, 8 * dtype.itemsize, 1, sizes, None, 0)
    managed = _Managed(tensor, None, _delete)
    _exported[ctypes.addressof(managed)] = (managed, sizes, owner)
    return _new(ctypes.addressof(managed), _FRESH, _destroy)


class Taken:
    """What a capsule held; whoever made it may have it back when this is gone. `strides` count bytes."""

    def __init__(self, capsule: Any) -> None:
        if not _is(id(capsule), _FRESH):
            raise ValueError("not a DLPack capsule, or one that was taken before")
        address = _pointer(id(capsule), _FRESH)
        managed = _Managed.from_address(address)
        tensor = managed.tensor
        if tensor.lanes != 1 or tensor.code not in _KINDS or tensor.bits % 8:
            raise ValueError(
                f"elements of a kind NumPy has not (DLPack code {tensor.code}, {tensor.bits} bits)"
            )
        _rename(capsule, _USED)
        if managed.deleter:
            weakref.finalize(self, managed.deleter, address).atexit = False
        self.pointer = (tensor.data or 0) + tensor.offset
        self.dtype = np.dtype(f"{_KINDS[tensor.code]}{tensor.bits // 8}")
        self.shape = tuple(tensor.shape[: tensor.ndim])
        self.strides = (
            tuple(self.dtype.itemsize * step for step in tensor.strides[: tensor.ndim])
            if tensor.strides
            else None
        )
