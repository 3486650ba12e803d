"""GStreamer pipelines, run by GStreamer."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import media
from tests.runtime.rtsp import needs_gstreamer
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.runtime.sources import open_source


@needs_gstreamer
def test_a_pipeline_gives_its_own_sizes_times_and_colours():
    source = open_source(
        "gst:videotestsrc num-buffers=12 pattern=red ! video/x-raw,width=321,height=200,framerate=25/1 "
        "! identity sync=true"
    )
    frames = list(source)
    source.close()
    assert (source.live, source.fps, source.reconnects) == (True, 25, 0)
    assert [frame.index for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.timestamp for frame in frames], np.arange(12) / 25, atol=1e-6)
    assert all((frame.picture == (255, 0, 0)).all() for frame in frames)
    assert {frame.picture.shape for frame in frames} == {(200, 321, 3)}


@needs_gstreamer
def test_frames_of_another_size_and_corrupt_ones_in_the_middle(tmp_path):
    for index, height in enumerate([48, 48, 48, 50, 50, 33]):
        media.write_picture(tmp_path / f"{index}.jpg", height, 71, seed=index)
    for index in (1, 4):
        (tmp_path / f"{index}.jpg").write_bytes(b"\xff\xd8" + bytes(500) + b"\xff\xd9")
    source = open_source(
        f"gst:multifilesrc location='{tmp_path}/%d.jpg' caps=image/jpeg,framerate=20/1 ! jpegdec "
        "! identity sync=true"
    )
    frames = list(source)
    source.close()
    assert [frame.picture.shape[0] for frame in frames] == [48, 48, 50, 33]
    for frame, index in zip(frames, (0, 2, 3, 5), strict=True):
        expected = cv2.imread(str(tmp_path / f"{index}.jpg"))[..., ::-1]
        assert np.abs(frame.picture.astype(int) - expected).mean() < 8
    np.testing.assert_allclose(np.diff([frame.timestamp for frame in frames]), [0.1, 0.05, 0.1], atol=1e-6)


@needs_gstreamer
def test_a_pipeline_that_fails_later_is_begun_again():
    # It fails at its third buffer, every time.
    source = open_source(
        "gst:videotestsrc is-live=true ! video/x-raw,framerate=50/1 ! identity error-after=3"
    )
    said: list[str] = []
    source.events = said.append
    frames = iter(source)
    while source.reconnects < 2:
        next(frames)
    source.close()
    assert "Failed after iterations as requested" in said[0]
    assert sum("back after" in line for line in said) == 2


@needs_gstreamer
def test_behind_a_reader_that_stops_the_past_does_not_pile_up():
    source = open_source("gst:videotestsrc is-live=true ! video/x-raw,width=640,height=480,framerate=60/1")
    frames = iter(source)
    next(frames)
    time.sleep(1.5)  # ninety frames; thirty wait
    times = [next(frames).timestamp for _ in range(40)]
    source.close()
    assert np.diff(times).max() > 0.3


@needs_gstreamer
@pytest.mark.parametrize(
    ("spec", "kind", "what"),
    [
        ("gst:videotestsrc ! nosuchthing", MachineLacks, "no nosuchthing"),
        ("gst:videotestsrc ! !", TosaEdgeError, "syntax error"),
        ("gst:filesrc location=/nosuch ! decodebin", TosaEdgeError, "No such file"),
        ("gst:videotestsrc num-buffers=0", TosaEdgeError, "ended at once"),
        ("gst:audiotestsrc", TosaEdgeError, "could not link"),
    ],
)
def test_pipelines_that_do_not_run(spec, kind, what):
    with pytest.raises(kind, match=what) as error:
        open_source(spec)
    assert "\n" not in error.value.what + error.value.remedy


@pytest.mark.parametrize("spec", ["gst:videotestsrc", "csi://0"])
def test_without_gstreamer_the_remedy_is_named(monkeypatch, tmp_path, spec):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineLacks, match="has no GStreamer") as error:
        open_source(spec)
    assert error.value.remedy.startswith("sudo apt install gstreamer1.0-tools ")


@needs_gstreamer
def test_nothing_is_left_of_a_pipeline():
    before = os.listdir("/proc/self/fd"), threading.active_count(), children()
    for _ in range(3):
        source = open_source("gst:videotestsrc is-live=true")
        next(iter(source))
        source.close()
        source.close()
        with pytest.raises(TosaEdgeError):
            open_source("gst:nosuch")
    assert (os.listdir("/proc/self/fd"), threading.active_count(), children()) == before


def children():
    """This process's, zombies too; other tests may have left some."""
    found: list[str] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            found += (task / "children").read_text().split()
    return sorted(found)


@needs_gstreamer
def test_a_child_does_not_outlive_us():
    code = (
        "from tosa_edge.runtime.sources import open_source\n"
        "source = open_source('gst:videotestsrc is-live=true')\n"
        "print(source._session._child._process.pid, flush=True)\n"
        "for frame in source: pass"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    for _ in range(200):
        if not _runs(child):
            break
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()
