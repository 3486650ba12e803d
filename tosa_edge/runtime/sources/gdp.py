"""Pictures out of GStreamer's data protocol, which its element `gdppay` writes.

A pipe carries bytes only. This says of each buffer how long it is, when it was taken and of what size the
picture is, so a stream may change its size in the middle. Headers carry a checksum: what is out of step is
noticed instead of shown.
"""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

# Version (2), flags, padding, kind, length, time, duration, two offsets, the buffer's flags, decoding time,
# padding, checksums of the header and of what follows.
_HEADER = struct.Struct(">BBBxHIQQQQHQ6xHH")
_CHECKED = _HEADER.size - 4
_BUFFER, _CAPS = 1, 2
_NO_TIME = 2**64 - 1
_CORRUPTED = 1 << 8
_LARGEST = 1 << 28  # bytes; a picture of 8192x8192 has fewer


class CorruptStream(Exception):
    """These bytes are not what `gdppay` writes."""


@dataclass(frozen=True)
class Layout:
    width: int
    height: int
    fps: float | None

    @property
    def stride(self) -> int:
        """Bytes from row to row: GStreamer rounds them up to a multiple of four."""
        return (3 * self.width + 3) // 4 * 4


@dataclass(frozen=True)
class Picture:
    """seconds: by the pipeline's clock, where it says. corrupt: the decoder's own word."""

    layout: Layout
    pixels: np.ndarray
    seconds: float | None
    corrupt: bool


def read_pictures(fill: Callable[[memoryview], bool]) -> Iterator[Picture]:
    """`fill` fills a buffer, or says no where the stream has ended."""
    layout = None
    header = bytearray(_HEADER.size)
    while fill(memoryview(header)):
        kind, length, nanoseconds, flags = _parse_header(bytes(header))
        payload = np.empty(length, np.uint8)
        if length and not fill(payload.data):
            return
        if kind == _CAPS:
            layout = read_caps(payload.tobytes().decode("latin-1").rstrip("\0"))
        elif kind == _BUFFER and layout:
            seconds = None if nanoseconds == _NO_TIME else nanoseconds / 1e9
            yield Picture(layout, _pixels(payload, layout), seconds, bool(flags & _CORRUPTED))


def read_caps(text: str) -> Layout:
    fields = dict(re.findall(r"([\w-]+)=\(\w+\)([^,;\s]+)", text))
    try:
        # A rate of 0/1 is GStreamer's word for one that changes.
        over, under = (int(part) for part in fields.get("framerate", "0/1").split("/"))
        layout = Layout(int(fields["width"]), int(fields["height"]), over / under if over and under else None)
    except (KeyError, ValueError):
        raise CorruptStream from None
    if fields.get("format") != "RGB" or not 0 < layout.stride * layout.height <= _LARGEST:
        raise CorruptStream
    return layout


def _parse_header(header: bytes) -> tuple[int, int, int, int]:
    version, _, _, kind, length, nanoseconds, *_, flags, _, checksum, _ = _HEADER.unpack(header)
    right = binascii.crc_hqx(header[:_CHECKED], 0xFFFF) ^ 0xFFFF == checksum
    if version != 1 or length > _LARGEST or not right:
        raise CorruptStream
    return kind, length, nanoseconds, flags


def _pixels(payload: np.ndarray, layout: Layout) -> np.ndarray:
    if payload.size != layout.stride * layout.height:
        raise CorruptStream
    rows = payload.reshape(layout.height, layout.stride)[:, : 3 * layout.width]
    return np.ascontiguousarray(rows).reshape(layout.height, layout.width, 3)
