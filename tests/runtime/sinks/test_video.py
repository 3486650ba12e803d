"""The recording, looked at again: colours, moments, its end, and in a real browser."""

from __future__ import annotations

import base64
import itertools
import sys

import cv2
import numpy as np
import pytest

from tests import chromium, media, tiny
from tests.runtime.sinks.results import result
from tosa_edge.runtime.panels import Painter
from tosa_edge.runtime.sinks import Result
from tosa_edge.runtime.sinks.opencv_writer import OpencvWriter, count_frames
from tosa_edge.runtime.sinks.pyav_writer import PyavWriter
from tosa_edge.runtime.sinks.video import VideoSink, writer_for
from tosa_edge.runtime.sources import Frame

NO_PYAV = "PyAV is not installed here: pip install 'tosa-edge[record]'"
COLOURS = ((255, 255, 255), (0, 0, 0), (200, 30, 40), (30, 160, 60), (20, 60, 220))
BAR = 22  # the text above the tiles


def shown(
    picture: np.ndarray, index: int = 0, timestamp: float = 0.0, painter: Painter | None = None
) -> Result:
    some = result(index, size=picture.shape[:2])
    frame = Frame(index, timestamp, picture, f"{index}")
    return Result(frame, some.prediction, painter or some.painter, 1.0, 10.0, 0, 0)


def record(path, pictures, fps=10.0, timestamps=None, paced=False):
    sink, painter = VideoSink(path, fps, paced), Painter(tiny.selective_info())
    for index, picture in enumerate(pictures):
        now = index / fps if timestamps is None else timestamps[index]
        sink.write(shown(picture, index, now, painter))
    sink.seal()
    assert sink.commit() == path
    return path


def plain(count, height=48, width=64):
    return [np.full((height, width, 3), 9 * index % 256, np.uint8) for index in range(count)]


def moments(path):
    """Of every frame, in seconds, as the container states them."""
    av = pytest.importorskip("av", reason=NO_PYAV)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [float(p.pts * stream.time_base) for p in container.demux(stream) if p.pts is not None]


