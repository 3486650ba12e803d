"""How large a picture is going to be, read from its first bytes: known before a decoder takes memory for it.

Also the list of formats that are read at all, by what a file begins with: decoders know many more, and would
take one of those under any name.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

Size = tuple[int, int]  # width and height
_FRAMES = {0xC0 | low for low in range(16)} - {0xC4, 0xC8, 0xCC}  # a JPEG's kinds of "start of frame"
_MOST_SCANS = 200  # of a JPEG: each is decoded over the whole picture, and takes a few bytes


def size_of(data: bytes) -> Size | None:
    """Width and height that a picture claims; None for what is none of the formats, or says no size."""
    for begins, read in _READERS:
        if re.match(begins, data, re.DOTALL):
            try:
                size = read(data)
            except (struct.error, IndexError, KeyError, ValueError):
                return None
            return size if size and min(size) > 0 else None
    return None


def _png(data: bytes) -> Size:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg(data: bytes) -> Size | None:
    if data.count(b"\xff\xda") > _MOST_SCANS:
        return None
    at = 2
    while data[at] == 0xFF:
        kind = data[at + 1]
        if kind in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        bare = 0xD0 <= kind <= 0xD8 or kind == 0x01
        at += 1 if kind == 0xFF else 2 if bare else 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


def _bmp(data: bytes) -> Size:
    old = struct.unpack_from("<I", data, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    return abs(width), abs(height)


def _webp(data: bytes) -> Size | None:
    if data[12:16] == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[12:16] == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _tiff(data: bytes) -> Size:
    """Of its first picture, which is the one that is read."""
    order = "<" if data[:2] == b"II" else ">"
    large = struct.unpack_from(order + "H", data, 2)[0] == 43
    at = struct.unpack_from(order + ("Q" if large else "I"), data, 8 if large else 4)[0]
    count = struct.unpack_from(order + ("Q" if large else "H"), data, at)[0]
    first, length, value = (at + 8, 20, 12) if large else (at + 2, 12, 8)
    found = {}
    for entry in range(first, first + length * min(count, 4096), length):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in (256, 257):
            found[tag] = struct.unpack_from(order + {3: "H", 4: "I", 16: "Q"}[kind], data, entry + value)[0]
    return found[256], found[257]


def _pnm(data: bytes) -> Size:
    """Two numbers after the signature; # begins a comment that goes on to the end of its line."""
    words = re.sub(rb"#[^\n]*", b" ", data[2:4096]).split()
    return int(words[0][:9]), int(words[1][:9])


_READERS: tuple[tuple[bytes, Callable[[bytes], Size | None]], ...] = (
    (rb"\x89PNG\r\n\x1a\n....IHDR", _png),
    (rb"\xff\xd8\xff", _jpeg),
    (rb"BM", _bmp),
    (rb"RIFF....WEBPVP8[ LX]", _webp),
    (rb"II[*+]\0|MM\0[*+]", _tiff),
    (rb"P[1-6]\s", _pnm),
)
