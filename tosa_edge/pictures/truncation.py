"""Whether a picture or a video file is whole.

Decoders accept truncated files (grey below, or an early end) without an error. That is unsafe for a robot, so
the lengths in the container are compared with the file's size first.
Formats not known here are left to their decoder.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from tosa_edge.limits import BYTES

_MOST_PARTS = 10**5  # that a file is followed through; the rest is for its decoder to judge


def is_whole(path: Path) -> bool:
    """False when the file says it should be longer than it is, or a PNG's checksum is wrong."""
    with open(path, "rb") as file:
        return _is_whole(file, path.stat().st_size, str(path))


def is_whole_data(data: bytes) -> bool:
    """Of a file that is in memory."""
    return _is_whole(io.BytesIO(data), len(data), "it")


def _is_whole(file: BinaryIO, size: int, name: str) -> bool:
    head = file.read(16)
    file.seek(0)
    for signature, at, check in _CHECKS:
        if head[at : at + len(signature)] == signature:
            if check in (_jpeg, _png):  # which are read whole
                BYTES.check(size, f"{name} is too large")
            return check(file, size)
    return True


def _jpeg(file: BinaryIO, size: int) -> bool:
    """An end marker must follow the last scan's start; one inside the EXIF thumbnail does not count."""
    data = file.read()
    at = 2
    for _ in range(_MOST_PARTS):
        if at + 4 > size:
            return False
        if data[at] != 0xFF:
            return False
        kind = data[at + 1]
        if kind == 0xDA:  # after the first scan begins, FF D9 can only be the end
            return data.find(b"\xff\xd9", at) >= 0
        filler_or_bare = kind == 0xFF or 0xD0 <= kind <= 0xD8 or kind == 0x01
        at += (
            (1 if kind == 0xFF else 2) if filler_or_bare else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        )
    return True


def _png(file: BinaryIO, size: int) -> bool:
    file.seek(8)
    for _ in range(_MOST_PARTS):
        if len(start := file.read(8)) < 8:
            return False
        length, kind = int.from_bytes(start[:4], "big"), start[4:]
        if length > size:
            return False
        body, checksum = file.read(length), file.read(4)
        if len(checksum) < 4 or zlib.crc32(kind + body) != int.from_bytes(checksum, "big"):
            return False
        if kind == b"IEND":
            return True
    return True


def _riff(file: BinaryIO, size: int) -> bool:
    """WebP and AVI; a recorder that was killed leaves the length 0."""
    length = int.from_bytes(file.read(8)[4:], "little")
    return length > 0 and 8 + length <= size


def _bmp(file: BinaryIO, size: int) -> bool:
    return int.from_bytes(file.read(6)[2:], "little") <= size


def _boxes(file: BinaryIO, size: int) -> bool:
    """MP4 and MOV: a chain of boxes that ends with the file, one of them `moov`, the index."""
    at, kinds = 0, set()
    for _ in range(_MOST_PARTS):
        if at >= size:
            return b"moov" in kinds or b"moof" in kinds
        file.seek(at)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        kinds.add(kind)
        if length == 0:  # "until the end of the file"
            length = size - at
        if length < 8 or at + length > size:
            return False
        at += length
    return True


def _matroska(file: BinaryIO, size: int) -> bool:
    """WebM and MKV: a header element and one segment, whose length a live recording may leave open."""
    at = 0
    for _ in range(_MOST_PARTS):
        if at >= size:
            return at == size
        file.seek(at)
        head = file.read(12)
        _, id_length = _vint(head)
        length, length_length = _vint(head[id_length:])
        if not id_length or not length_length:
            return False
        at += id_length + length_length
        if length == (1 << 7 * length_length) - 1:  # all ones: not known
            return True
        at += length
    return True


def _vint(data: bytes) -> tuple[int, int]:
    """Matroska's number: as many bytes as there are leading zero bits, and one. Returns value and bytes."""
    if not data or not data[0]:
        return 0, 0
    count = 9 - data[0].bit_length()
    if count > len(data):
        return 0, 0
    return int.from_bytes(data[:count], "big") & ((1 << 7 * count) - 1), count


_CHECKS: list[tuple[bytes, int, Callable[[BinaryIO, int], bool]]] = [
    (b"\xff\xd8\xff", 0, _jpeg),
    (b"\x89PNG\r\n\x1a\n", 0, _png),
    (b"RIFF", 0, _riff),
    (b"BM", 0, _bmp),
    (b"ftyp", 4, _boxes),
    (b"\x1aE\xdf\xa3", 0, _matroska),
]
