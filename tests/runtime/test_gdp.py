"""The reader of GStreamer's data protocol on streams that are damaged, cut, or of nobody's making."""

from __future__ import annotations

import binascii
import struct

import numpy as np
import pytest

from tests import tiny
from tosa_edge.runtime.sources.gdp import CorruptStream, read_caps, read_pictures

CAPS = "video/x-raw, format=(string)RGB, width=(int){}, height=(int){}, framerate=(fraction){}"
CAPS_KIND, BUFFER_KIND, CORRUPTED = 2, 1, 0x100


def packet(kind: int, payload: bytes, nanoseconds: int = 0, flags: int = 0) -> bytes:
    """As `gdppay` writes it, by the protocol's own field list."""
    head = struct.pack(">BBBBHI", 1, 0, 1, 0, kind, len(payload))
    head += struct.pack(">QQQQHQ6x", nanoseconds, 0, 0, 0, flags, 0)
    return head + struct.pack(">HH", binascii.crc_hqx(head, 0xFFFF) ^ 0xFFFF, 0) + payload


def caps(width: int, height: int, fps: str = "30/1") -> bytes:
    return packet(CAPS_KIND, CAPS.format(width, height, fps).encode() + b"\0")


def picture(pixels: np.ndarray, nanoseconds: int = 0, flags: int = 0) -> bytes:
    rows = pixels.reshape(len(pixels), -1)
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)), constant_values=99)
    return packet(BUFFER_KIND, padded.tobytes(), nanoseconds, flags)


def read(data: bytes) -> list:
    position = 0

    def fill(buffer: memoryview) -> bool:
        nonlocal position
        part, position = data[position : position + len(buffer)], position + len(buffer)
        buffer[: len(part)] = part
        return len(part) == len(buffer)

    return list(read_pictures(fill))


def test_sizes_times_flags_and_other_packets():
    one, two = tiny.picture(4, 5), tiny.picture(6, 8)
    event = packet(64 + 10254, b"GstEventStreamStart, stream-id=(string)x;")
    found = read(
        event + caps(5, 4) + picture(one, 40_000_000) + picture(one, 2**64 - 1, CORRUPTED) + event
        + caps(8, 6, "0/1") + picture(two, 80_000_000)
    )  # fmt: skip
    for seen, pixels in zip(found, (one, one, two), strict=True):
        np.testing.assert_array_equal(seen.pixels, pixels)
    assert [seen.seconds for seen in found] == [0.04, None, 0.08]
    assert [seen.corrupt for seen in found] == [False, True, False]
    assert [seen.layout.fps for seen in found] == [30, 30, None]


def test_a_stream_cut_anywhere_gives_the_whole_pictures_before():
    stream = caps(5, 4) + picture(tiny.picture(4, 5)) * 2
    sizes = [len(read(stream[:end])) for end in range(len(stream) + 1)]
    assert (sizes[0], sizes[-2], sizes[-1]) == (0, 1, 2)
    assert sizes == sorted(sizes)


def test_a_flipped_byte_in_a_header_is_noticed():
    stream = caps(5, 4) + picture(tiny.picture(4, 5))
    start = len(caps(5, 4))
    for place in (*range(60), *range(start, start + 60)):
        damaged = bytearray(stream)
        damaged[place] ^= 0x10
        with pytest.raises(CorruptStream):
            read(bytes(damaged))


@pytest.mark.parametrize(
    "text",
    ["", "video/x-raw", CAPS.format(0, 4, "30/1"), CAPS.format(-3, 4, "30/1"), CAPS.format("x", 4, "30/1"),
     CAPS.format(5, 4, "30"), CAPS.format(99999, 99999, "30/1"), CAPS.format(5, 4, "30/1").replace("G", "")],
)  # fmt: skip
def test_caps_that_make_no_picture(text):
    with pytest.raises(CorruptStream):
        read_caps(text)


def test_a_picture_of_another_length_than_its_caps_say():
    with pytest.raises(CorruptStream):
        read(caps(5, 4) + picture(tiny.picture(4, 8)))


def test_noise():
    chance = np.random.default_rng(0)
    for length in range(0, 300, 7):
        noise = chance.integers(0, 256, length, np.uint8).tobytes()
        if length < 62:
            assert read(noise) == []
        else:
            with pytest.raises(CorruptStream):
                read(noise)
