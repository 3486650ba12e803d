"""Streams from a real RTSP server, which dies, comes back and hangs, through GStreamer and through FFmpeg."""

from __future__ import annotations

import itertools
import re
import threading

import cv2
import numpy as np
import pytest

from tests.runtime.rtsp import RtspServer, needs_server
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.runtime.sources import Frame, open_source, rtsp
from tosa_edge.runtime.sources.address import without_password
from tosa_edge.runtime.sources.capture import CaptureSession
from tosa_edge.runtime.sources.gstreamer import GstreamerSession
from tosa_edge.runtime.sources.pattern import read_index
from tosa_edge.runtime.sources.reconnecting import Reconnecting

pytestmark = needs_server


@pytest.fixture(params=["gstreamer", "ffmpeg"])
def reader(request, monkeypatch, tmp_path):
    """Which of the two reads: where no GStreamer is found, FFmpeg does."""
    if request.param == "ffmpeg":
        without_gstreamer(monkeypatch, tmp_path)
    return request.param


def without_gstreamer(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def steps(frames: list[Frame]) -> np.ndarray:
    return np.diff([read_index(frame.picture) for frame in frames])


def killed_while_read(server: RtspServer, times: int) -> tuple[list[tuple[Frame, int]], list[str]]:
    """Frames of a server killed after every tenth, each with the reconnects until then; what was said."""
    source, frames, said = open_source(server.url()), [], []
    source.events = said.append
    since, seen = 0, 0
    for frame in source:
        since = 1 if source.reconnects > seen else since + 1
        seen = source.reconnects
        frames.append((frame, seen))
        if since == 10:
            if seen == times:
                break
            server.kill()
            server.start()
    source.close()
    return frames, said


def check_only_gaps_are_lost(frames: list[tuple[Frame, int]], said: list[str], times: int) -> None:
    reconnects = np.array([count for _, count in frames])
    step, new_session = steps([frame for frame, _ in frames]), np.diff(reconnects) > 0
    assert reconnects[-1] == times
    assert (step[~new_session] == 1).all(), "a frame is missing while the server was there"
    assert (step[new_session] > 1).all(), "the gap is missing"
    assert [frame.index for frame, _ in frames] == list(range(len(frames)))
    assert (np.diff([frame.timestamp for frame, _ in frames]) >= 0).all()
    losses = [re.search(r"lost after (\d+) frames: .+; again in 0.2 s", line) for line in said]
    counts = [int(match[1]) for match in losses if match]
    assert counts == (np.flatnonzero(new_session) + 1).tolist()
    assert sum("back after" in line for line in said) == times


def test_a_server_killed_ten_times_costs_only_the_gaps(server):
    check_only_gaps_are_lost(*killed_while_read(server, 10), 10)


def test_through_ffmpeg_too(server, monkeypatch, tmp_path):
    without_gstreamer(monkeypatch, tmp_path)
    check_only_gaps_are_lost(*killed_while_read(server, 1), 1)


@pytest.mark.parametrize("path", ["live", "jpeg"])
def test_frames_come_whole_and_in_order(server, reader, path):
    source = open_source(server.url(path))
    kind = {"gstreamer": GstreamerSession, "ffmpeg": CaptureSession}[reader]
    assert (type(source._session), source.live, source.frame_count) == (kind, True, None)
    frames = list(itertools.islice(source, 20))
    source.close()
    assert (steps(frames) == 1).all()
    assert {frame.picture.shape for frame in frames} == {(144, 192, 3)}
    assert (np.diff([frame.timestamp for frame in frames]) > 0).all()


def test_sound_beside_the_pictures_is_left_alone(server):
    source = open_source(server.url("sound!"))
    frames = list(itertools.islice(source, 10))
    source.close()
    assert (steps(frames) == 1).all()


def test_lost_packets_are_no_lost_stream(server, reader):
    source = open_source(server.url("lossy"))
    frames = list(itertools.islice(source, 20))
    source.close()
    assert (len(frames), source.reconnects) == (20, 0)


def test_a_server_that_hangs_is_left_and_found_again(server, reader):
    def session():
        if reader == "gstreamer":
            return GstreamerSession("cam", rtsp.rtsp_pipeline(server.url(), False), opening=3, stall=0.5)
        return CaptureSession("cam", lambda: rtsp.open_stream(server.url(), opening=3, stall=0.5), "")

    said: list[str] = []
    source = Reconnecting(session, "cam", waits=(0.1, 0.2))

    def hear(line: str) -> None:
        said.append(line)
        if "lost after" in line:
            server.thaw()

    source.events = hear
    frames = iter(source)
    for _ in itertools.islice(frames, 5):
        pass
    server.freeze()
    while source.reconnects == 0:
        next(frames)
    source.close()
    assert "no frame for 0.5 s" in said[0] or reader == "ffmpeg"
    assert "back after" in said[-1]


def test_what_cannot_be_opened_is_an_error_at_once(server, reader):
    with pytest.raises(TosaEdgeError, match="nosuch") as error:
        open_source(server.url("nosuch"))
    assert error.value.exit_code == 2
    assert "\n" not in error.value.what + error.value.remedy
    server.kill()
    with pytest.raises(TosaEdgeError, match=r"127\.0\.0\.1"):
        open_source(server.url())
    server.start()


def test_close_ends_it_from_another_thread(server, reader):
    source = open_source(server.url())
    threading.Timer(0.3, source.close).start()
    assert len(list(source)) > 0


def test_close_ends_a_wait_for_a_server_that_is_gone(server, reader):
    source, lost = open_source(server.url()), threading.Event()
    source.events = lambda line: lost.set()
    source._waits = (60.0, 60.0)
    thread = threading.Thread(target=lambda: list(source))
    thread.start()
    server.kill()
    assert lost.wait(20)
    source.close()
    thread.join(5)
    server.start()
    assert not thread.is_alive()


def test_without_either_the_remedy_is_named(monkeypatch, tmp_path):
    without_gstreamer(monkeypatch, tmp_path)
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "    FFMPEG:                      NO\n")
    with pytest.raises(MachineLacks, match=r"apt install gstreamer1\.0-tools") as error:
        open_source("rtsp://127.0.0.1:9/live")
    assert error.value.exit_code == 3


def test_passwords_are_not_printed():
    assert without_password("rtsp://me:s3@cr:t@cam/1") == "rtsp://me:***@cam/1"
    assert without_password("rtsp://me@cam:554/1") == "rtsp://me@cam:554/1"
    with pytest.raises(TosaEdgeError) as error:
        open_source("rtsp://me:secret@127.0.0.1:9/live")
    assert "secret" not in str(error.value)
    assert "me:***@" in error.value.what


def test_a_jetsons_decoder_is_followed_by_its_converter():
    assert "nvvidconv" in rtsp.rtsp_pipeline("rtsp://cam/1", jetson=True)
    assert "nvvidconv" not in rtsp.rtsp_pipeline("rtsp://cam/1", jetson=False)
