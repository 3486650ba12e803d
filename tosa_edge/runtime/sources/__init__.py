"""Where frames come from. One file per source, one protocol, and `open_source` to find the right one.

To add a source: write a class with the members of `Source` and a static `accepts(spec)`, and name it in
`_files` or `_others`. What can be lost and found again is a `Session` behind `Reconnecting`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tosa_edge.errors import TosaEdgeError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Frame:
    """One picture of a source: `picture` is RGB uint8 [H, W, 3].

    timestamp: seconds from the source's start, by the source's own clock where it has one.
    arrived: `time.monotonic()` when the picture was complete here; a frame's age counts from then.
    """

    index: int
    timestamp: float
    picture: np.ndarray
    name: str
    arrived: float = field(default_factory=time.monotonic)


class Source(Protocol):
    """Frames in order.

    frames: how many there will be; None where nobody knows.
    live: the world does not wait, so only the newest frame is worth having; a file loses none.
    reconnects: how often a live source was lost and found again so far.

    `close` may be called from another thread, at any time and twice; the iteration then ends soon.
    """

    label: str
    fps: float
    frames: int | None
    live: bool
    reconnects: int

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


def open_source(spec: str | int | os.PathLike[str]) -> Source:
    """The source that a user's word for it means, opened and checked as far as can be done before reading.

    Example:
        >>> for frame in open_source("hall.mp4"):
        ...     show(frame.picture)
    """
    spec = str(spec)
    is_file = os.path.isfile(spec) or os.path.isdir(spec)
    for kind in _files() if is_file else _others():
        if kind.accepts(spec):
            return kind(spec)
    raise TosaEdgeError(
        f"there is no source {spec!r}",
        "Give a file, a folder of pictures, a camera (0, /dev/video0, v4l2://, csi://0), rtsp://, "
        "gst:PIPELINE or test://; check the path.",
    )


def open_sources(specs: Sequence[str]) -> list[Source]:
    """All of them, or none stays open."""
    sources: list[Source] = []
    try:
        for spec in specs:
            sources.append(open_source(spec))
    except BaseException:
        for source in sources:
            source.close()
        raise
    return sources


def _files():  # type: ignore[no-untyped-def]
    from tosa_edge.runtime.sources.folder import FolderSource
    from tosa_edge.runtime.sources.picture import PictureSource
    from tosa_edge.runtime.sources.video import VideoSource

    return FolderSource, PictureSource, VideoSource


def _others():  # type: ignore[no-untyped-def]
    from tosa_edge.runtime.sources.camera import CameraSource
    from tosa_edge.runtime.sources.csi import CsiSource
    from tosa_edge.runtime.sources.gstreamer import GstreamerSource
    from tosa_edge.runtime.sources.pattern import PatternSource
    from tosa_edge.runtime.sources.rtsp import RtspSource

    return CameraSource, CsiSource, RtspSource, GstreamerSource, PatternSource
