"""Memory of the GPU, and host memory it can reach; given back by `close`, or with the last reference.

A `Staging` stands for one array that both sides use: page-locked host memory and a twin on the device. Where
both share one memory, as on a Jetson, it can be `mapped`: one allocation that both address, and nothing is
copied. A Jetson's GPU does not cache such memory: that is for what kernels write once, and not for a frame,
whose bytes they read several times and one by one.
"""

from __future__ import annotations

import ctypes
import weakref
from collections import deque

import numpy as np

from tosa_edge.cuda.context import Context
from tosa_edge.cuda.driver import call
from tosa_edge.cuda.stream import Stream

_PORTABLE, _MAPPED = 1, 2  # CU_MEMHOSTALLOC_PORTABLE, CU_MEMHOSTALLOC_DEVICEMAP
_KEPT, _SIZES = 4, 4


class DeviceMemory:
    def __init__(self, context: Context, nbytes: int) -> None:
        self.context, self.nbytes = context, nbytes
        with context.active():
            allocated = call("cuMemAlloc", max(nbytes, 1))
        self.pointer = int(allocated)
        self.close = context.give_back(self, "cuMemFree", allocated)


class HostMemory:
    """A page-locked array, which the GPU copies from and to while the CPU goes on. `mapped`, the GPU reaches
    it in place, at `pointer`. No view of `array` may outlive this."""

    def __init__(self, context: Context, shape: tuple[int, ...], dtype: str, mapped: bool = False) -> None:
        self.nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        with context.active():
            allocated = call("cuMemHostAlloc", max(self.nbytes, 1), _PORTABLE | (_MAPPED if mapped else 0))
            self._end = context.give_back(self, "cuMemFreeHost", allocated)
            self.pointer = int(call("cuMemHostGetDevicePointer", allocated, 0)) if mapped else 0
        self.address = int(allocated)
        flat = np.ctypeslib.as_array((ctypes.c_uint8 * self.nbytes).from_address(self.address))
        self.array = flat.view(dtype).reshape(shape)

    def close(self) -> None:
        self.array = self.array.reshape(-1)[:0]
        self._end()


class Staging:
    """One array of both sides: `host` is a view that must not outlive this, `pointer` the GPU's address."""

    def __init__(self, context: Context, shape: tuple[int, ...], dtype: str, mapped: bool = False) -> None:
        self._memory = HostMemory(context, shape, dtype, mapped)
        self._twin = None if mapped else DeviceMemory(context, self._memory.nbytes)
        self.pointer = self._twin.pointer if self._twin else self._memory.pointer

    @property
    def host(self) -> np.ndarray:
        return self._memory.array

    def upload(self, stream: Stream) -> None:
        if self._twin:
            copy(self.pointer, self._memory.address, self._memory.nbytes, stream)

    def download(self, stream: Stream) -> None:
        """Queued: `host` holds it once the stream is synchronised."""
        if self._twin:
            copy(self._memory.address, self.pointer, self._memory.nbytes, stream)

    def close(self) -> None:
        self._memory.close()
        if self._twin:
            self._twin.close()


def copy(to: int, source: int, nbytes: int, stream: Stream) -> None:
    """Between any two addresses: host and device share one address space."""
    call("cuMemcpyAsync", to, source, nbytes, stream.handle)


class Lease:
    """Device memory out of a `Pool`, which has it back with the last reference to this."""

    def __init__(self, memory: DeviceMemory) -> None:
        self.pointer = memory.pointer


class Pool:
    """Results that are handed out need memory of their own for each frame, and allocating waits for the GPU.

    Whoever lets go of a result must have done with it on the GPU too: the next frame may be written there.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._free: dict[int, deque[DeviceMemory]] = {}
        self._open = True

    def take(self, nbytes: int) -> Lease:
        if nbytes not in self._free and len(self._free) >= _SIZES:
            self._drop()  # frames of ever new sizes: keep none of them
        try:
            memory = self._free.setdefault(nbytes, deque()).pop()
        except IndexError:
            memory = DeviceMemory(self._context, nbytes)
        lease = Lease(memory)
        weakref.finalize(lease, self._take_back, memory).atexit = False
        return lease

    def _take_back(self, memory: DeviceMemory) -> None:
        free = self._free.get(memory.nbytes)
        if self._open and free is not None and len(free) < _KEPT:
            free.append(memory)
        else:
            memory.close()

    def _drop(self) -> None:
        while self._free:
            for memory in self._free.popitem()[1]:
                memory.close()

    def close(self) -> None:
        self._open = False
        self._drop()
