"""Metres out of relative depth, from distances that somebody measured.

A relative model gives inverse depth up to a scale and a shift: 1 / metres = a * relative + b. Two known
distances, or more, give both. One gives a size to the shape that viewers draw, in which the farthest is five
times as far as the nearest: a guess. They are looked up in the first frame, and a and b are kept from then
on: as steady as the model is, and no steadier.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tosa_edge.depth_model import Prediction
from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.colour import HIGH, LOW
from tosa_edge.runtime.pipeline import Predictor
from tosa_edge.runtime.relative import FARTHEST as DRAWN_FARTHEST

FARTHEST = 100.0
_AROUND = 2  # pixels to each side: the median of a small patch, not one pixel's noise


@dataclass(frozen=True)
class Known:
    """The distance, along the camera's axis, of what is at this pixel of the first frame."""

    x: int
    y: int
    metres: float


def parse_known(text: str) -> Known:
    """`X,Y=METRES`."""
    found = re.fullmatch(r"(\d{1,5}),(\d{1,5})=(\d*\.?\d+)m?", text.strip())
    if not found or not 0 < float(found[3]) <= FARTHEST:
        raise TosaEdgeError(
            f"--metres {text} is no known distance",
            f"Write X,Y=METRES, such as 320,240=1.85, with 0 to {FARTHEST:g} metres.",
        )
    return Known(int(found[1]), int(found[2]), float(found[3]))


@dataclass(frozen=True)
class MetricScale:
    a: float
    b: float

    def metres(self, relative: np.ndarray) -> np.ndarray:
        inverse = np.maximum(self.a * relative + self.b, 1 / FARTHEST)
        return (1 / inverse).astype(np.float32)


def fit_scale(relative: np.ndarray, known: Sequence[Known]) -> MetricScale:
    """relative inverse depth [H, W] -> the scale that the known distances ask for."""
    found = np.array([_near(relative, place) for place in known])
    wanted = np.array([1 / place.metres for place in known])
    if len(known) == 1:
        a, b = _sized(relative, found[0], wanted[0])
    else:
        design = np.stack((found, np.ones_like(found)), axis=1)
        (a, b), _, rank, _ = np.linalg.lstsq(design, wanted, rcond=1e-6)
        a = a if rank == 2 else 0.0
    if not np.isfinite(a) or a <= 0:
        raise TosaEdgeError(
            "the known distances contradict the model: what it shows as nearer is said to be farther",
            "Check the pixels (of the first frame, x to the right, y down) and distances; two of them should "
            "lie at clearly different depths.",
        )
    return MetricScale(float(a), float(b))


def _sized(relative: np.ndarray, found: float, wanted: float) -> tuple[float, float]:
    """The drawn shape, in which inverse depth runs from 1 down to 1 / DRAWN_FARTHEST, made so large."""
    far, near = (float(p) for p in np.percentile(relative, (LOW, HIGH)))
    a = (1 - 1 / DRAWN_FARTHEST) / max(near - far, 1e-6)
    b = 1 / DRAWN_FARTHEST - a * far
    drawn = a * min(max(found, far), near) + b
    return a * wanted / drawn, b * wanted / drawn


def _near(relative: np.ndarray, place: Known) -> float:
    height, width = relative.shape
    if place.x >= width or place.y >= height:
        raise TosaEdgeError(
            f"--metres {place.x},{place.y} lies outside the {width}x{height} picture", "Give a pixel in it."
        )
    rows = slice(max(0, place.y - _AROUND), place.y + _AROUND + 1)
    columns = slice(max(0, place.x - _AROUND), place.x + _AROUND + 1)
    return float(np.median(relative[rows, columns]))


class MetricModel:
    """A relative model whose depth comes out in metres."""

    def __init__(self, model: Predictor, known: Sequence[Known]) -> None:
        if model.info.output != "relative_inverse_depth":
            raise TosaEdgeError("this model already gives metres", "Leave --metres out.")
        self.info, self.label = replace(model.info, output="metric_depth"), model.label
        self._model, self._known = model, tuple(known)
        self._scales: dict[int, MetricScale] = {}

    @property
    def refreshed(self) -> float:
        return getattr(self._model, "refreshed", 1.0)

    def predict_next(self, frame: np.ndarray, stream: int = 0) -> Prediction:
        prediction = self._model.predict_next(frame, stream)
        if stream < 0:  # a warm-up shows nothing to measure
            return prediction
        if stream not in self._scales:
            self._scales[stream] = fit_scale(prediction.depth, self._known)
        return replace(prediction, depth=self._scales[stream].metres(prediction.depth))
