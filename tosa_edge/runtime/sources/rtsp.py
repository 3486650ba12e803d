"""An IP camera or any RTSP server: `rtsp://user:password@host/path`.

Through GStreamer where it is, since a Jetson decodes in hardware there; else through the FFmpeg in OpenCV.
Over TCP: nothing is smeared by lost packets, and a server that goes away is noticed at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tosa_edge.errors import MachineLacks
from tosa_edge.pictures.opencv import opencv
from tosa_edge.runtime.sources.address import without_password
from tosa_edge.runtime.sources.capture import CaptureSession
from tosa_edge.runtime.sources.gst_process import OPENING, PACKAGES, STALL, has_elements
from tosa_edge.runtime.sources.gstreamer import GstreamerSession
from tosa_edge.runtime.sources.reconnecting import Reconnecting, Session

_LATENCY_MS = 100  # that packets may come late by
_REMEDY = "Check the address, the network, and whether the server runs."


class RtspSource(Reconnecting):
    def __init__(self, spec: str) -> None:
        super().__init__(session(spec, without_password(spec)), without_password(spec))

    @staticmethod
    def accepts(spec: str) -> bool:
        return spec.startswith(("rtsp://", "rtsps://"))


def session(url: str, label: str) -> Callable[[], Session]:
    if has_elements("rtspsrc", "decodebin", "gdppay"):
        pipeline = rtsp_pipeline(url, has_elements("nvvidconv"))
        return lambda: GstreamerSession(label, pipeline)
    if re.search(r"FFMPEG:\s+YES", opencv().getBuildInformation()):
        return lambda: CaptureSession(label, lambda: open_stream(url), _REMEDY)
    raise MachineLacks(f"{label}: there is neither GStreamer nor FFmpeg here", f"sudo apt install {PACKAGES}")


def rtsp_pipeline(url: str, jetson: bool) -> list[str]:
    """Audio is left alone. A Jetson's decoder leaves pictures in memory that only nvvidconv reads."""
    quoted = url.replace("\\", "\\\\").replace('"', '\\"')
    text = (
        f"latency={_LATENCY_MS} protocols=tcp ! application/x-rtp,media=video ! decodebin"
        + " ! nvvidconv ! video/x-raw,format=BGRx" * jetson
    )
    return ["rtspsrc", f'location="{quoted}"', *text.split()]


def open_stream(url: str, opening: float = OPENING, stall: float = STALL) -> Any:
    cv2 = opencv()
    limits = {cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: opening, cv2.CAP_PROP_READ_TIMEOUT_MSEC: stall}
    settings = [number for key, seconds in limits.items() for number in (key, int(1000 * seconds))]
    return cv2.VideoCapture(url, cv2.CAP_FFMPEG, settings)
