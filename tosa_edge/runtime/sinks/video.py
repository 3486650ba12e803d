"""The side-by-side video, in a format that a browser plays."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.atomic_files import AtomicFile, write_error
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.pictures.opencv import opencv, silence
from tosa_edge.runtime.sinks import Result

if TYPE_CHECKING:
    import numpy as np

# VP8 is written in real time by two cores, VP9 four times as slowly; every browser plays both.
CODECS = {".webm": "VP80", ".mkv": "VP80", ".mp4": "mp4v", ".avi": "MJPG"}
_LOOK_EVERY = 50
_LONGEST_STILL_S = 1.0
_DECODE_ALL, _DECODE_LAST = 1000, 30


class VideoSink:
    """Writes the panels. OpenCV's writer never reports an error, so what it wrote is read back.

    Args:
        paced: the frames come when they come, as of a camera: each is written as often as it takes for the
            video to run at the world's own speed. A gap is cut to a second.
    """

    def __init__(self, path: Path, fps: float, paced: bool = False) -> None:
        if path.suffix.lower() not in CODECS:
            raise TosaEdgeError(
                f"{path} has no ending of a video that can be written",
                f"End it with one of: {', '.join(CODECS)}.",
            )
        self._fps = min(max(fps, 1.0), 60.0)
        self._written, self._paced = 0, paced
        self._began: float | None = None
        self._writer: Any = None
        self._pending = AtomicFile(path)

    def write(self, result: Result) -> None:
        if self._writer is None:
            self._open(result.panel.shape[1], result.panel.shape[0])
        cv2 = opencv()
        panel = cv2.cvtColor(result.panel, cv2.COLOR_RGB2BGR)
        for _ in range(self._copies(result.frame.timestamp) if self._paced else 1):
            self._write(panel)

    def _copies(self, now: float) -> int:
        """How often a frame of this moment has to be written."""
        if self._began is None:
            self._began = now
        due = int((now - self._began) * self._fps + 0.5) + 1 - self._written
        most = max(1, int(_LONGEST_STILL_S * self._fps))
        if due > most:
            self._began += (due - most) / self._fps
        return max(0, min(due, most))

    def _write(self, panel: np.ndarray) -> None:
        self._writer.write(panel)
        self._written += 1
        if self._written % _LOOK_EVERY == 0 and not shutil.disk_usage(self._pending.path.parent).free:
            raise write_error(self._pending.final, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _open(self, width: int, height: int) -> None:
        cv2 = opencv()
        final = self._pending.final
        codec = cv2.VideoWriter_fourcc(*CODECS[final.suffix.lower()])
        with silence():
            self._writer = cv2.VideoWriter(str(self._pending.path), codec, self._fps, (width, height))
        if not self._writer.isOpened():
            raise MachineLacks(
                f"this OpenCV ({cv2.__version__}) cannot write {final.suffix} video",
                "Record to .avi, or see what `tosa-edge doctor` says about video.",
            )

    def seal(self) -> None:
        if self._writer is not None:
            with silence():
                self._writer.release()
            self._writer = None
        if not self._written:
            return self.abort()
        found = readable_frames(self._pending.path, self._written)
        if found != self._written:
            free = shutil.disk_usage(self._pending.path.parent).free
            raise TosaEdgeError(
                f"{self._pending.final} cannot be written: {found} of {self._written} frames reached it",
                f"The disk has {free // 2**20} MB free: free some space, or write to another disk.",
            )

    def commit(self) -> Path | None:
        return self._pending.commit() if self._written else None

    def abort(self) -> None:
        if self._writer is not None:
            with silence():
                self._writer.release()
            self._writer = None
        self._pending.abort()


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
