"""Patterns, and what comes from Python."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np
import pytest

from tests import tiny
from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.sources import Frame, open_source
from tosa_edge.runtime.sources.iterable import IterableSource
from tosa_edge.runtime.sources.pattern import Pattern, read_index


@pytest.mark.parametrize("size", [(640, 480), (48, 32), (321, 243)])
def test_a_pattern_moves_and_carries_its_index(size):
    draw = Pattern(*size, seed=3)
    for index in (0, 1, 2, 1000, 2**24 - 1):
        picture = draw(index)
        assert (picture.shape, picture.dtype) == ((size[1], size[0], 3), np.uint8)
        assert read_index(picture) == index
    below = slice(size[1] // 8, None)
    assert (draw(5)[below] != draw(6)[below]).mean() > 0.1
    assert (draw(5) == Pattern(*size, seed=3)(5)).all()
    assert (draw(5) != Pattern(*size, seed=4)(5)).any()


def test_the_index_survives_a_codec():
    draw = Pattern(640, 480, 0)
    for index in (0, 12345, 2**24 - 1):
        small = cv2.imencode(".jpg", draw(index), [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
        assert read_index(cv2.imdecode(small, cv2.IMREAD_COLOR)) == index


def test_a_pattern_as_fast_as_it_is_taken():
    source = open_source("test://64x48?fps=0&frames=50")
    frames = list(source)
    assert (source.live, source.frame_count, source.fps) == (False, 50, 30)
    assert [read_index(frame.picture) for frame in frames] == list(range(50))


def test_a_pattern_at_its_rate_loses_nothing_when_taken_late():
    source = open_source("test://64x48?fps=100&frames=20&seed=1")
    began = time.monotonic()
    frames = []
    for frame in source:
        frames.append(frame)
        if frame.index == 3:
            time.sleep(0.1)
    assert time.monotonic() - began >= 0.19  # the last is due after 19 hundredths
    assert source.live
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.timestamp for frame in frames] == [index / 100 for index in range(20)]


def test_an_endless_pattern_is_closed_from_another_thread():
    source = open_source("test://")
    threading.Timer(0.2, source.close).start()
    frames = list(source)
    assert frames[0].picture.shape == (480, 640, 3)
    assert source.frame_count is None


def test_pictures_from_python():
    pictures = [tiny.picture(6, 8, seed) for seed in range(3)]
    source = IterableSource(pictures, fps=5)
    frames = list(source)
    assert (source.frame_count, source.live) == (3, False)
    assert [frame.timestamp for frame in frames] == [0, 0.2, 0.4]
    assert all(frame.picture is picture for frame, picture in zip(frames, pictures, strict=True))
    mine = Frame(7, 1.5, pictures[0], "mine")
    (frame,) = IterableSource(iter([mine]))
    assert frame is mine
    live = IterableSource((picture for picture in pictures), live=True)
    first = next(iter(live))
    live.close()
    assert (live.frame_count, first.index, list(live)) == (None, 0, [])


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_picture_is_refused(wrong):
    with pytest.raises(TosaEdgeError, match="picture 0 is"):
        list(IterableSource([wrong]))
