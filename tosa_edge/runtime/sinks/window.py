"""A window on this machine's own screen. Closing it, or q, asks the run to stop."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable

from tosa_edge.errors import MachineLacks
from tosa_edge.pictures.opencv import opencv
from tosa_edge.runtime.sinks import Result, Sink

_QUIT = (ord("q"), 27)  # 27 is Esc


class WindowSink(Sink):
    """Shows the panels. OpenCV wants every call about a window from one thread: see `NewestOnly`.

    Args:
        stop: called once, when the viewer wants no more.
    """

    idle_s = 0.05  # or it does not answer its close button while no frames come

    def __init__(self, stop: Callable[[], None], title: str = "tosa-edge (q ends)") -> None:
        self._stop = stop
        self._title = title
        self._shown = self._wanted_no_more = False
        require_window()

    def write(self, result: Result) -> None:
        if self._wanted_no_more:
            return
        cv2 = opencv()
        if not self._shown:
            plain = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
            cv2.namedWindow(self._title, plain)
            cv2.resizeWindow(self._title, result.panel.shape[1], result.panel.shape[0])
        cv2.imshow(self._title, cv2.cvtColor(result.panel, cv2.COLOR_RGB2BGR))
        self._shown = True
        self.idle()

    def idle(self) -> None:
        """Lets the window draw itself and hears its keys and its close button."""
        if not self._shown or self._wanted_no_more:
            return
        key = opencv().waitKey(1) & 0xFF
        if key in _QUIT or not self._open():
            self._wanted_no_more = True
            self._close()
            self._stop()

    def seal(self) -> None:
        self._close()

    def commit(self) -> None:
        return None

    def abort(self) -> None:
        self._close()

    def _open(self) -> bool:
        cv2 = opencv()
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # Qt's way to say that its last window was closed
            return False

    def _close(self) -> None:
        if self._shown:
            self._shown = False
            cv2 = opencv()
            with contextlib.suppress(cv2.error):  # it may be closed already
                cv2.destroyWindow(self._title)


def require_window() -> None:
    """Raises when this OpenCV has no windows, or this session no screen.

    It opens none to find out: some toolkits belong to the first thread that does.
    """
    cv2 = opencv()
    if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
        raise MachineLacks(
            f"this OpenCV ({cv2.__version__}) was built without windows",
            "Use --serve and a browser, or pip install opencv-python in place of opencv-python-headless.",
        )
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise MachineLacks("there is no screen to open a window on", "Use --serve and a browser.")
