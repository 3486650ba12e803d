"""Video by PyAV, where it is installed: fast, with true timestamps, and it reports what the disk refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tosa_edge.pictures.opencv import opencv

if TYPE_CHECKING:
    import numpy as np


class _Form(NamedTuple):
    container: str
    codec: str
    options: dict[str, str]


# Quality as OpenCV's: crf 10 bounds the loss, and the bit rate only what noise may take.
_VP8 = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": "10"}
_H264 = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18"}
_FORMS = {
    ".webm": _Form("webm", "libvpx", _VP8),
    ".mkv": _Form("matroska", "libvpx", _VP8),
    ".mp4": _Form("mp4", "libx264", _H264),
}
_MOST_BITS_PER_PIXEL = 2
_TICKS = 90_000  # a second, as in MP4; WebM rounds to milliseconds
_SHORTEST, _LONGEST_STILL = _TICKS // 1000, _TICKS
_BT601, _LIMITED = 6, 1  # as FFmpeg numbers the matrix and the range that OpenCV converts to


class PyavWriter:
    """Each frame is shown until the next one's moment, which is always later."""

    by = "PyAV"

    def __init__(self, path: Path, fps: float, paced: bool, size: tuple[int, int]) -> None:
        av = _pyav()
        form = _FORMS[path.suffix.lower()]
        self._path, self._fps, self._paced = path, fps, paced
        self._written, self._now, self._timestamp = 0, 0, 0.0
        with _disk_errors():
            self._container: Any = av.open(str(path), "w", format=form.container)
        rate = Fraction(fps).limit_denominator(1001)
        self._stream: Any = self._container.add_stream(form.codec, rate=rate, options=form.options)
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.bit_rate = int(size[0] * size[1] * fps * _MOST_BITS_PER_PIXEL)
        context = self._stream.codec_context
        context.time_base = Fraction(1, _TICKS)
        context.colorspace, context.color_range = _BT601, _LIMITED
        # libvpx's threads wait for each other by spinning: two of them, beside a model that keeps both cores
        # busy, take eight times as long.
        context.thread_count = 1

    @staticmethod
    def can_write(suffix: str) -> bool:
        if suffix not in _FORMS:
            return False
        try:
            _pyav().codec.Codec(_FORMS[suffix].codec, "w")
        except (ImportError, ValueError):  # a PyAV without that codec says ValueError
            return False
        return True

    def write(self, panel: np.ndarray, timestamp: float) -> None:
        av, cv2 = _pyav(), opencv()
        yuv = cv2.cvtColor(panel, cv2.COLOR_RGB2YUV_I420)
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        frame.pts, frame.time_base = self._moment(timestamp), Fraction(1, _TICKS)
        self._mux(self._stream.encode(frame))
        self._written += 1

    def _moment(self, timestamp: float) -> int:
        """When a frame is shown, in ticks."""
        if not self._written:
            self._timestamp = timestamp
        if self._paced:
            # A clock that jumps back, as a camera's that was found again, costs nothing but that one step.
            step = round((timestamp - self._timestamp) * _TICKS)
            self._now += min(max(step, _SHORTEST), _LONGEST_STILL) if self._written else 0
            self._timestamp = timestamp
        else:
            self._now = round(self._written / self._fps * _TICKS)
        return self._now

    def _mux(self, packets: Any) -> None:
        with _disk_errors():
            self._container.mux(packets)

    def close(self) -> None:
        if self._container is None:
            return
        container, self._container = self._container, None
        try:
            if self._written:
                with _disk_errors():
                    container.mux(self._stream.encode())
        finally:
            with _disk_errors():
                container.close()

    def missing(self) -> str:
        """Errors were reported all along, so the last frame stands for all: no hours are read again."""
        av = _pyav()
        try:
            with av.open(str(self._path)) as container:
                stream = container.streams.video[0]
                container.seek(int(self._now / _TICKS / stream.time_base), stream=stream)
                found = [p.pts * stream.time_base for p in container.demux(stream) if p.pts is not None]
        except av.FFmpegError:
            found = []
        whole = found and abs(found[-1] - Fraction(self._now, _TICKS)) < Fraction(2, 1000)
        return "" if whole else f"the last of {self._written} frames did not reach it"


def _pyav() -> Any:
    import av

    return av


@contextmanager
def _disk_errors() -> Iterator[None]:
    """What FFmpeg says of the disk, as Python's own error."""
    av = _pyav()
    try:
        yield
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error
