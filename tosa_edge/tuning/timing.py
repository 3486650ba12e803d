"""Candidates as graphs, timed against each other in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from tosa_edge.backends.opening import open_onnxruntime
from tosa_edge.bench.interleave import Variant, interleave, rows
from tosa_edge.bench.variant_graph import feeds_for
from tosa_edge.export.folder import export_graph
from tosa_edge.export.metadata import info_of
from tosa_edge.graph import LoadedGraph
from tosa_edge.tuning.candidates import Candidate
from tosa_edge.tuning.distance import Distance
from tosa_edge.tuning.front import Point


def timed(
    checkpoint: Path,
    candidates: Sequence[Candidate],
    rounds: int,
    threads: int = 0,
    on_traced: Callable[[int], None] = lambda index: None,
    on_round: Callable[[int], None] = lambda index: None,
) -> list[dict[str, Any]]:
    """A row for each, with its ratio to the first; in ONNX Runtime on the CPU."""
    with ExitStack() as stack:
        variants = []
        for index, candidate in enumerate(candidates):
            proto = export_graph(checkpoint, candidate.pattern, size=candidate.size)
            graph = LoadedGraph(proto, info_of(proto), candidate.name)
            backend = open_onnxruntime(graph, threads).backend
            backend.activate()
            stack.callback(backend.deactivate)
            feeds = feeds_for(graph.info)
            variants.append(Variant(candidate.name, partial(backend.infer, feeds)))
            on_traced(index)
        return rows([c.name for c in candidates], interleave(variants, rounds, on_round=on_round))


def point_of(name: str, distance: Distance, row: dict[str, Any]) -> Point:
    """What a candidate loses, and what `timed` says of it."""
    ratio, p50 = float(row["ratio"]), float(row["p50_ms"])
    return Point(name, distance.loss, distance.edges, ratio, p50, distance.within)
