"""LayerNorm in half: in the form for GPUs no Cast stands between it and the INT8 layer that it feeds.

The float16 graph spells out that statistics are float32: Cast, LayerNormalization in float32, Cast. The
operator says the same of itself with `stash_type` 1: mean and variance are float32 whatever its input is.
What is rounded once more, its scale and shift, is about to be rounded to eight bits anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

    Nodes = onnx.GraphProto | onnx.FunctionProto


def norms_in_half(model: onnx.ModelProto, wanted: Collection[str]) -> None:
    """Of the LayerNorms whose result in half is among `wanted`, and of those in functions. In place."""
    from onnx import numpy_helper

    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}

    def constant_in_half(name: str) -> str | None:
        if name not in constants:
            return None
        half = f"{name}/half"
        if half not in constants:
            value = numpy_helper.to_array(constants[name]).astype(np.float16)
            constants[half] = numpy_helper.from_array(value, half)
            graph.initializer.append(constants[half])
        return half

    _without_casts(graph, wanted, {output.name for output in graph.output}, constant_in_half)
    for function in model.functions:
        _without_casts(function, function.output, set(function.output), lambda name: None)


def _without_casts(
    where: Nodes, wanted: Collection[str], outputs: set[str], constant_in_half: Callable[[str], str | None]
) -> None:
    """Casts that nobody reads any more go as well."""
    made_by = {output: node for node in where.node for output in node.output}

    def in_half(name: str) -> str | None:
        source = made_by.get(name)
        if source is None:
            return constant_in_half(name)
        return source.input[0] if source.op_type == "Cast" else None

    casts = [n for n in where.node if n.op_type in ("Cast", "CastLike") and n.output[0] in wanted]
    for cast in casts:
        norm = made_by.get(cast.input[0])
        if norm is None or norm.op_type != "LayerNormalization":
            continue
        inputs = [in_half(name) for name in norm.input]
        if None not in inputs:
            norm.input[:] = [name for name in inputs if name]
            norm.output[0] = cast.output[0]
            where.node.remove(cast)
    read = {name for node in where.node for name in node.input} | outputs
    for node in [n for n in where.node if n.op_type == "Cast" and not set(n.output) & read]:
        where.node.remove(node)
