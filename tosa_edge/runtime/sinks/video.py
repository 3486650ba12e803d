"""The side-by-side video, in a format that a browser plays."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tosa_edge.atomic_files import AtomicFile, write_error
from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.sinks import Result, Sink
from tosa_edge.runtime.sinks.opencv_writer import CODECS, OpencvWriter
from tosa_edge.runtime.sinks.pyav_writer import PyavWriter

if TYPE_CHECKING:
    import numpy as np


class Writer(Protocol):
    """Puts panels of one size into one file. What the disk refuses is an OSError.

    by: the library, for people.
    """

    by: str

    def __init__(self, path: Path, fps: float, paced: bool, size: tuple[int, int]) -> None: ...

    def write(self, panel: np.ndarray, timestamp: float) -> None: ...

    def close(self) -> None:
        """Completes the file, or what there is of it. May be called twice."""

    def missing(self) -> str:
        """After `close`: what cannot be found in the file of what was written; empty if nothing."""


def writer_for(suffix: str) -> type[Writer]:
    """PyAV's where it is installed and has the codec: OpenCV's VP8 takes ten times as long."""
    return PyavWriter if PyavWriter.can_write(suffix) else OpencvWriter


class VideoSink(Sink):
    """Writes the panels.

    Args:
        paced: the frames come when they come, as of a camera: the video runs at the world's own speed, with
            gaps cut to a second. Otherwise `fps` says how long each is shown.
        writer: instead of the best one that is installed.
    """

    def __init__(
        self, path: Path, fps: float, paced: bool = False, writer: type[Writer] | None = None
    ) -> None:
        if path.suffix.lower() not in CODECS:
            raise TosaEdgeError(
                f"{path} has no ending of a video that can be written",
                f"End it with one of: {', '.join(CODECS)}.",
            )
        self._fps, self._paced, self._kind = min(max(fps, 1.0), 60.0), paced, writer
        self._writer: Writer | None = None
        self._pending = AtomicFile(path)

    def write(self, result: Result) -> None:
        try:
            if self._writer is None:
                kind = self._kind or writer_for(self._pending.final.suffix.lower())
                height, width = result.panel.shape[:2]
                self._writer = kind(self._pending.path, self._fps, self._paced, (height, width))
            self._writer.write(result.panel, result.frame.timestamp)
        except OSError as error:
            raise write_error(self._pending.final, error) from error

    def seal(self) -> None:
        if self._writer is None:
            return self.abort()
        try:
            self._writer.close()
            missing = self._writer.missing()
        except OSError as error:
            raise write_error(self._pending.final, error) from error
        if missing:
            free = shutil.disk_usage(self._pending.path.parent).free
            raise TosaEdgeError(
                f"{self._pending.final} cannot be written: {missing}",
                f"The disk has {free // 2**20} MB free: free some space, or write to another disk.",
            )

    def commit(self) -> Path | None:
        return self._pending.commit() if self._writer is not None else None

    def abort(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()
        self._pending.abort()
