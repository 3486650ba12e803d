"""A pattern that moves: no camera, no file, any size and rate. `test://640x480?fps=30&frames=100&seed=1`.

Every frame carries its index as a strip of black and white cells along its upper edge, so that whoever looks
at a picture can tell which one it is, also after a codec has been over it.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.limits import PIXELS
from tosa_edge.runtime.sources import Frame, Source
from tosa_edge.runtime.sources.address import natural_number, rate, read_address, size

BITS = 24
_SMALLEST = (2 * BITS, 32)


class PatternSource(Source):
    """`fps=0` is as fast as they are taken; then nothing is live and nothing gets dropped.

    Whoever comes late gets the missed frames at once: which of them to drop is the pipeline's business.
    """

    def __init__(self, spec: str) -> None:
        self.label = spec
        place, options = read_address(spec, fps=rate, frames=natural_number, seed=natural_number)
        try:
            width, height = size(place or "640x480")
        except ValueError as error:
            raise TosaEdgeError(f"{spec}: {place} is no size", f"{error}.") from None
        if width < _SMALLEST[0] or height < _SMALLEST[1]:
            raise TosaEdgeError(f"{spec} is too small", f"{_SMALLEST[0]}x{_SMALLEST[1]} is the smallest.")
        PIXELS.check(width * height, spec)
        paced = options.get("fps", 30.0)
        self.live = paced > 0
        self.fps = paced or 30.0
        self.frame_count = options.get("frames")
        self._draw = Pattern(width, height, options.get("seed", 0))
        self._closed = threading.Event()

    @staticmethod
    def accepts(spec: str) -> bool:
        return spec.startswith("test://")

    def __iter__(self) -> Iterator[Frame]:
        began = time.monotonic()
        for index in itertools.count() if self.frame_count is None else range(self.frame_count):
            if self.live:
                self._closed.wait(max(0.0, began + index / self.fps - time.monotonic()))
            if self._closed.is_set():
                return
            yield Frame(index, index / self.fps, self._draw(index), f"{index:06d}")

    def close(self) -> None:
        self._closed.set()


class Pattern:
    """Slanted gradients that drift sideways, and four boxes that drift otherwise."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        chance = np.random.default_rng(seed)
        x, y = np.arange(width)[None, :, None], np.arange(height)[:, None, None]
        # Whole waves across the width, so that the picture can be rolled round without a seam.
        waves, slant = chance.integers(1, 4, 3), chance.uniform(0, 2, 3)
        tile = 128 + 90 * np.sin(2 * np.pi * (waves * x / width + slant * y / height))
        tile += chance.integers(-12, 13, (height, width, 1))
        self._tile = np.concatenate([tile, tile], axis=1).astype(np.uint8)
        self._width, self._height = width, height
        self._boxes = (
            chance.uniform(0, 1, (4, 2)),
            chance.integers(1, 6, (4, 2)),
            chance.integers(0, 256, (4, 3)),
        )

    def __call__(self, index: int) -> np.ndarray:
        shift = 2 * index % self._width
        picture = self._tile[:, shift : shift + self._width].copy()
        high, wide = self._height // 5, self._width // 6
        for place, speed, colour in zip(*self._boxes, strict=True):
            left = int(place[0] * self._width + speed[0] * index) % (self._width - wide)
            top = int(place[1] * self._height + speed[1] * index) % (self._height - high)
            picture[top : top + high, left : left + wide] = colour
        write_index(picture, index)
        return picture


def write_index(picture: np.ndarray, index: int) -> None:
    rows, cell = _strip(picture)
    bits = np.array([index >> bit & 1 for bit in range(BITS)], np.uint8)
    picture[:rows, : BITS * cell] = 255 * np.repeat(bits, cell)[None, :, None]


def read_index(picture: np.ndarray) -> int:
    """The index in a picture, modulo 2^24."""
    rows, cell = _strip(picture)
    bits = picture[rows // 2, cell // 2 : BITS * cell : cell].mean(axis=-1) > 127
    return sum(1 << bit for bit in range(BITS) if bits[bit])


def _strip(picture: np.ndarray) -> tuple[int, int]:
    """Rows of the strip, columns of a cell."""
    return max(4, picture.shape[0] // 16), picture.shape[1] // BITS
