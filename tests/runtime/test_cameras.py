"""Cameras: what is asked of the driver, and what happens when one is unplugged.

No camera is here, so a video file takes its place behind `cv2.VideoCapture`; nothing else is made up.
"""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from tests import media
from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.sources import camera, open_source, open_sources

open_capture = cv2.VideoCapture


class Camera:
    """What a driver would be asked, and pictures from files: when one ends, the camera is unplugged.

    plugged: the file for each time that it is opened; None where no camera is there.
    corrupt: numbers of the frames, counted over all, that come but cannot be decoded.
    """

    def __init__(self, monkeypatch, *plugged, corrupt=()):
        self.plugged, self.corrupt, self.count = list(plugged), corrupt, 0
        self.asked, self.opened = [], []
        monkeypatch.setattr(cv2, "VideoCapture", self.open)

    def open(self, device, backend):
        self.asked.append((device, backend))
        path = self.plugged.pop(0) if self.plugged else None
        capture = open_capture(str(path) if path else "/nosuch.avi")
        self.opened.append(Capture(self, capture))
        return self.opened[-1]


class Capture:
    def __init__(self, camera, capture):
        self._camera, self._capture, self.released = camera, capture, False
        self.isOpened, self.get, self.grab = capture.isOpened, capture.get, capture.grab

    def set(self, name, value):
        self._camera.asked.append((name, value))

    def retrieve(self):
        number, self._camera.count = self._camera.count, self._camera.count + 1
        return (False, None) if number in self._camera.corrupt else self._capture.retrieve()

    def release(self):
        self.released = True
        self._capture.release()


@pytest.fixture
def clip(tmp_path):
    return media.write_video(tmp_path / "a.avi", 12, codec="MJPG")


def unplugged_at_the_end(source):
    """All frames until it is lost for the third time; what was said."""
    said = []

    def hear(line):
        said.append(line)
        if sum("lost after" in heard for heard in said) == 3:
            source.close()

    source.events, source._waits = hear, (0.01, 0.02)
    return list(source), said


def test_a_camera_unplugged_and_plugged_in_again(monkeypatch, clip, tmp_path):
    larger = media.write_video(tmp_path / "b.avi", 11, 60, 80, codec="MJPG")
    fake = Camera(monkeypatch, clip, None, None, larger, clip)
    source = open_source("0")
    frames, said = unplugged_at_the_end(source)
    assert [frame.index for frame in frames] == list(range(12 + 11 + 12))
    assert [frame.picture.shape for frame in frames[11:13]] == [(48, 64, 3), (60, 80, 3)]
    steps = np.diff([frame.timestamp for frame in frames])
    np.testing.assert_allclose(np.delete(steps, [11, 22]), 0.1)  # the source's own clock
    assert (steps[[11, 22]] >= 0).all()
    assert (source.live, source.reconnects, source.fps) == (True, 2, 10)
    assert said[0].startswith("0: lost after 12 frames: no more frames come; again in")
    assert "0: still lost: it cannot be opened" in said[1]
    assert all(capture.released for capture in fake.opened)


def test_corrupt_frames_are_counted_and_left_out(monkeypatch, clip):
    Camera(monkeypatch, clip, clip, clip, corrupt=(0, 4, 5, 15))
    source = open_source("0")
    frames, _ = unplugged_at_the_end(source)
    assert (len(frames), source.corrupt) == (3 * 12 - 4, 4)
    brightness = [frame.picture.mean() for frame in frames[:9]]
    np.testing.assert_allclose(brightness, 20 + 6 * np.array([1, 2, 3, 6, 7, 8, 9, 10, 11]), atol=4)


def test_nothing_but_corrupt_frames_is_a_loss(monkeypatch, tmp_path):
    long = media.write_video(tmp_path / "a.avi", 40, codec="MJPG")
    fake = Camera(monkeypatch, long, corrupt=range(100))
    with pytest.raises(TosaEdgeError, match="30 frames in a row are corrupt"):
        open_source("0")
    assert fake.opened[0].released


@pytest.mark.parametrize(
    ("spec", "device"),
    [
        ("0", 0),
        ("/dev/video2", 2),
        ("v4l2:///dev/video1", 1),
        ("v4l2://3", 3),
        ("v4l2:///dev/v4l/by-id/usb-cam-index0", "/dev/v4l/by-id/usb-cam-index0"),
    ],
)
def test_names_of_cameras(monkeypatch, clip, spec, device):
    fake = Camera(monkeypatch, clip)
    open_source(spec).close()
    assert fake.asked == [(device, cv2.CAP_V4L2), (cv2.CAP_PROP_BUFFERSIZE, 1)]


def test_what_is_asked_of_a_camera(monkeypatch, clip):
    fake = Camera(monkeypatch, clip)
    open_source("v4l2:///dev/video0?size=1280x720&fps=60").close()
    assert fake.asked[1:] == [
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*"MJPG")),  # raw, it would not fit through USB 2
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
        (cv2.CAP_PROP_FPS, 60),
        (cv2.CAP_PROP_BUFFERSIZE, 1),
    ]
    assert camera.read_device("v4l2://0?size=640x480") == (0, {"size": (640, 480)})


@pytest.mark.parametrize("spec", ["7", "/dev/video77", "v4l2:///dev/video77"])
def test_no_camera_there(spec):
    """OpenCV itself."""
    with pytest.raises(TosaEdgeError, match="cannot be opened") as error:
        open_source(spec)
    assert "group `video`" in error.value.remedy


def test_of_several_sources_none_stays_open_when_one_fails(monkeypatch, clip):
    fake = Camera(monkeypatch, clip)
    with pytest.raises(TosaEdgeError, match="there is no source"):
        open_sources(["0", "nothing.mp4"])
    assert fake.opened[0].released
    assert [source.label for source in open_sources(["test://", "test://64x48"])] == [
        "test://",
        "test://64x48",
    ]


def test_close_leaves_a_driver_to_the_thread_that_is_in_it(monkeypatch, clip):
    """OpenCV crashes when one thread releases what another reads."""
    fake = Camera(monkeypatch, clip)
    source = open_source("0")
    inside, go_on = threading.Event(), threading.Event()
    grab = fake.opened[0].grab
    fake.opened[0].grab = lambda: (inside.set(), go_on.wait(10), grab())[2]
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    assert inside.wait(5)
    source.close()
    assert not fake.opened[0].released
    go_on.set()
    reader.join(5)
    assert fake.opened[0].released
