"""A window on a screen that is not there: OpenCV's five window functions are stood in for, nothing else."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from tests.runtime.sinks.results import result
from tosa_edge.errors import MachineLacks
from tosa_edge.runtime.sinks import window
from tosa_edge.runtime.sinks.window import WindowSink, require_window
from tosa_edge.runtime.sinks.wrappers import NewestOnly

PATIENCE_S = 20


class Screen:
    """OpenCV with windows. `key` is what somebody presses, `open` whether the window still is."""

    def __init__(self) -> None:
        self.shown: dict[str, np.ndarray] = {}
        self.key, self.open, self.threads = -1, True, set()

    def getBuildInformation(self) -> str:  # noqa: N802
        return "  GUI:                           QT5"

    def namedWindow(self, title: str, flags: int) -> None:  # noqa: N802
        self.threads.add(threading.current_thread())

    def resizeWindow(self, title: str, width: int, height: int) -> None:  # noqa: N802
        self.threads.add(threading.current_thread())

    def imshow(self, title: str, picture: np.ndarray) -> None:
        self.threads.add(threading.current_thread())
        self.shown[title] = picture

    def waitKey(self, milliseconds: int) -> int:  # noqa: N802
        self.threads.add(threading.current_thread())
        return self.key

    def getWindowProperty(self, title: str, which: int) -> float:  # noqa: N802
        if not self.open:
            raise cv2.error("NULL guiReceiver (please create a window)")  # what Qt says of a closed one
        return 1.0

    def destroyWindow(self, title: str) -> None:  # noqa: N802
        self.threads.add(threading.current_thread())
        del self.shown[title]

    def __getattr__(self, name: str):
        return getattr(cv2, name)


@pytest.fixture
def screen(monkeypatch):
    made = Screen()
    monkeypatch.setattr(window, "opencv", lambda: made)
    monkeypatch.setenv("DISPLAY", ":0")
    return made


def test_it_shows_the_panel_in_opencvs_order_of_colours(screen):
    sink = WindowSink(lambda: None)
    sink.write(result(3))
    (picture,) = screen.shown.values()
    np.testing.assert_array_equal(picture[..., ::-1], result(3).panel)
    sink.seal()
    sink.abort()
    assert sink.commit() is None
    assert screen.shown == {}


@pytest.mark.parametrize("how", ["q", "escape", "close"])
def test_closing_it_or_q_asks_the_run_to_stop_once(screen, how):
    stops = []
    sink = WindowSink(lambda: stops.append(1))
    sink.write(result(0))
    assert stops == []
    if how == "close":
        screen.open = False
    else:
        screen.key = ord("q") if how == "q" else 27
    for index in range(3):
        sink.write(result(index))
    sink.idle()
    sink.seal()
    assert stops == [1]
    assert screen.shown == {}


def test_q_is_heard_while_no_frames_come_and_one_thread_does_it_all(screen):
    stopped = threading.Event()
    hand_off = NewestOnly(WindowSink(stopped.set))
    hand_off.write(result(0))
    screen.key = ord("q")
    assert stopped.wait(PATIENCE_S)
    hand_off.seal()
    assert hand_off.failure is None
    assert len(screen.threads) == 1
    assert threading.current_thread() not in screen.threads


def test_without_windows_or_without_a_screen_it_says_what_to_do(screen, monkeypatch):
    monkeypatch.setattr(screen, "getBuildInformation", lambda: "  GUI:                           NONE")
    with pytest.raises(MachineLacks, match="built without windows") as error:
        WindowSink(lambda: None)
    assert "--serve" in error.value.remedy
    monkeypatch.undo()
    monkeypatch.setattr(window, "opencv", lambda: screen)
    monkeypatch.setattr(window.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(MachineLacks, match="no screen"):
        WindowSink(lambda: None)


def test_the_real_opencv_of_the_core_has_no_windows():
    if (
        "headless" not in str(cv2.__file__)
        and "GUI:                           NONE" not in cv2.getBuildInformation()
    ):
        pytest.skip("this OpenCV has windows")
    with pytest.raises(MachineLacks):
        require_window()
