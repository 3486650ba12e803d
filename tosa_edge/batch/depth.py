"""Depth as it is stored: a PNG of 16 bits, or the float32 as it was; and the rows that hold it."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tosa_edge.graph_info import GraphInfo
from tosa_edge.runtime.sinks.files import METRIC, RELATIVE, depth_png

INDEX = "index.csv"
_COLUMNS = ("name", "source", "index", "time_s", "height", "width", "file", "least", "most")


@dataclass(frozen=True)
class Row:
    """One picture's depth. `least` and `most` are the ends of what is finite in it, in its own unit."""

    name: str
    source: str
    index: int
    time_s: float | None
    height: int
    width: int
    depth: bytes
    least: float
    most: float


def encoded(depth: np.ndarray, kind: str, info: GraphInfo) -> tuple[bytes, float, float]:
    """The bytes that are stored, and the ends of the finite depth."""
    if kind == "png16":
        return depth_png(depth, info.output == "metric_depth")
    finite = depth[np.isfinite(depth)]
    file = io.BytesIO()
    np.savez_compressed(file, depth=depth)
    return file.getvalue(), float(finite.min()), float(finite.max())


def how_to_read(kind: str, info: GraphInfo) -> str:
    if kind == "npz":
        return "numpy.load(io.BytesIO(depth))['depth'] is float32, as the model gave it"
    return METRIC if info.output == "metric_depth" else RELATIVE


def text(name: str) -> str:
    """A file's name may be bytes that are no text; a table's text is text."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class FilesTable:
    """A folder of files, `NAME.depth.png` or `NAME.npz`, and `index.csv`, which has the rest of each row."""

    def __init__(self, path: Path, kind: str) -> None:
        self._folder = str(path)
        self._suffix = ".depth.png" if kind == "png16" else ".npz"
        self._index = open(path / INDEX, "w", newline="", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
        self._writer = csv.writer(self._index, lineterminator="\n")
        self._writer.writerow(_COLUMNS)

    def add(self, row: Row) -> None:
        file = f"{row.name}{self._suffix}"
        path = f"{self._folder}/{file}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(row.depth)
        self._writer.writerow(file if name == "file" else getattr(row, name) for name in _COLUMNS)

    def close(self) -> None:
        self._index.close()
