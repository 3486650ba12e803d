"""Fits pictures of any size into the one size of a graph, and undoes it on the way out.

All three ways are one piece of geometry: a box of the frame (`source`) becomes a box of the graph's input
(`target`). Letterbox shrinks the target, crop shrinks the source, stretch shrinks neither.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.opencv import opencv

if TYPE_CHECKING:
    import numpy as np

MODES = ("letterbox", "stretch", "crop")
# ImageNet's mean colour: after the graph's normalisation the bars are zero.
BARS = (124, 116, 104)


@dataclass(frozen=True)
class Box:
    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Fit:
    """How frames of one size go into a graph of one size. Sizes are (height, width)."""

    frame_size: tuple[int, int]
    size: tuple[int, int]
    source: Box
    target: Box

    def forward(self, picture: np.ndarray, bgr: bool = False) -> np.ndarray:
        """uint8 [H, W, 3] at the frame's size -> uint8 [h, w, 3] at the graph's; RGB, also from BGR."""
        import numpy as np

        seen = resample(picture[self.source.slices], (self.target.height, self.target.width))
        if bgr:
            seen = seen[..., ::-1]
        if seen.shape[:2] == self.size:
            return np.ascontiguousarray(seen)
        out = np.empty((*self.size, 3), picture.dtype)
        out[:] = BARS
        out[self.target.slices] = seen
        return out

    def backward(
        self, field: np.ndarray, *, outside: float | None = None, nearest: bool = False
    ) -> np.ndarray:
        """[h, w] at the graph's size -> [H, W] at the frame's.

        Where the graph saw nothing (around a crop) the value is `outside`; None repeats the nearest value
        that was seen, so that depth stays finite and plausible there, though it is a guess.
        """
        import numpy as np

        seen = resample(field[self.target.slices], (self.source.height, self.source.width), nearest)
        if seen.shape == self.frame_size:
            return np.ascontiguousarray(seen)
        box = self.source
        below, right = self.frame_size[0] - box.top - box.height, self.frame_size[1] - box.left - box.width
        margins = ((box.top, below), (box.left, right))
        if outside is None:
            return np.pad(seen, margins, mode="edge")
        return np.pad(seen, margins, constant_values=outside)


def fit_for(frame_size: tuple[int, int], size: tuple[int, int], mode: str) -> Fit:
    """The geometry for frames of (H, W) into a graph of (h, w)."""
    check_mode(mode)
    (H, W), (h, w) = frame_size, size
    if mode == "letterbox":
        scale = min(h / H, w / W)
        target = _centred(size, (round(H * scale), round(W * scale)))
        return Fit(frame_size, size, Box(0, 0, H, W), target)
    if mode == "crop":
        scale = max(h / H, w / W)
        source = _centred(frame_size, (round(h / scale), round(w / scale)))
        return Fit(frame_size, size, source, Box(0, 0, h, w))
    return Fit(frame_size, size, Box(0, 0, H, W), Box(0, 0, h, w))


def middle_fit(frame_size: tuple[int, int], size: tuple[int, int], share: float) -> Fit:
    """What a classifier sees of a frame: of the largest box of the graph's proportions that share of both
    sides, from the middle."""
    fit = fit_for(frame_size, size, "crop")
    box = fit.source
    inner = _centred((box.height, box.width), (round(box.height * share), round(box.width * share)))
    return replace(fit, source=Box(box.top + inner.top, box.left + inner.left, inner.height, inner.width))


def check_mode(mode: str) -> None:
    if mode not in MODES:
        raise TosaEdgeError(f"there is no fit {mode!r}", f"Use one of: {', '.join(MODES)}.")


def resample(field: np.ndarray, size: tuple[int, int], nearest: bool = False) -> np.ndarray:
    """[H, W] or [H, W, C] to `size`; edges stay on edges, so going there and back moves nothing."""
    cv2 = opencv()
    if field.shape[:2] == size:
        return field
    if nearest:
        return cv2.resize(field, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    # INTER_AREA is an average only where both sides shrink, so shrinking and growing are two steps.
    smaller = min(field.shape[0], size[0]), min(field.shape[1], size[1])
    if field.shape[:2] != smaller:
        field = cv2.resize(field, smaller[::-1], interpolation=cv2.INTER_AREA)
    if smaller != size:
        field = cv2.resize(field, size[::-1], interpolation=cv2.INTER_LINEAR)
    return field


def _centred(outer: tuple[int, int], inner: tuple[int, int]) -> Box:
    height, width = (max(1, min(i, o)) for i, o in zip(inner, outer, strict=True))
    return Box((outer[0] - height) // 2, (outer[1] - width) // 2, height, width)
