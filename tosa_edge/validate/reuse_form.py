"""A portable graph made to take its `kept` instead of choosing it, by cutting at the selections.

One flipped token moves the depth more than all rounding together, so selection and arithmetic are judged
apart: arithmetic by giving the float32 graph the patches that the engine chose. A model folder has a reuse
graph for that, a single exported file has none; so it is always made here, from the very graph that is the
reference, and nothing about the two can differ.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph import LoadedGraph

if TYPE_CHECKING:
    import onnx

_PASSING = ("Cast", "Identity")
KEPT = "kept"


def reuse_form(graph: LoadedGraph) -> LoadedGraph:
    """The graph with `kept` as an input in place of its selectors; as it is, where it selects nothing."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    if not graph.info.selects or graph.info.form == "reuse":
        return graph
    chosen = _selections(graph)
    proto = onnx.ModelProto()
    proto.CopyFrom(graph.proto)
    g, info = proto.graph, graph.info
    nodes = []
    for index, name in enumerate(chosen):
        which = f"tosa_validate.which.{index}"
        g.initializer.append(numpy_helper.from_array(_int64(index), which))
        nodes.append(helper.make_node("Gather", [KEPT, which], [name], axis=1))
    for node in g.node:
        # The selectors' own choices are computed under other names until nobody asks for them any more.
        node.output[:] = [f"tosa_validate.own.{o}" if o in chosen else o for o in node.output]
        nodes.append(node)
    outputs = [o for o in g.output if o.name != KEPT]
    del g.output[:]
    g.output.extend(outputs)
    _keep_needed(g, nodes)
    shape = [info.batch, len(info.selections), info.kept]
    g.input.append(helper.make_tensor_value_info(KEPT, TensorProto.INT32, shape))
    about = replace(info, form="reuse", selector="")
    return LoadedGraph(proto, about, f"{graph.label} with kept given")


def _selections(graph: LoadedGraph) -> list[str]:
    """The tensors [B, K] of the selections, in their order: what is stacked into `kept`."""
    makers = {output: node for node in graph.proto.graph.node for output in node.output}
    name = KEPT
    while name in makers and makers[name].op_type in _PASSING:
        name = makers[name].input[0]
    stacked = makers.get(name)
    parts = list(stacked.input) if stacked is not None and stacked.op_type == "Concat" else [name]
    found = [
        makers[part].input[0] for part in parts if part in makers and makers[part].op_type == "Unsqueeze"
    ]
    if len(found) != len(graph.info.selections):
        raise TosaEdgeError(
            f"the selections of {graph.label} cannot be found in it, so they cannot be given from outside",
            "Compare with a graph that `tosa-edge export` wrote: --reference MODEL.",
        )
    return found


def _keep_needed(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Only what the outputs need; a graph's nodes stand in the order in which they can be computed."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(nodes):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    copies = [type(node).FromString(node.SerializeToString()) for node in reversed(kept)]
    del graph.node[:]
    graph.node.extend(copies)
    weights = [t for t in graph.initializer if t.name in needed]
    if len(weights) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(weights)


def _int64(value: int):  # type: ignore[no-untyped-def]
    import numpy as np

    return np.array(value, np.int64)
