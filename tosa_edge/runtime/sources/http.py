"""What a web server has: a video file, a picture, or a stream without an end, by OpenCV's FFmpeg."""

from __future__ import annotations

import re
import tempfile
import time
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.limits import DOWNLOAD
from tosa_edge.pictures.opencv import opencv, silence
from tosa_edge.pictures.reading import SUFFIXES, read_picture
from tosa_edge.runtime.sources import Source
from tosa_edge.runtime.sources.address import split, without_password
from tosa_edge.runtime.sources.capture import CaptureSession
from tosa_edge.runtime.sources.gst_process import OPENING
from tosa_edge.runtime.sources.picture import PictureSource
from tosa_edge.runtime.sources.reconnecting import Reconnecting
from tosa_edge.runtime.sources.rtsp import open_stream
from tosa_edge.runtime.sources.video import VideoSource

if TYPE_CHECKING:
    import numpy as np

_REMEDY = "Check the address, the network, and whether the server runs."
_PATIENCE = 60.0  # seconds for all of a picture: a server may send a byte now and then for ever
_CHUNK = 1 << 16


class HttpSource:
    """Opens as what it is found to be: a file has an end, loses no frame and is not waited for."""

    def __new__(cls, spec: str) -> Source:  # type: ignore[misc]
        label = without_password(spec)
        path = Path(unquote(split(spec).path))
        if path.suffix.lower() in SUFFIXES:
            return PictureSource(label, _picture(spec, label, path.suffix), path.stem)
        if not re.search(r"FFMPEG:\s+YES", opencv().getBuildInformation()):
            raise MachineLacks(f"{label}: this OpenCV has no FFmpeg", "Download it, and give the file.")
        with silence():
            capture = open_stream(spec)
        if not capture.isOpened():
            raise TosaEdgeError(f"{label}: it cannot be opened", _REMEDY)
        if 0 < capture.get(opencv().CAP_PROP_FRAME_COUNT) < 1e9:
            return _Video(spec, label, capture)
        capture.release()
        return Reconnecting(lambda: CaptureSession(label, lambda: open_stream(spec), _REMEDY), label)

    @staticmethod
    def accepts(spec: str) -> bool:
        return spec.startswith(("http://", "https://"))


class _Video(VideoSource):
    """Most of MP4 cannot be read from the beginning to the end: FFmpeg asks the server for parts of it."""

    def __init__(self, url: str, label: str, capture: Any) -> None:
        super().__init__(label, capture)
        self._url = url

    def _check_end(self, count: int, now: float) -> None:
        try:
            super()._check_end(count, now)
        except TosaEdgeError as error:
            if _sends_parts(self._url):
                raise
            raise TosaEdgeError(
                f"{error.what}, and its server sends no parts of files (HTTP ranges)",
                "Download it first, and give the file.",
            ) from error


def _sends_parts(url: str) -> bool:
    """Whether a server answers a question for a part with that part; also where it does not answer at all."""
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(url, headers={"Range": "bytes=0-0"}), timeout=OPENING) as answer:
            return answer.status == HTTPStatus.PARTIAL_CONTENT
    except (OSError, ValueError, HTTPException):
        return True


def _picture(url: str, label: str, suffix: str) -> np.ndarray:
    """By way of a file, so that it is read as carefully as any other."""
    from urllib.request import urlopen

    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        try:
            with urlopen(url, timeout=OPENING) as answer:
                data = _all_of(answer, label)
        except (OSError, ValueError, HTTPException) as error:
            raise TosaEdgeError(f"{label}: {getattr(error, 'reason', error)}", _REMEDY) from error
        file.write(data)
        file.flush()
        try:
            return read_picture(Path(file.name))
        except TosaEdgeError as error:
            raise TosaEdgeError(error.what.replace(file.name, label), error.remedy) from None


def _all_of(answer: Any, label: str) -> bytearray:
    """All that a server sends, unless that is too much or takes too long."""
    data, until = bytearray(), time.monotonic() + _PATIENCE
    while chunk := answer.read1(_CHUNK):
        data += chunk
        DOWNLOAD.check(len(data), f"{label} is too large")
        if time.monotonic() > until:
            raise TosaEdgeError(f"{label} is not here after {_PATIENCE:.0f} seconds", _REMEDY)
    return data
