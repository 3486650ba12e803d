"""A USB camera: `0`, `/dev/video0`, `v4l2:///dev/video0?size=1280x720&fps=30`."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.opencv import opencv
from tosa_edge.runtime.sources.address import rate, read_address, size
from tosa_edge.runtime.sources.capture import CaptureSession
from tosa_edge.runtime.sources.reconnecting import Reconnecting

_REMEDY = "Look for it with `ls -l /dev/video*`; the group `video` may read it: sudo usermod -aG video $USER."
_STALL_SECONDS = "5"
_RAW_PIXELS = 640 * 480  # what USB 2 carries at 30 frames a second uncompressed


class CameraSource(Reconnecting):
    """Lost when unplugged; found again under the same name, which /dev/v4l/by-id gives for sure."""

    def __init__(self, spec: str) -> None:
        device, options = read_device(spec)
        super().__init__(
            lambda: CaptureSession(spec, lambda: open_camera(device, **options), _REMEDY),
            spec,
        )

    @staticmethod
    def accepts(spec: str) -> bool:
        return re.fullmatch(r"\d{1,2}|/dev/(video\d+|v4l/.+)|v4l2://.*", spec) is not None


def read_device(spec: str) -> tuple[int | str, dict[str, Any]]:
    device, options = read_address(spec, size=size, fps=rate) if "://" in spec else (spec, {})
    if number := re.fullmatch(r"(?:/dev/video)?(\d{1,2})", device):
        return int(number[1]), options
    if not device.startswith("/dev/"):
        raise TosaEdgeError(f"{spec} names no device", "For example: v4l2:///dev/video0")
    return device, options


def open_camera(device: int | str, size: tuple[int, int] | None = None, fps: float | None = None) -> Any:
    """The one place where a camera is touched."""
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", _STALL_SECONDS)
    cv2 = opencv()
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
    if size and size[0] * size[1] > _RAW_PIXELS:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*"MJPG"))
    if size:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    if fps:
        capture.set(cv2.CAP_PROP_FPS, fps)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture
