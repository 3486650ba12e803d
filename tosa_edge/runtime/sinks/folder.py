"""Three PNGs for each frame: depth in 16 bits for programs, in colours and beside the picture for us."""

from __future__ import annotations

import csv
import struct
import zlib
from pathlib import Path

import numpy as np

from tosa_edge.info import GraphInfo
from tosa_edge.pictures.opencv import opencv
from tosa_edge.runtime.sinks import Result
from tosa_edge.runtime.sinks.files import FilesSink, write_file

_MOST = 65535
RANGES = "ranges.csv"
# How a program reads NAME.depth.png back; also in each file, as PNG text under `depth`.
METRIC = "depth in metres = value / 1000; 0 is no reading"
RELATIVE = "depth without a unit, larger is nearer = least + value / 65535 * (most - least)"


class FolderSink(FilesSink):
    """`NAME.depth.png`, `NAME.colour.png` and `NAME.panel.png`.

    Metric depth is in millimetres, 0 where there is none or it is beyond 65.535 m. Relative depth has no
    unit: each frame's own range fills the 16 bits, and `ranges.csv` has its ends, so that nothing is lost
    but rounding: depth = least + png / 65535 * (most - least).
    """

    what = "PNGs of an earlier run"
    names = r".+\.(depth|colour|panel)\.png|ranges\.csv"

    def __init__(self, folder: Path, info: GraphInfo) -> None:
        super().__init__(folder)
        self._metric = info.output == "metric_depth"
        self._ranges = self._pending.path / RANGES
        if not self._metric:
            self._note("file", "least", "most")

    def save(self, stem: str, result: Result) -> None:
        if self._metric:
            levels, text = millimetres(result.prediction.depth), METRIC
        else:
            levels, least, most = stretched(result.prediction.depth)
            text = f"{RELATIVE}; least {least!r}, most {most!r}"
            self._note(f"{stem.removeprefix(f'{self._pending.path}/')}.depth.png", repr(least), repr(most))
        write_file(f"{stem}.depth.png", with_text(_png(levels), "depth", text))
        write_file(f"{stem}.panel.png", _png(_bgr(result.panel)))
        write_file(f"{stem}.colour.png", _png(_bgr(result.painter.coloured(result.prediction))))

    def _note(self, *line: str) -> None:
        # A file's name is any bytes: what is no UTF-8 is written as it was.
        with open(self._ranges, "a", newline="", encoding="utf-8", errors="surrogateescape") as file:
            csv.writer(file, lineterminator="\n").writerow(line)


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


def with_text(png: bytes, key: str, text: str) -> bytes:
    """A PNG with a line of text in it, before its pictures' data, where every reader looks."""
    body = b"tEXt" + key.encode("latin-1") + b"\0" + text.encode("latin-1")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    head = 8 + 25  # the signature, and IHDR, which is always first and of one size
    return png[:head] + chunk + png[head:]


def _bgr(picture: np.ndarray) -> np.ndarray:
    return opencv().cvtColor(picture, opencv().COLOR_RGB2BGR)


def _png(picture: np.ndarray) -> bytes:
    return opencv().imencode(".png", picture)[1].tobytes()
