"""Where frames come from. One file per source, one protocol, and `open_source` to find the right one.

To add a source: write a subclass of `Source` with a static `accepts(spec)`, and name it in `_files` or
`_others`. What can be lost and found again is a `Session` behind `Reconnecting`.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tosa_edge.errors import TosaEdgeError

if TYPE_CHECKING:
    import numpy as np


_LOCATION = re.compile(r"""(?:location|uri)\s*=\s*["']?([^\s"']+)""")


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

    frame_count: how many frames there will be; None where nobody knows.
    live: the world does not wait, so only the newest frame is worth having; a file loses none.
    still: pictures that have names and nothing to do with each other; neither a video nor a camera.
    reconnects: how often a live source was lost and found again so far.
    notes: a line for each thing that was left out before reading; refused: for each that could not be read.
    events: gets a line of text when a live source is lost or found again.

    `close` may be called from another thread, at any time and twice; the iteration then ends soon.
    """

    label: str
    fps: float
    frame_count: int | None = None
    live: bool = False
    still: bool = False
    reconnects: int = 0
    notes: Sequence[str] = ()
    refused: Sequence[str] = ()
    events: Callable[[str], None] = logging.getLogger("tosa_edge").warning

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


def open_source(spec: str | int | os.PathLike[str], recursive: bool = False) -> Source:
    """The source that a user's word for it means, opened and checked as far as can be done before reading.

    Args:
        recursive: a folder's folders too.

    Example:
        >>> for frame in open_source("hall.mp4"):
        ...     show(frame.picture)
    """
    sources = open_sources([str(spec)], recursive)
    if len(sources) == 1:
        return sources[0]
    for source in sources:
        source.close()
    raise TosaEdgeError(
        f"{spec} matches {len(sources)} sources", "Open one of them, or all with `open_sources`."
    )


def open_sources(specs: Sequence[str], recursive: bool = False) -> list[Source]:
    """All of them, or none stays open. What a pattern such as `*.mp4` matches is a source each; pictures
    given one by one are one source together."""
    from tosa_edge.runtime.sources.address import expanded
    from tosa_edge.runtime.sources.folder import PicturesSource
    from tosa_edge.runtime.sources.picture import PictureSource

    plain = [one for spec in specs for one in expanded(spec)]
    pictures = [one for one in plain if PictureSource.accepts(one)]
    together = PicturesSource.of(pictures) if len(pictures) > 1 else None
    sources: list[Source] = []
    try:
        for one in plain:
            if together is None or one not in pictures:
                sources.append(_opened(one, recursive))
            elif together not in sources:
                sources.append(together)
    except BaseException:
        for source in sources:
            source.close()
        raise
    return sources


def _opened(spec: str, recursive: bool) -> Source:
    if os.path.isdir(spec):
        from tosa_edge.runtime.sources.folder import FolderSource

        return FolderSource(spec, recursive)
    for kind in _files() if os.path.isfile(spec) else _others():
        if kind.accepts(spec):
            return kind(spec)
    raise TosaEdgeError(
        f"there is no source {spec!r}",
        "Give a file, a folder of pictures, a camera (0, /dev/video0, v4l2://, csi://0), rtsp://, "
        "http(s)://, gst:PIPELINE or test://; check the path.",
    )


def inputs_of(specs: Sequence[str]) -> list[Path]:
    """The files and folders that these sources read; of a pipeline, those that it names."""
    from tosa_edge.runtime.sources.address import expanded

    plain = [one for spec in specs for one in expanded(spec)]
    named = [place for spec in specs if spec.startswith("gst:") for place in _LOCATION.findall(spec)]
    plain += [one for place in named for one in (expanded(place) if "://" in place else [place])]
    return [Path(name) for name in plain if os.path.exists(name)]


def _files():  # type: ignore[no-untyped-def]
    from tosa_edge.runtime.sources.picture import PictureSource
    from tosa_edge.runtime.sources.video import VideoSource

    return PictureSource, VideoSource


def _others():  # type: ignore[no-untyped-def]
    from tosa_edge.runtime.sources.camera import CameraSource
    from tosa_edge.runtime.sources.csi import CsiSource
    from tosa_edge.runtime.sources.gstreamer import GstreamerSource
    from tosa_edge.runtime.sources.http import HttpSource
    from tosa_edge.runtime.sources.pattern import PatternSource
    from tosa_edge.runtime.sources.rtsp import RtspSource

    return CameraSource, CsiSource, RtspSource, HttpSource, GstreamerSource, PatternSource
