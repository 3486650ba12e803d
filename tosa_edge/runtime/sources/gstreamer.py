"""Any GStreamer pipeline: `gst:v4l2src ! video/x-raw,width=640`, as one writes it after gst-launch-1.0."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence

from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.sources import Frame
from tosa_edge.runtime.sources.address import without_password
from tosa_edge.runtime.sources.gdp import CorruptStream, read_pictures
from tosa_edge.runtime.sources.gst_process import OPENING, STALL, GstProcess
from tosa_edge.runtime.sources.reconnecting import Reconnecting


class GstreamerSession:
    """One run of a pipeline that makes video."""

    def __init__(
        self, label: str, pipeline: Sequence[str], opening: float = OPENING, stall: float = STALL
    ) -> None:
        self.label, self.fps, self.corrupt = label, 30.0, 0
        self._child = GstProcess(label, pipeline, opening, stall)

    def __iter__(self) -> Iterator[Frame]:
        began = time.monotonic()
        try:
            for index, picture in enumerate(read_pictures(self._child.fill)):
                self.fps = picture.layout.fps or self.fps
                if picture.corrupt:
                    self.corrupt += 1
                    continue
                seconds = time.monotonic() - began if picture.seconds is None else picture.seconds
                yield Frame(index, seconds, picture.pixels, f"{index:06d}")
        except CorruptStream:
            raise TosaEdgeError(f"{self.label}: the stream of pictures is garbled", "Start again.") from None
        if failure := self._child.failure():
            raise failure

    def close(self) -> None:
        self._child.close()


class GstreamerSource(Reconnecting):
    """Ends where the pipeline ends; begins it again where it fails."""

    def __init__(self, spec: str) -> None:
        pipeline = split_pipeline(spec)
        label = without_password(spec)
        super().__init__(lambda: GstreamerSession(label, pipeline), label, ends=True)

    @staticmethod
    def accepts(spec: str) -> bool:
        return spec.startswith("gst:")


def split_pipeline(spec: str) -> list[str]:
    try:
        words = shlex.split(spec.partition(":")[2])
    except ValueError as error:
        raise TosaEdgeError(f"{spec}: {error}", "Close the quotes.") from None
    if not words:
        raise TosaEdgeError(
            f"{spec} holds no pipeline", "For example: gst:videotestsrc ! video/x-raw,width=640"
        )
    return words
