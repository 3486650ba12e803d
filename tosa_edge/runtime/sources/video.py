"""A video file, read through OpenCV."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.limits import PIXELS
from tosa_edge.pictures.opencv import opencv, silence
from tosa_edge.pictures.reading import require_file
from tosa_edge.pictures.truncation import is_whole
from tosa_edge.runtime.sources import Frame, Source

if TYPE_CHECKING:
    import numpy as np

# Containers round their length, and sound may go on after the pictures end; more than this is damage.
_MISSING_SHARE, _MISSING_SECONDS = 0.2, 0.25
# FFmpeg goes by what a file holds, not by its name, and among what it knows are lists of other files to read.
_CONTAINERS = re.compile(
    rb"\x1aE\xdf\xa3"  # WebM and MKV
    rb"|RIFF....AVI "
    rb"|....(ftyp|moov|mdat|free|skip|wide)"  # MP4 and MOV
    rb"|\0\0\x01[\xba\xb3]|(.{4})?G.{187}(.{4})?G"  # MPEG, and its transport stream
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11|FLV\x01",  # WMV, FLV
    re.DOTALL,
)


class VideoSource(Source):
    def __init__(self, spec: str, capture: Any = None) -> None:
        """capture: of a file that is on another machine, opened."""
        self.label = spec
        # OpenCV's captures must not be released while another thread reads from them.
        self._closed, self._using = threading.Event(), threading.Lock()
        cv2 = opencv()
        self._capture = _opened(Path(spec)) if capture is None else capture
        size = [int(self._capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
        try:
            PIXELS.check(size[0] * size[1], f"the pictures of {spec} are {size[0]}x{size[1]}")
        except TosaEdgeError:
            self.close()
            raise
        stated = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = stated if math.isfinite(stated) and 0 < stated <= 1000 else 30.0
        # Live recordings do not know their length; OpenCV then makes up a number, often a negative one.
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = int(count) if 0 < count < 1e9 else None

    @staticmethod
    def accepts(spec: str) -> bool:
        return Path(spec).is_file()

    def __iter__(self) -> Iterator[Frame]:
        index, now = 0, 0.0
        while not self._closed.is_set():
            picture, stated = self._read()
            if picture is None:
                break
            # Some containers state no times: then the rate must do.
            now = stated if stated > now or index == 0 else index / self.fps
            yield Frame(index, now, picture, f"{index:06d}")
            index += 1
        if not self._closed.is_set():
            self._check_end(index, now)

    def _read(self) -> tuple[np.ndarray | None, float]:
        """The next picture, None at the end, and the time that the container states."""
        cv2 = opencv()
        with self._using:
            if self._closed.is_set():
                return None, 0.0
            good, picture = self._capture.read()
            stated = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return (cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if good else None), stated

    def _check_end(self, count: int, now: float) -> None:
        """A damaged video ends early and silently; its container still says how long it should have been."""
        if not count:
            raise TosaEdgeError(
                f"{self.label} holds no picture that can be decoded", "Copy or record it again."
            )
        if self.frame_count is None or count >= self.frame_count:
            return
        length = self.frame_count / self.fps
        missing = length - max(now + 1 / self.fps, count / self.fps)
        if missing > max(_MISSING_SECONDS, _MISSING_SHARE * length):
            raise TosaEdgeError(
                f"{self.label} could be decoded for {length - missing:.1f} of its {length:.1f} seconds",
                "It is cut short or damaged: copy, download or record it again.",
            )

    def close(self) -> None:
        self._closed.set()
        with self._using:
            self._capture.release()


def _opened(path: Path) -> Any:
    require_file(path)
    with open(path, "rb") as file:
        known = _CONTAINERS.match(file.read(512))
    if known and not is_whole(path):
        raise TosaEdgeError(f"{path} is cut short or damaged", "Copy, download or record it again.")
    if known:
        with silence():
            capture = opencv().VideoCapture(str(path))
        if capture.isOpened():
            return capture
    raise TosaEdgeError(
        f"{path} is not a video that OpenCV can read",
        "Give an MP4, WebM, MKV or AVI file; `ffmpeg -i FILE out.mp4` makes one of most others.",
    )
