"""Names that a graph must not use twice, for TensorRT's sake."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def ambiguous_names(model: onnx.ModelProto) -> set[str]:
    """Names of the graph's tensors that are names of its functions' inputs too.

    ONNX keeps the two apart. Inside a function, TensorRT's parsers of 10.x look a name up among all tensors,
    find the graph's, and compute something else without a word.
    """
    graph = model.graph
    outer = {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
    outer.update(name for node in graph.node for name in (*node.input, *node.output))
    return outer & {name for function in model.functions for name in function.input}