@pytest.mark.parametrize("suffix", [".webm", ".mkv", ".mp4", ".avi"])
@pytest.mark.parametrize("size", [(59, 91), (96, 144)])
def test_colours_come_back(tmp_path, recorder, suffix, size):
    """Their range, their matrix and the order of channels, as OpenCV decodes them; of odd sizes too."""
    path = record(tmp_path / f"v{suffix}", [np.full((*size, 3), colour, np.uint8) for colour in COLOURS])
    capture = cv2.VideoCapture(str(path))
    for colour in COLOURS:
        good, picture = capture.read()
        assert good
        assert picture.shape[0] % 2 == picture.shape[1] % 2 == 0
        tile = picture[BAR + 6 :, 6 : picture.shape[1] // 3 - 6, ::-1]
        np.testing.assert_allclose(tile.reshape(-1, 3).mean(axis=0), colour, atol=6)
    capture.release()


@pytest.mark.parametrize("suffix", [".webm", ".mp4"])
def test_the_file_says_how_its_colours_are_meant(tmp_path, suffix):
    av = pytest.importorskip("av", reason=NO_PYAV)
    path = record(tmp_path / f"v{suffix}", [np.full((59, 91, 3), colour, np.uint8) for colour in COLOURS])
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (6, 1)  # BT.601, limited
        for colour, frame in zip(COLOURS, container.decode(video=0), strict=True):
            tile = frame.to_ndarray(format="rgb24")[BAR + 6 :, 6 : frame.width // 3 - 6]
            np.testing.assert_allclose(tile.reshape(-1, 3).mean(axis=0), colour, atol=6)


@pytest.mark.parametrize("suffix", [".webm", ".mkv", ".mp4", ".avi"])
def test_moments_of_a_file_are_even_and_grow(tmp_path, recorder, suffix):
    capture = cv2.VideoCapture(str(record(tmp_path / f"v{suffix}", plain(40), fps=29.97)))
    found = []
    while capture.grab():
        found.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    np.testing.assert_allclose(found, np.arange(40) / 29.97, atol=0.002)


@pytest.mark.parametrize("suffix", [".webm", ".mkv", ".mp4"])
def test_a_cameras_moments_are_kept_whatever_its_clock_does(tmp_path, suffix):
    pytest.importorskip("av", reason=NO_PYAV)
    stated = [5.0, 5.033, 5.033, 5.2, 9000.0, 3.0, 3.05, 3.0504, 3.0508]
    found = moments(record(tmp_path / f"v{suffix}", plain(len(stated)), 30, stated, paced=True))
    assert all(before < after for before, after in itertools.pairwise(found))
    # A gap is cut to a second, a step back or none at all is a millisecond.
    np.testing.assert_allclose(
        found, [0, 0.033, 0.034, 0.201, 1.201, 1.202, 1.252, 1.253, 1.254], atol=0.0011
    )


@pytest.mark.parametrize("suffix", [".webm", ".mkv", ".mp4"])
def test_a_file_whose_end_is_missing_is_not_taken_for_whole(tmp_path, suffix):
    pytest.importorskip("av", reason=NO_PYAV)
    path = tmp_path / f"v{suffix}"
    writer = PyavWriter(path, 30, False, (64, 96))
    rng = np.random.default_rng(0)
    for index in range(40):
        writer.write(rng.integers(0, 256, (64, 96, 3), np.uint8), index / 30)
    writer.close()
    assert writer.missing() == ""
    media.cut(path, 0.9)
    assert "the last of 40 frames" in writer.missing()
    path.write_bytes(b"")
    assert writer.missing()


def test_giving_up_leaves_nothing_at_any_time(tmp_path, recorder):
    for count in (0, 1, 5):
        sink = VideoSink(tmp_path / "o" / "v.webm", 10)
        for picture in plain(count):
            sink.write(shown(picture))
        sink.abort()
        sink.abort()
        assert media.left_behind(tmp_path) == []


def test_who_writes_what(monkeypatch):
    assert writer_for(".avi") is OpencvWriter
    monkeypatch.setitem(sys.modules, "av", None)
    assert writer_for(".webm") is writer_for(".mp4") is OpencvWriter


def test_pyav_writes_what_plays_everywhere():
    pytest.importorskip("av", reason=NO_PYAV)
    assert writer_for(".webm") is writer_for(".mkv") is writer_for(".mp4") is PyavWriter


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if chromium.executable() is None:
        pytest.skip("no Chromium or Chrome here; CHROMIUM=/path/to/it names one")
    with chromium.Chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.mark.parametrize("suffix", [".webm", ".mp4"])
def test_a_browser_plays_it(tmp_path, recorder, browser, suffix):
    if (recorder, suffix) == ("OpenCV", ".mp4"):
        pytest.skip("OpenCV writes MPEG-4 Part 2 into .mp4, which no browser plays")
    path = record(tmp_path / f"v{suffix}", plain(60, 59, 91), fps=30)
    assert count_frames(path) == 60
    page = browser.open("about:blank")
    kind = f"video/{suffix[1:]}"
    page.run(
        "window.video = document.body.appendChild(document.createElement('video')); video.muted = true; 0"
    )
    if suffix == ".mp4" and not page.run("video.canPlayType('video/mp4; codecs=\"avc1.42E01E\"')"):
        pytest.skip("this browser has no H.264")
    page.run(f"video.src = 'data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}'; 0")
    page.until("video.readyState >= 2")
    page.run("video.muted = true; video.play()")
    page.run("window.before = video.currentTime; 0")
    page.until("video.currentTime !== before")
    height, width = shown(plain(1, 59, 91)[0]).panel.shape[:2]
    assert page.run("[video.videoWidth, video.videoHeight]") == [width, height]
    assert 1.9 < page.run("video.duration") < 2.1
    assert page.run("video.error") is None
    page.close()
