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
from tosa_edge.backends.opening import Opened, open_model
from tosa_edge.bench import memory
from tosa_edge.bench.interleave import Variant, interleave, rows
from tosa_edge.bench.picture import room
from tosa_edge.bench.power import drawn
from tosa_edge.engine import ONNXRUNTIME
from tosa_edge.engine.host import this_machine
from tosa_edge.errors import TosaEdgeError
from tosa_edge.info import GraphInfo
from tosa_edge.model import LoadedGraph, load_graph


def graph_of(spec: str) -> LoadedGraph:
    """The graph a variant means."""
    model, stride = _split(spec)
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
    found = [_open(spec, threads) for spec in specs]
    names = [opened.label for opened in found]
    with ExitStack() as stack:
        variants = [_variant(stack, opened) for opened in found]
        table = rows(names, interleave(variants, rounds, on_round=on_round))
        for row, variant in zip(table, variants, strict=True):
            row.update(drawn(variant.run))
    for row, spec, opened in zip(table, specs, found, strict=True):
        info = opened.info
        # Of an engine most memory is the GPU's, and no system tells what a process has of it.
        row["peak_mb"] = memory.peak_mb(spec, threads) if opened.host == ONNXRUNTIME else None
        row["backend"], row["size"] = opened.host, f"{info.height}x{info.width}"
        row["tokens"], row["kept"], row["batch"] = info.tokens, info.kept or info.tokens, info.batch
        row["query_stride"], row["group"] = info.query_stride, info.group
    return {
        "rows": table,
        "baseline": names[0],
        "rounds": rounds,
        "threads": threads or machine.cores(),
        "machine": {**machine.facts(), **_gpu(found)},
    }


def _open(spec: str, threads: int) -> Opened:
    if not _split(spec)[1]:
        return open_model(spec, threads)
    graph = graph_of(spec)
    return Opened(OnnxRuntimeBackend(graph, threads), graph.info, graph.label, ONNXRUNTIME)


def _split(spec: str) -> tuple[str, str]:
    """`MODEL@S` in two; no stride where there is none."""
    model, _, stride = spec.rpartition("@") if "@" in spec.rpartition("/")[2] else (spec, "", "")
    return model, stride


def _variant(stack: ExitStack, opened: Opened) -> Variant:
    backend = opened.backend
    backend.activate()
    stack.callback(backend.deactivate)
    feeds = feeds_for(opened.info)
    return Variant(opened.label, lambda: backend.infer(feeds))


def _gpu(found: Sequence[Opened]) -> dict[str, object]:
    """Named where it was measured: the GPU, and the TensorRT that ran on it."""
    hosts = sorted({opened.host for opened in found} - {ONNXRUNTIME})
    facts: dict[str, object] = {}
    for host in hosts:
        here = this_machine((host,))
        facts |= {"gpu": here.gpu.name if here.gpu else None, host: here.versions[host]}
    return facts
