"""Results as viewers get them: small, and compressed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tosa_edge.graph_info import GraphInfo
from tosa_edge.pictures.fit import Box, Fit, resample
from tosa_edge.pictures.opencv import opencv
from tosa_edge.runtime.overlay import drawn_tokens
from tosa_edge.runtime.sinks import Result

LARGEST = 640  # pixels on the longer side: what a third of a screen shows
_QUALITY = 82


def smaller(size: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) of what is shown of a picture of this size."""
    scale = min(1.0, LARGEST / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def picture_thumbnail(result: Result) -> np.ndarray:
    picture = result.frame.picture
    return resample(picture, smaller(picture.shape[:2]))


def depth_thumbnail(result: Result) -> np.ndarray:
    depth = result.prediction.depth
    return resample(depth, smaller(depth.shape))


def overlay_thumbnail(result: Result, info: GraphInfo) -> np.ndarray:
    """The patches over the picture; drawn small, which is many times as fast for a large frame."""
    picture = picture_thumbnail(result)
    drawn = drawn_tokens(picture, result.prediction, info, shrunk(result.prediction.fit, picture.shape[:2]))
    return picture if drawn is None else drawn


def shrunk(fit: Fit, frame: tuple[int, ...]) -> Fit:
    """The same geometry for the same frame at another size."""
    height, width = frame
    down, across = height / fit.frame_size[0], width / fit.frame_size[1]
    box = fit.source
    top, left = round(box.top * down), round(box.left * across)
    seen = Box(
        top,
        left,
        min(height - top, max(1, round(box.height * down))),
        min(width - left, max(1, round(box.width * across))),
    )
    return replace(fit, frame_size=(height, width), source=seen)


def jpeg(picture: np.ndarray) -> bytes:
    """RGB uint8 [h, w, 3] -> a JPEG file."""
    cv2 = opencv()
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))[1].tobytes()
