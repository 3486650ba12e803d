"""A viewer may be slow, fail or hang; the run neither waits nor ends."""

from __future__ import annotations

import threading

import pytest

from tests.runtime.sinks.results import result
from tosa_edge.errors import MachineLacks
from tosa_edge.runtime.sinks import Sink, wrappers
from tosa_edge.runtime.sinks.callback import CallbackSink
from tosa_edge.runtime.sinks.wrappers import NewestOnly

PATIENCE_S = 20


class Viewer(Sink):
    """Takes a result only when it is let; remembers what was asked of it and by whom."""

    def __init__(self, free: bool = False) -> None:
        self.seen: list[int] = []
        self.asked: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.begun, self.let = threading.Event(), threading.Event()
        if free:
            self.let.set()

    def write(self, shown) -> None:
        self.threads.add(threading.current_thread())
        self.begun.set()
        assert self.let.wait(PATIENCE_S)
        self.seen.append(shown.frame.index)

    def _ask(self, what: str) -> None:
        self.threads.add(threading.current_thread())
        self.asked.append(what)

    def seal(self) -> None:
        self._ask("seal")

    def abort(self) -> None:
        self._ask("abort")

    def commit(self):
        return None


def test_a_slow_viewer_sees_the_newest_and_the_last_and_nobody_waits():
    viewer = Viewer()
    hand_off = NewestOnly(viewer)
    hand_off.write(result(0))
    assert viewer.begun.wait(PATIENCE_S)
    for index in range(1, 100):  # all of these while the viewer holds the first
        hand_off.write(result(index))
    viewer.let.set()
    hand_off.seal()
    assert viewer.seen == [0, 99]
    assert hand_off.skipped == 98
    assert viewer.asked == ["seal"]
    assert len(viewer.threads) == 1, "windows want one thread for everything"
    assert not any(t.is_alive() for t in viewer.threads)


def test_what_a_viewer_raises_is_told_once_and_the_run_goes_on():
    def broken(shown):
        raise MachineLacks("the screen is gone", "Plug it in.")

    told: list[str] = []
    ended = threading.Event()
    hand_off = NewestOnly(CallbackSink(broken), lambda text: (told.append(text), ended.set()))
    hand_off.write(result(0))
    assert ended.wait(PATIENCE_S)
    for index in range(50):
        hand_off.write(result(index))
    hand_off.seal()
    assert hand_off.commit() is None
    hand_off.abort()
    assert told == ["CallbackSink ended, the run goes on: the screen is gone"]


def test_a_viewer_that_hangs_does_not_hold_up_the_end(monkeypatch):
    monkeypatch.setattr(wrappers, "_PATIENCE_S", 0.1)
    viewer, told = Viewer(), []
    hand_off = NewestOnly(viewer, told.append)
    hand_off.write(result(0))
    assert viewer.begun.wait(PATIENCE_S)
    hand_off.seal()
    assert told == ["Viewer ended, the run goes on: it does not answer"]
    viewer.let.set()


@pytest.mark.parametrize("times", [1, 2])
def test_abort_drops_what_waits_and_ends_the_thread(times):
    viewer = Viewer(free=True)
    hand_off = NewestOnly(viewer)
    for _ in range(times):
        hand_off.abort()
    assert viewer.asked == ["abort"] * times
    assert viewer.seen == []


def test_abort_after_seal_reaches_the_viewer():
    viewer = Viewer(free=True)
    hand_off = NewestOnly(viewer)
    hand_off.seal()
    hand_off.abort()
    assert viewer.asked == ["seal", "abort"]


def test_a_viewer_with_idle_is_looked_after_between_frames():
    viewer, called = Viewer(free=True), threading.Event()
    viewer.idle_s, viewer.idle = 0.05, called.set
    hand_off = NewestOnly(viewer)
    assert called.wait(PATIENCE_S)
    hand_off.seal()


def test_a_callback_gets_every_result():
    seen = []
    sink = CallbackSink(lambda shown: seen.append(shown.prediction.depth.shape))
    for index in range(3):
        sink.write(result(index))
    sink.seal()
    assert sink.commit() is None
    assert seen == [(60, 90)] * 3
