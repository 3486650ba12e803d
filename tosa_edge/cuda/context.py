"""The GPU context that work runs in: an application's own where it has one, the device's primary one else.

A context is current to a thread, not to a process. So each piece of work makes it current and puts back what
was: any thread may call, and an application that has its own (PyCUDA) finds it as it left it.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any

from tosa_edge.cuda.driver import CudaError, bindings, call, start


class Context:
    """Lives as long as anything that was made in it: each such thing holds it.

    Args:
        handle: a context that is current and somebody else's; None takes the primary one of the first device,
            which PyTorch and CuPy use as well, and gives it back with the last reference.
    """

    def __init__(self, handle: Any = None) -> None:
        start()
        if handle is None:
            device = call("cuDeviceGet", 0)
            handle = call("cuDevicePrimaryCtxRetain", device)
            weakref.finalize(self, call, "cuDevicePrimaryCtxRelease", device).atexit = False
        self.handle = handle
        with self.active():
            self._device = call("cuCtxGetDevice")
        self.device = int(self._device)
        # One memory for both processors, as on every Jetson: what the CPU wrote need not be copied.
        self.integrated = bool(self._attribute("INTEGRATED") and self._attribute("CAN_MAP_HOST_MEMORY"))

    @classmethod
    def here(cls) -> Context:
        """The one that is current in this thread, or the primary one where none is."""
        start()
        current = call("cuCtxGetCurrent")
        return cls(current if int(current) else None)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        pushed = int(call("cuCtxGetCurrent")) != int(self.handle)
        if pushed:
            call("cuCtxPushCurrent", self.handle)
        try:
            yield
        finally:
            if pushed:
                call("cuCtxPopCurrent")

    def give_back(self, owner: object, function: str, handle: Any) -> weakref.finalize[..., Any]:
        """Calls `function` with the handle, once: when the owner is gone, or when the answer is called."""
        finalizer = weakref.finalize(owner, self._give_back, function, handle)
        finalizer.atexit = False  # the driver cleans up behind a process
        return finalizer

    def _give_back(self, function: str, handle: Any) -> None:
        # An application that destroys its own context first has given back everything in it.
        with contextlib.suppress(CudaError), self.active():
            call(function, handle)

    def _attribute(self, name: str) -> int:
        which = getattr(bindings().CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}")
        return int(call("cuDeviceGetAttribute", which, self._device))
