"""The range that each activation takes on real pictures: min-max, percentile or entropy.

One table serves both forms of INT8: each keeps the range's own two ends, and the symmetric form takes the
larger of them for both.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph import LoadedGraph, with_outputs
from tosa_edge.graph_info import GraphInfo

if TYPE_CHECKING:
    pass

METHODS = ("minmax", "percentile", "entropy")
# Of all values of a tensor; the rest is cut off, half of it at each end.
PERCENTILE = 99.99
# Entropy's time grows with the square of the bins; with 128 of them it would have nothing to choose from.
BINS, LEVELS = 1024, 128
# The narrowest range: an activation that is zero on every picture must still have a scale to divide by.
LEAST = 1e-6

Range = tuple[float, float]


def check_method(method: str) -> None:
    if method not in METHODS:
        raise TosaEdgeError(f"--method {method} is not known", f"Choose one of: {', '.join(METHODS)}.")


def measure(
    graph: LoadedGraph,
    tensors: Iterable[str],
    pictures: np.ndarray,
    method: str,
    *,
    threads: int = 0,
    on_picture: Callable[[int], None] = lambda index: None,
) -> dict[str, Range]:
    """The range of each of a float graph's tensors over uint8 pictures [n, H, W, 3]."""
    check_method(method)
    names = sorted(set(tensors))
    collect = _Extremes() if method == "minmax" else _Histograms(method)
    with OnnxRuntimeBackend(with_outputs(graph, names), threads) as backend:
        for index, feeds in enumerate(feeds_of(graph.info, pictures)):
            outputs = backend.infer(feeds)
            _check_finite(graph.label, outputs)
            collect.add({name: outputs[name] for name in names})
            on_picture(min(len(pictures), (index + 1) * graph.info.batch) - 1)
    return {name: _around_zero(*ends) for name, ends in collect.ranges().items()}


def feeds_of(info: GraphInfo, pictures: np.ndarray) -> Iterable[dict[str, np.ndarray]]:
    """What the graph takes, a batch at a time; the last batch is filled up with its last picture.

    A reuse graph chooses no tokens: it gets every n-th, beginning elsewhere for each batch, so that over the
    pictures every token is seen.
    """
    for number, start in enumerate(range(0, len(pictures), info.batch)):
        some = pictures[start : start + info.batch]
        if len(some) < info.batch:
            some = np.concatenate([some, np.repeat(some[-1:], info.batch - len(some), axis=0)])
        feeds = {"image": np.ascontiguousarray(some)}
        if info.form == "reuse":
            patches = (np.arange(info.kept) * info.tokens // info.kept + number) % info.tokens
            kept = np.sort(patches).astype(np.int32)
            feeds["kept"] = np.tile(kept, (info.batch, len(info.selections), 1))
        yield feeds


def _check_finite(label: str, outputs: dict[str, np.ndarray]) -> None:
    for name, array in outputs.items():
        if not np.isfinite(array).all():
            raise TosaEdgeError(
                f"{label} computes numbers that are not finite ({name})",
                "Its weights are damaged: export it again from a checkpoint that evaluates well.",
            )


def _around_zero(low: float, high: float) -> Range:
    """Zero must have a code of its own, and a tensor that is always zero a scale."""
    low, high = min(0.0, float(low)), max(0.0, float(high))
    return (low, high) if high - low >= LEAST else (low, LEAST)


class _Extremes:
    """The smallest and the largest value of each tensor."""

    def __init__(self) -> None:
        self._ends: dict[str, Range] = {}

    def add(self, arrays: dict[str, np.ndarray]) -> None:
        for name, array in arrays.items():
            low, high = self._ends.get(name, (np.inf, -np.inf))
            self._ends[name] = min(low, float(array.min())), max(high, float(array.max()))

    def ranges(self) -> dict[str, Range]:
        return self._ends


class _Histograms:
    """ONNX Runtime's histograms, a picture at a time: its calibrators hold all tensors of all pictures."""

    def __init__(self, method: str) -> None:
        from onnxruntime.quantization.calibrate import HistogramCollector

        # Not symmetric: a percentile is taken at both ends.
        self._collector = HistogramCollector(method, False, BINS, LEVELS, PERCENTILE, "same")

    def add(self, arrays: dict[str, np.ndarray]) -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints, and stdout belongs to --json
            self._collector.collect(arrays)

    def ranges(self) -> dict[str, Range]:
        with contextlib.redirect_stdout(io.StringIO()):
            found = self._collector.compute_collection_result()
        return {name: (float(ends[0]), float(ends[1])) for name, ends in found.items()}
