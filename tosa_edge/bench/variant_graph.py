"""What a bench times: the graph that a variant means, and an input for it.

A variant is a MODEL, or `MODEL@S`: the same graph scoring every S-th query row. How many rows are scored is
an attribute of an operator and no weight depends on it, so the paper's own setting (`@1`) needs no export.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tosa_edge.bench.picture import room
from tosa_edge.engine.load import check_engine, load_graph
from tosa_edge.engine.names import is_engine
from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import WEIGHTS
from tosa_edge.graph import LoadedGraph
from tosa_edge.graph_info import GraphInfo


def graph_of(spec: str) -> LoadedGraph:
    """The graph a variant means."""
    model, stride = split(spec)
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
    patches = np.linspace(0, info.tokens - 1, info.kept).round().astype(np.int32)
    return {"image": image, "kept": np.tile(patches, (info.batch, len(info.selections), 1))}


def variants_of(spec: str, left_out: list[str]) -> list[str]:
    """A folder of engines means all of them that fit this machine, and why the others do not is added to
    `left_out`; one of graphs over one weights file means its usual variant."""
    folder = Path(spec)
    if not folder.is_dir() or (folder / WEIGHTS).exists():
        return [spec]
    found = sorted(path for path in folder.iterdir() if path.suffix in (".onnx", ".engine"))
    if not found:
        raise TosaEdgeError(f"the folder {spec} holds no models", "Make some with `tosa-edge build`.")
    fit, unfit = list[str](), list[TosaEdgeError]()
    for path in found:
        try:
            if is_engine(path):
                check_engine(path)
            fit.append(str(path))
        except TosaEdgeError as error:
            unfit.append(error)
    if not fit:
        raise unfit[0]
    left_out += [error.what for error in unfit]
    return fit


def split(spec: str) -> tuple[str, str]:
    """`MODEL@S` in two; no stride where there is none."""
    model, _, stride = spec.rpartition("@") if "@" in spec.rpartition("/")[2] else (spec, "", "")
    return model, stride
