"""What viewers get from `WebSink`: fresh pictures, true numbers, and only work that somebody looks at."""

from __future__ import annotations

import json
from itertools import islice

import cv2
import numpy as np
import pytest

from tests import tiny
from tests.runtime.sinks.client import Viewer, ask, control
from tests.runtime.sinks.results import flowing, result
from tosa_edge.pictures.fit import fit_for
from tosa_edge.runtime.sinks.thumbnails import shrunk, smaller
from tosa_edge.runtime.sinks.web import WebSink


def decoded(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def test_a_viewer_sees_the_three_pictures_and_the_numbers_of_one_frame(sink):
    sink.write(result(3))
    viewer = Viewer(sink.url)
    assert "multipart/x-mixed-replace" in viewer.head
    parts = viewer.parts()
    assert json.loads(next(p for n, p in parts if n == "history"))[0][1:] == [20, 13.75, 15.5]
    tiles = {}
    for name, body in parts:
        if name == "numbers":
            break
        tiles[name] = decoded(body)
    assert list(tiles) == ["picture", "depth", "kept"]
    shown = result(3)
    assert np.abs(tiles["picture"] - shown.frame.picture).mean() < 6
    assert tiles["depth"][30, 24].sum() > tiles["depth"][30, 60].sum(), "the bar is bright, so near"
    kept, left_out = shown.prediction.kept, 1
    assert left_out not in kept
    assert tiles["kept"][5:25, 35:55].mean() < 0.4 * tiles["picture"][5:25, 35:55].mean()
    numbers = json.loads(body)
    assert numbers["latency_ms"] == 13.75
    assert numbers["stages_ms"] == {"prepare": 0.5, "infer": 13, "restore": 0.25}
    wanted = {"frame": 3, "shown": 3, "fps": 20, "age_ms": 15.5, "dropped": 0, "reconnects": 0}
    assert {key: numbers[key] for key in wanted} == wanted
    assert (numbers["label"], numbers["model"], numbers["kept_percent"]) == ("test", "tiny", 33)
    assert json.loads(ask(sink.url, "GET", "/stats")[2])["frame"] == 3
    viewer.close()


def test_a_dense_model_has_no_third_picture():
    sink = WebSink(tiny.info())
    sink.write(result(0, tiny.info()))
    parts = islice(Viewer(sink.url).parts(), 4)
    assert [name for name, _ in parts] == [
        "history",
        "picture",
        "depth",
        "numbers",
    ]
    assert ask(sink.url, "GET", "/stream/kept")[0] == 404
    sink.abort()


def test_opencv_and_with_it_ffmpeg_plays_a_stream(sink):
    with flowing(sink):
        capture = cv2.VideoCapture(f"{sink.url}stream/depth", cv2.CAP_FFMPEG)
        frames = [capture.read()[1] for _ in range(4)]
        capture.release()
    assert all(frame.shape == (60, 90, 3) for frame in frames)
    assert (frames[0] != frames[3]).any()


def test_pause_freezes_the_picture_and_not_the_numbers(sink):
    sink.write(result(0))
    viewer = Viewer(sink.url)
    viewer.next("numbers")
    assert control(sink.url, paused=True)[0] == 204
    before = viewer.next("picture")
    parts = []
    for index in range(1, 6):
        sink.write(result(index))
    for name, body in viewer.parts():
        parts.append(name)
        if name == "numbers" and json.loads(body)["frame"] == 5:
            break
    assert "picture" not in parts
    numbers = json.loads(body)
    assert (numbers["shown"], numbers["controls"]["paused"]) == (0, True)
    late = Viewer(sink.url)
    assert late.next("picture") == before, "who comes during the pause sees the frozen picture too"
    assert control(sink.url, paused=False)[0] == 204
    assert late.next("picture") != before
    viewer.close()
    late.close()


def test_colours_and_range_act_on_a_frozen_picture_too(sink):
    sink.write(result(0))
    viewer = Viewer(sink.url)
    depth = decoded(viewer.next("depth"))
    control(sink.url, paused=True)
    viewer.next("numbers")
    assert control(sink.url, colour_map="grey")[0] == 204
    grey = next(g for g in (decoded(viewer.next("depth")) for _ in range(5)) if np.ptp(g, axis=2).max() < 3)
    assert np.ptp(depth, axis=2).max() > 100
    assert control(sink.url, near=0.2, far=0.1)[0] == 204
    for _ in range(5):
        bright = decoded(viewer.next("depth"))
        if bright.mean() > grey.mean() + 20:
            break
    dark = result(0).prediction.depth > 0.25  # beyond the near end: as bright as can be
    assert bright[dark].min() > 230
    near, far = json.loads(ask(sink.url, "GET", "/stats")[2])["range"]
    assert far < near
    viewer.close()


@pytest.mark.parametrize("mode", ["letterbox", "stretch", "crop"])
def test_the_overlay_is_drawn_small_as_it_would_be_drawn_large(mode):
    frame, size = (720, 1280), (252, 336)
    small = smaller(frame)
    assert small == (360, 640)
    assert shrunk(fit_for(frame, size, mode), small) == fit_for(small, size, mode)
