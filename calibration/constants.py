"""The constants of a graph, seen through what stands before them.

The weights of a model lie in half precision and in PyTorch's layout; a Cast and a Transpose make of them what
the graph wants, and fold away when it is loaded. Because of them a
weight is not found by looking at initializers alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

_STEPS = ("Cast", "Transpose", "Identity")


class Constants:
    """Reads the constants of one graph by the names its nodes use."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._initializers = {t.name: t for t in model.graph.initializer}
        self._steps = {
            output: node
            for node in model.graph.node
            if node.op_type in _STEPS and not node.domain
            for output in node.output
        }

    def source(self, name: str) -> str | None:
        """The initializer that `name` comes from; None when it is no constant."""
        while name in self._steps:
            name = self._steps[name].input[0]
        return name if name in self._initializers else None

    def value(self, name: str) -> np.ndarray:
        """The constant as the graph sees it."""
        from onnx import helper, numpy_helper

        if name in self._initializers:
            return numpy_helper.to_array(self._initializers[name])
        node = self._steps[name]
        array = self.value(node.input[0])
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Transpose":
            return array.transpose(attributes.get("perm"))
        if node.op_type == "Cast":
            return array.astype(helper.tensor_dtype_to_np_dtype(attributes["to"]))
        return array


def drop_unused(model: onnx.ModelProto) -> None:
    """Takes out the initializers, and the steps behind them, that nothing reads any more. In place."""
    graph = model.graph
    while True:
        read = {name for node in graph.node for name in node.input} | {o.name for o in graph.output}
        idle = [n for n in graph.node if n.op_type in _STEPS and not set(n.output) & read]
        if not idle:
            break
        for node in idle:
            graph.node.remove(node)
    used = [t for t in graph.initializer if t.name in read]
    if len(used) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(used)
