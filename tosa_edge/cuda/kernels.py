"""The two kernels of fit.cu, launched: a frame into the graph's input, depth back to the frame's size."""

from __future__ import annotations

import ctypes
from typing import Any

from tosa_edge.cuda.compile import PTX
from tosa_edge.cuda.context import Context
from tosa_edge.cuda.driver import call
from tosa_edge.cuda.stream import Stream
from tosa_edge.pictures.fit import BARS, Box, Fit

LARGEST = 32767  # pixels a side: the kernels count in 32 bits
_BLOCK = (32, 8)
_BARS = sum(colour << (8 * place) for place, colour in enumerate(BARS))


class _Box(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int) for name in ("top", "left", "height", "width"))

    @classmethod
    def of(cls, box: Box) -> _Box:
        return cls(box.top, box.left, box.height, box.width)


class _Geometry(ctypes.Structure):
    """`Geometry` of fit.cu."""

    _fields_ = (
        *((name, ctypes.c_longlong) for name in ("row", "column", "channel")),
        *((name, ctypes.c_int) for name in ("height", "width", "frame_height", "frame_width")),
        ("source", _Box),
        ("target", _Box),
        *((name, ctypes.c_int) for name in ("swap", "bars")),
    )


class Kernels:
    def __init__(self, context: Context) -> None:
        with context.active():
            module = call("cuModuleLoadData", PTX.read_bytes() + b"\0")
            self.close = context.give_back(self, "cuModuleUnload", module)
            self._fit_frame = call("cuModuleGetFunction", module, b"fit_frame")
            self._restore_depth = call("cuModuleGetFunction", module, b"restore_depth")

    def fit_frame(
        self, image: int, frame: int, steps: tuple[int, ...], fit: Fit, bgr: bool, stream: Stream
    ) -> None:
        """`Fit.forward`: from uint8 at `steps` in bytes to packed uint8."""
        _launch(self._fit_frame, (image, frame), _geometry(fit, steps, bgr), fit.size, stream)

    def restore_depth(self, depth: int, field: int, fit: Fit, stream: Stream) -> None:
        """`Fit.backward`: packed float32 to packed float32."""
        _launch(self._restore_depth, (depth, field), _geometry(fit), fit.frame_size, stream)


def _geometry(fit: Fit, steps: tuple[int, ...] = (0, 0, 0), swap: bool = False) -> _Geometry:
    boxes = _Box.of(fit.source), _Box.of(fit.target)
    return _Geometry(*steps, *fit.size, *fit.frame_size, *boxes, swap, _BARS)


def _launch(
    kernel: Any, addresses: tuple[int, int], geometry: _Geometry, size: tuple[int, int], stream: Stream
) -> None:
    arguments = [*map(ctypes.c_void_p, addresses), geometry]
    places = (ctypes.c_void_p * len(arguments))(*map(ctypes.addressof, arguments))
    blocks = [-(-side // block) for side, block in zip(size[::-1], _BLOCK, strict=True)]
    call("cuLaunchKernel", kernel, *blocks, 1, *_BLOCK, 1, 0, stream.handle, ctypes.addressof(places), 0)
