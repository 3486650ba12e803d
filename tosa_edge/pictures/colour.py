"""Depth to colour, with a scale that stays still.

Relative depth has no unit, so colours need a range. Taking each frame's own range makes the picture flicker;
here a running range follows the frames' 2nd and 98th percentiles slowly. Each frame moves either end by at
most `smoothing` times the distance between that frame's percentile and the running one, so percentiles that
jitter by e move the colour of a still surface by about `smoothing * e` of the range, not by e.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosa_edge.pictures.opencv import opencv

if TYPE_CHECKING:
    import numpy as np

# INFERNO grows evenly brighter, also in print, so it is what files are painted in.
COLOUR_MAPS = ("inferno", "turbo", "viridis", "magma", "grey")
LOW, HIGH = 2, 98
_SAMPLES = 40_000
_NEAREST_METRES = 0.1


class ColourScale:
    """One running range for one stream of frames.

    Args:
        output: the graph's output kind; metric depth is shown as its inverse, so near is bright in both.
        smoothing: how far the range moves towards each new frame's; 0.06 is three quarters of the way in
            23 frames.

    `range` is that running range, as nearness; `fixed`, where somebody chose one, is shown instead of it.
    """

    def __init__(self, output: str = "relative_inverse_depth", smoothing: float = 0.06) -> None:
        self.output = output
        self.smoothing = smoothing
        self.range: tuple[float, float] | None = None
        self.fixed: tuple[float, float] | None = None

    def fix(self, near: float, far: float) -> None:
        """Shows this range, in the depth's own unit, until `fixed` is None again."""
        low, high = (1 / max(end, _NEAREST_METRES) if self._metric else end for end in (far, near))
        if not low < high:
            raise ValueError("near is not nearer than far")
        self.fixed = low, high

    def ends(self) -> tuple[float, float] | None:
        """(near, far) of the running range in the depth's own unit; None before the first frame."""
        if self.range is None:
            return None
        low, high = self.range
        return (1 / high, 1 / low) if self._metric else (high, low)

    def update(self, depth: np.ndarray) -> None:
        """Lets the range take notice of one frame, float32 [H, W]."""
        import numpy as np

        near = self._nearness(depth)
        step = max(1, int((near.size / _SAMPLES) ** 0.5))
        some = near[::step, ::step]
        some = some[np.isfinite(some)]
        if not some.size:
            return
        low, high = (float(p) for p in np.percentile(some, (LOW, HIGH)))
        if self.range is not None:
            low, high = (
                old + self.smoothing * (new - old) for old, new in zip(self.range, (low, high), strict=True)
            )
        self.range = low, high

    def levels(self, depth: np.ndarray) -> np.ndarray:
        """float32 [H, W] -> uint8 [H, W], 255 nearest; what is not finite is 0."""
        import numpy as np

        low, high = self.fixed or self.range or (0.0, 1.0)
        share = (self._nearness(depth) - low) / max(high - low, 1e-6)
        share = np.nan_to_num(share, nan=0.0, posinf=1.0, neginf=0.0)
        return np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)

    def __call__(self, depth: np.ndarray) -> np.ndarray:
        """float32 [H, W] -> RGB uint8 [H, W, 3], after taking notice of it."""
        self.update(depth)
        return colour(self.levels(depth))

    @property
    def _metric(self) -> bool:
        return self.output != "relative_inverse_depth"

    def _nearness(self, depth: np.ndarray) -> np.ndarray:
        import numpy as np

        return 1 / np.maximum(depth, _NEAREST_METRES) if self._metric else depth


def colour(levels: np.ndarray, name: str = COLOUR_MAPS[0]) -> np.ndarray:
    """uint8 [H, W] -> RGB uint8 [H, W, 3] in one of `COLOUR_MAPS`."""
    cv2 = opencv()
    if name == "grey":
        return cv2.cvtColor(levels, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(
        cv2.applyColorMap(levels, getattr(cv2, f"COLORMAP_{name.upper()}")), cv2.COLOR_BGR2RGB
    )
