"""Arrays on the GPU, those of others and our own: PyCUDA, CuPy, PyTorch, Numba, without a copy.

Others come by DLPack where they have it, for then the library itself makes our stream wait for its work;
else by `__cuda_array_interface__`. Ours offer both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tosa_edge.cuda import dlpack
from tosa_edge.cuda.context import Context
from tosa_edge.cuda.driver import CudaError, bindings, call
from tosa_edge.cuda.stream import DEFAULT_STREAM, Stream
from tosa_edge.errors import TosaEdgeError

_HOW = (
    "Give one array of the GPU that this model runs on, in the context that was current when it was loaded."
)


class DeviceArray:
    """An array of ours on the GPU, C-contiguous and complete: no stream has to be waited for.

    The memory is yours while you hold it, or an array that another library made of it. Wait for your own work
    on it before you let go: a later result may be written there.

    Example:
        >>> depth = model(frame_on_the_gpu)
        >>> torch.from_dlpack(depth), cupy.asarray(depth)      # neither copies
        >>> GPUArray(depth.shape, depth.dtype, gpudata=depth.pointer, base=depth)      # PyCUDA
        >>> depth.numpy()
    """

    def __init__(self, context: Context, owner: Any, shape: tuple[int, ...], dtype: Any) -> None:
        """`owner` has a `pointer` and keeps what lies there alive."""
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.pointer = int(owner.pointer)
        self._context, self._owner = context, owner

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.pointer, False),
            "strides": None,
            "stream": None,
            "version": 3,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CUDA, self._context.device

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        if copy or dl_device not in (None, self.__dlpack_device__()):
            raise BufferError("this array is handed out as it is and where it is; copy it yourself")
        return dlpack.export(self.pointer, self.shape, self.dtype, self.__dlpack_device__(), self)

    def first(self) -> DeviceArray:
        """The first of a batch, in the same memory."""
        return DeviceArray(self._context, self._owner, self.shape[1:], self.dtype)

    def numpy(self) -> np.ndarray:
        """A copy on the host."""
        host = np.empty(self.shape, self.dtype)
        with self._context.active():
            call("cuMemcpyDtoH", host.ctypes.data, self.pointer, self.nbytes)
        return host

    def __array__(self, *arguments: Any, **named: Any) -> np.ndarray:
        raise TypeError("this array is on the GPU: use .numpy() for a copy on the host")

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype}, device={self._context.device})"


@dataclass(frozen=True)
class View:
    """Somebody's array as it lies on the GPU; `strides` in bytes. `owner` keeps it there."""

    pointer: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype
    owner: Any

    @property
    def contiguous(self) -> bool:
        # The step of an axis with one entry is never taken.
        usual = packed(self.shape, self.dtype.itemsize)
        return all(s == u or n == 1 for n, s, u in zip(self.shape, self.strides, usual, strict=True))


def packed(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """The strides, in bytes, of rows that follow one another."""
    return tuple(itemsize * int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape)))


def is_on_gpu(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return False
    if hasattr(value, "__dlpack_device__"):
        return int(value.__dlpack_device__()[0]) in (dlpack.CUDA, dlpack.CUDA_MANAGED)
    return hasattr(value, "__cuda_array_interface__")


def view(value: Any, stream: Stream) -> View:
    """What is queued on `stream` from now on sees the array as its producer leaves it."""
    try:
        if hasattr(value, "__dlpack__") and not isinstance(value, DeviceArray):
            taken = dlpack.Taken(value.__dlpack__(stream=stream.handle))
            found = _view(taken.pointer, taken.shape, taken.strides, taken.dtype, taken)
        else:
            found = _by_interface(value, stream)
    except (BufferError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise TosaEdgeError(
            f"a {type(value).__name__} on the GPU cannot be read: {' '.join(str(error).split())[:200]}",
            "Give a plain array of numbers on the GPU (of PyTorch: without gradients, .detach()).",
        ) from error
    if found.pointer:
        _refuse_elsewhere(found.pointer, stream.context)
    return found


def _by_interface(value: Any, stream: Stream) -> View:
    about = value.__cuda_array_interface__
    if about.get("mask") is not None:
        raise ValueError("it has a mask")
    producer = about.get("stream")
    # None says that nothing is under way, and yet PyCUDA says it with work on the default stream.
    stream.follow(DEFAULT_STREAM if producer is None else int(producer))
    return _view(
        int(about["data"][0]), about["shape"], about.get("strides"), np.dtype(about["typestr"]), value
    )


def _view(pointer: int, shape: Any, strides: Any, dtype: np.dtype, owner: Any) -> View:
    shape = tuple(int(n) for n in shape)
    strides = packed(shape, dtype.itemsize) if strides is None else tuple(int(s) for s in strides)
    return View(pointer, shape, strides, dtype, owner)


def _refuse_elsewhere(pointer: int, context: Context) -> None:
    """Another GPU's memory, or another context's, would end the process's use of CUDA."""
    for name, ours, what in (
        ("CONTEXT", int(context.handle), "another CUDA context than the model does"),
        ("DEVICE_ORDINAL", context.device, "another GPU than the model does"),
    ):
        which = getattr(bindings().CUpointer_attribute, f"CU_POINTER_ATTRIBUTE_{name}")
        try:
            theirs = call("cuPointerGetAttribute", which, pointer)
        except CudaError:  # memory of a pool belongs to no context
            continue
        if int(theirs) != ours and (name != "CONTEXT" or int(theirs)):
            raise TosaEdgeError(f"the array lies in {what}", _HOW)
