"""Metres out of relative depth, from distances that somebody measured.

A relative model gives inverse depth up to a scale and a shift: 1 / metres = a * relative + b. Two known
distances, or more, give both. One gives a size to the shape that viewers draw, in which the farthest is five
times as far as the nearest: a guess. They are looked up in the first frame, and a and b are kept from then
on: as steady as the model is, and no steadier.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tosa_edge.depth_model import Prediction
from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.colour import HIGH, LOW
from tosa_edge.runtime.drawn_distances import DRAWN_DEPTH_RATIO as DRAWN_FARTHEST
from tosa_edge.runtime.pipeline import Predictor

MAX_KNOWN_M = 100.0
SHAPES = (2.0, 20.0)  # how many times as far as near far may be: a wall behind a table, a hall
_AROUND = 2  # pixels to each side: the median of a small patch, not one pixel's noise


@dataclass(frozen=True)
class KnownDistance:
    """The distance, along the camera's axis, of what is at this pixel of the first frame."""

    x: int
    y: int
    metres: float


def parse_known(text: str) -> KnownDistance:
    """`X,Y=METRES`."""
    found = re.fullmatch(r"(\d{1,5}),(\d{1,5})=(\d*\.?\d+)m?", text.strip())
    if not found or not 0 < float(found[3]) <= MAX_KNOWN_M:
        raise TosaEdgeError(
            f"--metres {text} is no known distance",
            f"Write X,Y=METRES, such as 320,240=1.85, with 0 to {MAX_KNOWN_M:g} metres.",
        )
    return KnownDistance(int(found[1]), int(found[2]), float(found[3]))


@dataclass(frozen=True)
class MetricScale:
    a: float
    b: float

    def metres(self, relative: np.ndarray) -> np.ndarray:
        inverse = np.maximum(self.a * relative + self.b, 1 / MAX_KNOWN_M)
        return (1 / inverse).astype(np.float32)


def fit_scale(relative: np.ndarray, known: Sequence[KnownDistance]) -> MetricScale:
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


@dataclass(frozen=True)
class ScaleUncertainty:
    """How far the metres of the first frame can be trusted.

    far_m: the distance of what is far in it (the 98th percentile).
    far_least_m, far_most_m: where one distance was known, that of a room in which far is `SHAPES[0]`, or
        `SHAPES[-1]`, times as far as near: the same known distance, and nothing says which of them is right.
    off: where more than two are known, the largest share by which the scale misses one of them.
    """

    far_m: float
    far_least_m: float
    far_most_m: float
    off: float

    def sentence(self, known: int) -> str:
        if known == 1:
            return (
                f"metres from one known distance are a guess: far is {self.far_m:.1f} m here, and may be "
                f"{self.far_least_m:.1f} to {self.far_most_m:.1f}; a second --metres makes it a measurement"
            )
        if known == 2:
            return "metres fit both known distances; a third would show how well the model agrees with them"
        return f"metres miss the {known} known distances by at most {self.off:.0%}"


def scale_uncertainty(
    relative: np.ndarray, known: Sequence[KnownDistance], scale: MetricScale
) -> ScaleUncertainty:
    far = np.percentile(relative, LOW)
    ends = [float(scale.metres(far))]
    if len(known) == 1:
        found, wanted = _near(relative, known[0]), 1 / known[0].metres
        ends += [float(MetricScale(*_sized(relative, found, wanted, shape)).metres(far)) for shape in SHAPES]
    misses = [
        abs(float(scale.metres(np.asarray(_near(relative, place)))) / place.metres - 1) for place in known
    ]
    return ScaleUncertainty(ends[0], min(ends), max(ends), max(misses))


def _sized(
    relative: np.ndarray, found: float, wanted: float, farthest: float = DRAWN_FARTHEST
) -> tuple[float, float]:
    """The drawn shape, in which inverse depth runs from 1 down to 1 / farthest, made so large."""
    far, near = (float(p) for p in np.percentile(relative, (LOW, HIGH)))
    a = (1 - 1 / farthest) / max(near - far, 1e-6)
    b = 1 / farthest - a * far
    drawn = a * min(max(found, far), near) + b
    return a * wanted / drawn, b * wanted / drawn


def _near(relative: np.ndarray, place: KnownDistance) -> float:
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

    def __init__(self, model: Predictor, known: Sequence[KnownDistance]) -> None:
        if model.info.output != "relative_inverse_depth":
            raise TosaEdgeError("this model already gives metres", "Leave --metres out.")
        self.info, self.label = replace(model.info, output="metric_depth"), model.label
        self._model, self._known = model, tuple(known)
        self._scales: dict[int, MetricScale] = {}
        self._sureness: dict[int, ScaleUncertainty] = {}

    @property
    def refreshed(self) -> float:
        return self._model.refreshed

    def facts(self) -> dict[str, Any]:
        """What the metres rest on, for `summary.json`; nothing before the first frame."""
        if 0 not in self._scales:
            return {}
        scale, sure = self._scales[0], self._sureness[0]
        return {
            "metric": {
                **asdict(scale),
                "formula": "metres = 1 / (a * relative + b)",
                "known": [asdict(place) for place in self._known],
                **{name: round(value, 4) for name, value in asdict(sure).items()},
                "note": sure.sentence(len(self._known)),
            }
        }

    def predict_next(self, frame: np.ndarray, stream: int = 0) -> Prediction:
        prediction = self._model.predict_next(frame, stream)
        if stream not in self._scales:
            scale = self._scales[stream] = fit_scale(prediction.depth, self._known)
            self._sureness[stream] = scale_uncertainty(prediction.depth, self._known, scale)
        return replace(prediction, depth=self._scales[stream].metres(prediction.depth))

    def warm_up(self, frame: np.ndarray) -> None:
        self._model.warm_up(frame)  # it shows nothing to measure
