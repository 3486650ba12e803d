"""Video by OpenCV, which is always there. Its writer reports no error, so what it wrote is read back."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tosa_edge.errors import MachineLacks
from tosa_edge.pictures.opencv import opencv, silence

if TYPE_CHECKING:
    import numpy as np

# OpenCV writes VP9 four times as slowly as VP8; every browser plays both.
CODECS = {".webm": "VP80", ".mkv": "VP80", ".mp4": "mp4v", ".avi": "MJPG"}
_LOOK_EVERY = 50
_LONGEST_STILL_S = 1.0
_DECODE_ALL, _DECODE_LAST = 1000, 30


class OpencvWriter:
    """All frames are shown for the same time: when paced, each is written as often as it takes."""

    by = "OpenCV"

    def __init__(self, path: Path, fps: float, paced: bool, size: tuple[int, int]) -> None:
        cv2 = opencv()
        self._path, self._fps, self._paced = path, fps, paced
        self._written = 0
        self._began: float | None = None
        codec = cv2.VideoWriter_fourcc(*CODECS[path.suffix.lower()])
        with silence():
            self._writer = cv2.VideoWriter(str(path), codec, fps, size[::-1])
        if not self._writer.isOpened():
            raise MachineLacks(
                f"this OpenCV ({cv2.__version__}) cannot write {path.suffix} video",
                "Record to .avi, or `pip install 'tosa-edge[record]'`; `tosa-edge doctor` tries both.",
            )

    def write(self, panel: np.ndarray, timestamp: float) -> None:
        cv2 = opencv()
        bgr = cv2.cvtColor(panel, cv2.COLOR_RGB2BGR)
        for _ in range(self._copies(timestamp) if self._paced else 1):
            self._writer.write(bgr)
            self._written += 1
            if self._written % _LOOK_EVERY == 0 and not shutil.disk_usage(self._path.parent).free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _copies(self, now: float) -> int:
        """How often a frame of this moment has to be written."""
        if self._began is None:
            self._began = now
        due = int((now - self._began) * self._fps + 0.5) + 1 - self._written
        most = max(1, int(_LONGEST_STILL_S * self._fps))
        if due > most:
            self._began += (due - most) / self._fps
        return max(0, min(due, most))

    def close(self) -> None:
        with silence():
            self._writer.release()

    def missing(self) -> str:
        found = readable_frames(self._path, self._written)
        return "" if found == self._written else f"{found} of {self._written} frames reached it"


def readable_frames(path: Path, written: int) -> int:
    """How many of so many frames can be read. Of a long video only the end is decoded: a run must end soon,
    and a disk that was full has cut off the end, or kept the container from knowing its length."""
    if written <= _DECODE_ALL:
        return count_frames(path)
    cv2 = opencv()
    with silence():
        capture = cv2.VideoCapture(str(path))
    try:
        stated = round(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if abs(stated - written) > 1:
            return max(0, stated)
        capture.set(cv2.CAP_PROP_POS_FRAMES, written - _DECODE_LAST)
        last = sum(capture.grab() for _ in range(_DECODE_LAST))
        return written if last >= _DECODE_LAST - 1 else written - _DECODE_LAST + last
    finally:
        capture.release()


def count_frames(path: Path) -> int:
    """How many frames of a video can be decoded."""
    cv2 = opencv()
    with silence():
        capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.grab():
        count += 1
    capture.release()
    return count
