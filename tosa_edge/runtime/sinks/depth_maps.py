"""One `.npy` for each frame: float32 [H, W], exactly what the model gave."""

from __future__ import annotations

import numpy as np

from tosa_edge.runtime.sinks import Result
from tosa_edge.runtime.sinks.files import FilesSink


class DepthMapsSink(FilesSink):
    """A folder of depth maps."""

    what = "depth maps"
    names = r".+\.npy"

    def save(self, stem: str, result: Result) -> None:
        np.save(f"{stem}.npy", result.prediction.depth)
