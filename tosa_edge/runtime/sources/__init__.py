"""Where frames come from. One file per source, one protocol, and `open_source` to find the right one.

To add a source: write a class with the members of `Source` and a static `accepts(spec)`, and name it in
`_kinds`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tosa_edge.errors import TosaEdgeError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Frame:
    """One picture of a source: `picture` is RGB uint8 [H, W, 3], `timestamp` is in seconds from its start."""

    index: int
    timestamp: float
    picture: np.ndarray
    name: str


class Source(Protocol):
    """Frames in order. `frames` is how many there will be, None where nobody knows; `fps` is their rate."""

    label: str
    fps: float
    frames: int | None

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


def open_source(spec: str) -> Source:
    """The source that a user's word for it means, opened and checked as far as can be done before reading.

    Example:
        >>> for frame in open_source("hall.mp4"):
        ...     show(frame.picture)
    """
    for kind in _kinds():
        if kind.accepts(spec):
            return kind(spec)
    raise TosaEdgeError(
        f"there is no source {spec!r}",
        "Give a video file, a picture, or a folder of pictures; check the path.",
    )


def _kinds():  # type: ignore[no-untyped-def]
    from tosa_edge.runtime.sources.folder import FolderSource
    from tosa_edge.runtime.sources.picture import PictureSource
    from tosa_edge.runtime.sources.video import VideoSource

    return FolderSource, PictureSource, VideoSource
