"""The side-by-side video, in a format that a browser plays."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.pending import Pending, cannot_write
from tosa_edge.runtime.opencv import opencv, silence
from tosa_edge.runtime.sinks import Result

# VP8 is written in real time by two cores, VP9 four times as slowly; every browser plays both.
CODECS = {".webm": "VP80", ".mkv": "VP80", ".mp4": "mp4v", ".avi": "MJPG"}
_LOOK_EVERY = 50


class VideoSink:
    """Writes the panels. OpenCV's writer never reports an error, so what it wrote is read back."""

    def __init__(self, path: Path, fps: float) -> None:
        if path.suffix.lower() not in CODECS:
            raise TosaEdgeError(
                f"{path} has no ending of a video that can be written",
                f"End it with one of: {', '.join(CODECS)}.",
            )
        self._fps = min(max(fps, 1.0), 60.0)
        self._written = 0
        self._writer: Any = None
        self._pending = Pending(path)

    def write(self, result: Result) -> None:
        if self._writer is None:
            self._open(result.panel.shape[1], result.panel.shape[0])
        cv2 = opencv()
        self._writer.write(cv2.cvtColor(result.panel, cv2.COLOR_RGB2BGR))
        self._written += 1
        if self._written % _LOOK_EVERY == 0 and not shutil.disk_usage(self._pending.path.parent).free:
            raise cannot_write(self._pending.final, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

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
        found = count_frames(self._pending.path)
        if found != self._written:
            free = shutil.disk_usage(self._pending.path.parent).free
            raise TosaEdgeError(
                f"{self._pending.final} cannot be written: {found} of {self._written} frames reached it",
                f"The disk has {free // 2**20} MB free: free some space, or write to another disk.",
            )

    def commit(self) -> Path:
        return self._pending.commit()

    def abort(self) -> None:
        if self._writer is not None:
            with silence():
                self._writer.release()
            self._writer = None
        self._pending.abort()


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
