"""MODELs made ready to be timed against each other.

A variant is a MODEL, or `MODEL@S`: the same graph scoring every S-th query row. How many rows are scored is
an attribute of an operator and no weight depends on it, so the paper's own setting (`@1`) needs no export.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from tosa_edge import machine
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.bench import memory
from tosa_edge.bench.interleave import Variant, interleave, rows
from tosa_edge.bench.picture import room
from tosa_edge.errors import TosaEdgeError
from tosa_edge.info import GraphInfo
from tosa_edge.model import LoadedGraph, load_graph


def graph_of(spec: str) -> LoadedGraph:
    """The graph a variant means."""
    model, _, stride = spec.rpartition("@") if "@" in spec.rpartition("/")[2] else (spec, "", "")
    graph = load_graph(model)
    if not stride:
        return graph
    nodes = [node for node in graph.proto.graph.node if node.op_type == "TokenImportance"]
    if not stride.isdigit() or int(stride) < 1 or not nodes:
        raise TosaEdgeError(
            f"there is no variant {spec}",
            "Write MODEL@S, S = 1 or more, for a MODEL that selects tokens.",
        )
    for node in nodes:
        for attribute in node.attribute:
            if attribute.name == "query_stride":
                attribute.i = int(stride)
    info = replace(graph.info, query_stride=int(stride))
    return LoadedGraph(graph.proto, info, f"{graph.label}@{stride}")


def feeds_for(info: GraphInfo) -> dict[str, np.ndarray]:
    """What the graph takes: the room, and for a reuse graph evenly spread patches."""
    image = np.repeat(room(info.height, info.width)[None], info.batch, axis=0)
    if info.form != "reuse":
        return {"image": image}
    spread = np.linspace(0, info.tokens - 1, info.kept).round().astype(np.int32)
    return {"image": image, "kept": np.tile(spread, (info.batch, len(info.selections), 1))}


def bench(
    specs: Sequence[str], rounds: int, threads: int = 0, on_round: Callable[[int], None] = lambda index: None
) -> dict[str, object]:
    """Rows for each MODEL; ratios with respect to the first."""
    graphs = [graph_of(spec) for spec in specs]
    names = [graph.label for graph in graphs]
    with ExitStack() as stack:
        variants = [_variant(stack, graph, threads) for graph in graphs]
        table = rows(names, interleave(variants, rounds, on_round=on_round))
    for row, spec, graph in zip(table, specs, graphs, strict=True):
        info = graph.info
        row["peak_mb"] = memory.peak_mb(spec, threads)
        row["size"] = f"{info.height}x{info.width}"
        row["tokens"], row["kept"], row["batch"] = info.tokens, info.kept or info.tokens, info.batch
        row["query_stride"], row["group"] = info.query_stride, info.group
    return {
        "rows": table,
        "baseline": names[0],
        "rounds": rounds,
        "threads": threads or machine.cores(),
        "machine": machine.facts(),
    }


def _variant(stack: ExitStack, graph: LoadedGraph, threads: int) -> Variant:
    backend = stack.enter_context(OnnxRuntimeBackend(graph, threads))
    feeds = feeds_for(graph.info)
    return Variant(graph.label, lambda: backend.infer(feeds))
