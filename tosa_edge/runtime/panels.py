"""The picture made for people: frame, coloured depth and kept patches side by side."""

from __future__ import annotations

from threading import Lock

import numpy as np

from tosa_edge.depth_model import Prediction
from tosa_edge.graph_info import GraphInfo
from tosa_edge.pictures.colour import ColourScale, colour
from tosa_edge.pictures.fit import Fit, fit_for
from tosa_edge.pictures.opencv import opencv
from tosa_edge.runtime.overlay import drawn_tokens, tokens_label
from tosa_edge.runtime.sources import Frame

_LARGEST = 480  # pixels on the longer side of each of the pictures
_SMALLEST = 32  # on any side: codecs fail on less, OpenCV's of AVI with a segmentation fault
_LABEL = 22  # pixels of the bar above them


class Painter:
    """Paints panels of one size for one stream; a folder may hold pictures of several sizes.

    Args:
        still: pictures that have nothing to do with each other: colours span each one's own range.
    """

    def __init__(self, info: GraphInfo, still: bool = False) -> None:
        self._info, self._still = info, still
        self._scale = ColourScale(info.output)
        self._tile: tuple[int, int] | None = None
        self._lock = Lock()  # a window paints in its own thread

    def __call__(self, frame: Frame, prediction: Prediction) -> np.ndarray:
        """RGB uint8 [h, w, 3]; both sides even, which video needs."""
        with self._lock:
            return self._painted(frame, prediction)

    def coloured(self, prediction: Prediction) -> np.ndarray:
        """The depth alone, RGB uint8 of the frame's own size, in the panel's colours."""
        with self._lock:
            if self._still:
                return ColourScale(self._info.output)(prediction.depth)
            if self._scale.range is None:
                self._scale.update(prediction.depth)
            return colour(self._scale.levels(prediction.depth))

    def _painted(self, frame: Frame, prediction: Prediction) -> np.ndarray:
        height, width = frame.picture.shape[:2]
        if self._tile is None:
            self._tile = _tile_size(height, width)
        picture = _placed(frame.picture, self._tile)
        if self._still:
            self._scale = ColourScale(self._info.output)
        self._scale.update(prediction.depth)
        tiles = [
            ("picture", picture),
            ("depth: bright is near", _placed(colour(self._scale.levels(prediction.depth)), self._tile)),
        ]
        # Drawn at the frame's own size, then made smaller: so the geometry is the depth's.
        drawn = drawn_tokens(frame.picture, prediction, self._info, prediction.fit)
        if drawn is not None:
            tiles.append((tokens_label(self._info), _placed(drawn, self._tile)))
        return np.hstack([np.vstack([_bar(text, tile.shape[1]), tile]) for text, tile in tiles])


def _tile_size(height: int, width: int) -> tuple[int, int]:
    scale = min(max(1.0, _SMALLEST / min(height, width)), _LARGEST / max(height, width))
    return max(_SMALLEST, round(height * scale / 2) * 2), max(_SMALLEST, round(width * scale / 2) * 2)


def _placed(picture: np.ndarray, tile: tuple[int, int]) -> np.ndarray:
    """Another shape than the first frame's is letterboxed; half a pixel of rounding is not."""
    height, width = picture.shape[:2]
    same_shape = abs(height * tile[1] / width - tile[0]) <= 2
    fit: Fit = fit_for((height, width), tile, "stretch" if same_shape else "letterbox")
    return fit.forward(picture)


def _bar(text: str, width: int) -> np.ndarray:
    cv2 = opencv()
    bar = np.full((_LABEL, width, 3), 24, np.uint8)
    cv2.putText(bar, text, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (235, 235, 235), 1, cv2.LINE_AA)
    return bar
