"""What happens between a loss and a return, with sessions that follow a script."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest

from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.sources import Frame
from tosa_edge.runtime.sources.reconnecting import Reconnecting

WAITS = (0.01, 0.04)


class Script:
    """A session of so many frames, then an end or an error; it stands for a camera."""

    fps = 20.0

    def __init__(self, frames: int, error: str | None = "unplugged", corrupt: int = 0, start: float = 0.0):
        self.count, self.error, self.corrupt, self.start = frames, error, corrupt, start
        self.closed = False

    def __iter__(self):
        for index in range(self.count):
            yield Frame(index, self.start + index / self.fps, np.zeros((2, 2, 3), np.uint8), "x")
        if self.error:
            raise TosaEdgeError(f"cam: {self.error}", "Plug it in.")

    def close(self):
        self.closed = True


def scripted(*sessions, waits=WAITS, **options):
    """What is heard of it goes into the list that comes with it."""
    turn, said = iter(sessions), []
    source = Reconnecting(lambda: next(turn), "cam", waits, **options)
    source.events = said.append
    return source, said


def test_sessions_become_one_stream():
    first, second = Script(12, corrupt=2, start=1e6), Script(11, None, corrupt=3, start=5.0)
    source, said = scripted(first, second, ends=True)
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(23))
    assert [frame.name for frame in frames[:2]] == ["000000", "000001"]
    times = np.array([frame.timestamp for frame in frames])
    assert times[0] == 0
    assert (np.diff(times) >= 0).all()
    np.testing.assert_allclose(np.delete(np.diff(times), 11), 0.05, atol=1e-6)  # the source's own clock
    assert (source.reconnects, source.corrupt, source.fps) == (1, 5, 20)
    assert said[0] == "cam: lost after 12 frames: unplugged; again in 0.0 s"
    assert said[1].startswith("cam: back after 0.")
    assert first.closed


def test_a_first_failure_is_an_error_at_once():
    session = Script(0)
    with pytest.raises(TosaEdgeError, match="cam: unplugged"):
        scripted(session)
    assert session.closed
    with pytest.raises(TosaEdgeError, match="cam: it ended at once"):
        scripted(Script(0, None))


def test_it_waits_longer_each_time_and_says_so_once(monkeypatch):
    dead = [Script(0, "not there") for _ in range(6)]
    source, said = scripted(Script(1), *dead, Script(30), Script(1, None), waits=(0.2, 0.8), ends=True)
    waits = []
    monkeypatch.setattr(source._closed, "wait", waits.append)
    list(source)
    assert waits == [0.2, 0.4, 0.8, 0.8, 0.8, 0.8, 0.8, 0.2]  # a session that lasts begins anew
    assert source.reconnects == 2
    assert [line.partition("; again")[0] for line in said if "again in" in line] == [
        "cam: lost after 1 frames: unplugged",
        *["cam: still lost: not there"] * 2,  # after 0.4 and 0.8 seconds
        "cam: lost after 31 frames: unplugged",
    ]


def test_a_source_that_only_gives_a_frame_now_and_then_is_not_hurried(monkeypatch):
    source, _ = scripted(*[Script(1) for _ in range(4)], Script(1, None), ends=True)
    waits = []
    monkeypatch.setattr(source._closed, "wait", waits.append)
    list(source)
    assert waits == [0.01, 0.02, 0.04, 0.04]


def test_an_end_is_a_loss_where_nothing_ought_to_end():
    source, said = scripted(Script(3, None), Script(3, "gone"), Script(3))
    frames = iter(source)
    assert [next(frames).index for _ in range(7)] == list(range(7))
    assert "lost after 3 frames: it ended" in said[0]
    source.close()
    assert list(frames) == []


def test_close_while_it_waits():
    source = Reconnecting(iter([Script(1), Script(1)]).__next__, "cam", waits=(60.0, 60.0))
    lost = threading.Event()
    source.events = lambda line: lost.set()
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    assert lost.wait(5)
    source.close()
    source.close()
    reader.join(5)
    assert not reader.is_alive()


def test_close_while_it_opens_reaches_the_new_session():
    second = Script(5)
    sessions = iter([Script(1), second])

    def open_once():
        session = next(sessions)
        if session is second:
            source.close()
        return session

    source = Reconnecting(open_once, "cam", WAITS)
    source.events = lambda line: None
    assert len(list(source)) == 1
    assert second.closed


def test_the_frame_that_proved_it_works_is_not_shown_when_old(monkeypatch):
    source, _ = scripted(Script(3, None), ends=True)
    monkeypatch.setattr("tosa_edge.runtime.sources.reconnecting._FRESH_SECONDS", 0.0)
    frames = list(source)
    assert [frame.index for frame in frames] == [0, 1]
    assert frames[0].timestamp == pytest.approx(0.05)


def test_by_default_it_is_logged(caplog):
    source = Reconnecting(iter([Script(1), Script(1, None)]).__next__, "cam", WAITS, ends=True)
    with caplog.at_level(logging.WARNING):
        list(source)
    assert "lost after 1 frames" in caplog.text
