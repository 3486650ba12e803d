"""Depth to colour, with a scale that stays still.

Relative depth has no unit, so colours need a range. Taking each frame's own range makes the picture flicker;
here a running range follows the frames' 2nd and 98th percentiles slowly. Each frame moves either end by at
most `smoothing` times the distance between that frame's percentile and the running one, so percentiles that
jitter by e move the colour of a still surface by about `smoothing * e` of the range, not by e.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosa_edge.runtime.opencv import opencv

if TYPE_CHECKING:
    import numpy as np

LOW, HIGH = 2, 98
_SAMPLES = 40_000
_NEAREST_METRES = 0.1


class ColourScale:
    """One running range for one stream of frames.

    Args:
        output: the graph's output kind; metric depth is shown as its inverse, so near is bright in both.
        smoothing: how far the range moves towards each new frame's; 0.06 is three quarters of the way in
            23 frames.
    """

    def __init__(self, output: str = "relative_inverse_depth", smoothing: float = 0.06) -> None:
        self.output = output
        self.smoothing = smoothing
        self.range: tuple[float, float] | None = None

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

        low, high = self.range or (0.0, 1.0)
        share = (self._nearness(depth) - low) / max(high - low, 1e-6)
        share = np.nan_to_num(share, nan=0.0, posinf=1.0, neginf=0.0)
        return np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)

    def __call__(self, depth: np.ndarray) -> np.ndarray:
        """float32 [H, W] -> RGB uint8 [H, W, 3], after taking notice of it."""
        self.update(depth)
        return colour(self.levels(depth))

    def _nearness(self, depth: np.ndarray) -> np.ndarray:
        import numpy as np

        return depth if self.output == "relative_inverse_depth" else 1 / np.maximum(depth, _NEAREST_METRES)


def colour(levels: np.ndarray) -> np.ndarray:
    """uint8 [H, W] -> RGB uint8 [H, W, 3] in INFERNO, which grows evenly brighter, also in print."""
    cv2 = opencv()
    return cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
