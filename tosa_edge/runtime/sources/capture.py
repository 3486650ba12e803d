"""Frames through OpenCV's `VideoCapture`: USB cameras, and streams where there is no GStreamer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.opencv import opencv
from tosa_edge.runtime.sources import Frame

_MANY = 30  # so many unusable frames in a row are no accident


class CaptureSession:
    """Opens with the first frame that is asked for, since opening can take seconds.

    Args:
        open_capture: makes the `VideoCapture`, opened or not.
        remedy: for when it cannot be opened.
    """

    def __init__(self, label: str, open_capture: Callable[[], Any], remedy: str) -> None:
        self.label, self.fps, self.corrupt = label, 30.0, 0
        self._open, self._remedy = open_capture, remedy
        self._capture: Any = None
        # OpenCV's captures must not be released while another thread reads from them.
        self._closed, self._using = threading.Event(), threading.Lock()

    def __iter__(self) -> Iterator[Frame]:
        cv2 = opencv()
        self._start(cv2)
        index, now, arrived, unusable = 0, 0.0, time.monotonic(), 0
        while True:
            with self._using:
                if self._closed.is_set():
                    self._release()
                    return
                if not self._capture.grab():
                    self._release()
                    raise TosaEdgeError(f"{self.label}: no more frames come", self._remedy)
                before, arrived = arrived, time.monotonic()
                stated = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                good, picture = self._capture.retrieve()
            if not good or picture is None:
                self.corrupt, unusable = self.corrupt + 1, unusable + 1
                if unusable >= _MANY:
                    raise TosaEdgeError(f"{self.label}: {_MANY} frames in a row are corrupt", self._remedy)
                continue
            # Not every driver states times.
            now = stated if stated > now or not index else now + arrived - before
            yield Frame(index, now, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), f"{index:06d}", arrived)
            index, unusable = index + 1, 0

    def _start(self, cv2: Any) -> None:
        with self._using:
            if self._closed.is_set():
                return
            self._capture = self._open()
            if not self._capture.isOpened():
                self._release()
                raise TosaEdgeError(f"{self.label}: it cannot be opened", self._remedy)
            stated = self._capture.get(cv2.CAP_PROP_FPS)
            self.fps = stated if 0 < stated <= 1000 else 30.0

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()

    def close(self) -> None:
        """Releases it, or has the reader do so where that is deep in a driver."""
        self._closed.set()
        if self._using.acquire(timeout=0.5):
            self._release()
            self._using.release()
