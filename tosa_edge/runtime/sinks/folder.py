"""Two PNGs for each frame: the depth in 16 bits, for programs, and the panel, for people."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tosa_edge.info import GraphInfo
from tosa_edge.runtime.opencv import opencv
from tosa_edge.runtime.sinks import Result
from tosa_edge.runtime.sinks.files import FilesSink, write_file

_MOST = 65535
RANGES = "ranges.csv"


class FolderSink(FilesSink):
    """`NNNNNN.depth.png` and `NNNNNN.panel.png`.

    Metric depth is in millimetres, 0 where there is none or it is beyond 65.535 m. Relative depth has no
    unit: each frame's own range fills the 16 bits, and `ranges.csv` has its ends, so that nothing is lost
    but rounding: depth = least + png / 65535 * (most - least).
    """

    what = "PNGs of an earlier run"
    names = r"\d+\.(depth|panel)\.png|ranges\.csv"

    def __init__(self, folder: Path, info: GraphInfo) -> None:
        super().__init__(folder)
        self._metric = info.output == "metric_depth"
        if not self._metric:
            self._ranges = self._pending.path / RANGES
            self._ranges.write_text("file,least,most\n")

    def save(self, stem: str, result: Result) -> None:
        if self._metric:
            levels = millimetres(result.prediction.depth)
        else:
            levels, least, most = stretched(result.prediction.depth)
            with open(self._ranges, "a") as file:
                file.write(f"{os.path.basename(stem)}.depth.png,{least!r},{most!r}\n")
        write_file(f"{stem}.depth.png", _png(levels))
        write_file(f"{stem}.panel.png", _png(opencv().cvtColor(result.panel, opencv().COLOR_RGB2BGR)))


def millimetres(metres: np.ndarray) -> np.ndarray:
    """float32 metres -> uint16 millimetres."""
    rounded = np.round(np.nan_to_num(metres, nan=0, posinf=0, neginf=0).astype(np.float64) * 1000)
    return np.where((rounded > 0) & (rounded <= _MOST), rounded, 0).astype(np.uint16)


def stretched(depth: np.ndarray) -> tuple[np.ndarray, float, float]:
    """float32 without a unit -> uint16 from 0 to 65535, and what those two stand for."""
    finite = np.where(np.isfinite(depth), depth, 0)
    least, most = float(finite.min()), float(finite.max())
    share = (finite - least) / max(most - least, 1e-12)
    return np.round(share * _MOST).astype(np.uint16), least, most


def _png(picture: np.ndarray) -> bytes:
    return opencv().imencode(".png", picture)[1].tobytes()
