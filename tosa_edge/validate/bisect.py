"""Which layer of an engine departs first: its residual stream against float32's, layer by layer.

Names of tensors survive ONNX Runtime's optimiser where it did not fuse over them, and the residual stream it
leaves alone; a layer whose tensor is gone is passed over. A TensorRT engine shows no such tensors: it is
built once more with them as outputs, which may mend what the first build did wrong; then no layer is found.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tosa_edge.graph import LoadedGraph
from tosa_edge.validate.checks import depth_limit, error, floor

if TYPE_CHECKING:
    import numpy as np
    import onnx

_LAST = re.compile(r"(?:^|[/.])((?:\w+\.)*blocks\.(\d+))\.ls2\.gamma$")
_PASSING = ("Cast", "Identity")
HEAD = "head"
# What ONNX Runtime calls a half-precision tensor that its CPU computes in float32 after all.
_IN_FLOAT = "InsertedPrecisionFreeCast_"


@dataclass(frozen=True)
class Tensor:
    """Where the residual stream leaves a layer. `layer` is named as in the checkpoint."""

    layer: str
    name: str


@dataclass(frozen=True)
class Departed:
    """The first layer whose error is above its limit; `error` is None where it is not finite."""

    layer: str
    tensor: str
    error: float | None
    limit: float


def stream(proto: onnx.ModelProto) -> list[Tensor]:
    """The residual stream of a portable or reuse graph, from the embedding to the last layer."""
    from tosa_edge.calibration.constants import Constants

    constants = Constants(proto)
    nodes = [node for node in proto.graph.node if node.op_type not in _PASSING]
    makers = {output: node for node in proto.graph.node for output in node.output}
    readers: dict[str, onnx.NodeProto] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, node)
    layers: dict[int, Tensor] = {}
    for node in nodes:
        for name in node.input:
            weight = constants.source(name)
            if weight is None:
                continue
            last = _LAST.search(name) or _LAST.search(weight)
            output = _after(node, readers) if last else None
            if last and output:
                layers.setdefault(int(last[2]), Tensor(last[1], output))
    found = [layers[i] for i in sorted(layers)]
    first = next((node.input[0] for node in nodes if node.op_type == "LayerNormalization"), None)
    if not found or first is None:
        return found
    while first in makers and makers[first].op_type in _PASSING:
        first = makers[first].input[0]
    return [Tensor(f"{found[0].layer.rpartition('blocks.')[0]}patch_embed", first), *found]


def _after(node: onnx.NodeProto, readers: dict[str, onnx.NodeProto]) -> str | None:
    """The sum that a layer ends with: the operator's own, or that behind the product with LayerScale."""
    if node.domain == "tosa":
        return node.output[0]
    after = readers.get(node.output[0])
    return after.output[0] if after is not None and after.op_type == "Add" else None


def shown(graph: LoadedGraph, tensors: Iterable[Tensor]) -> list[Tensor]:
    """Those of the tensors that a graph, optimised perhaps, still computes, under the names it gives them."""
    made = {output for node in graph.proto.graph.node for output in node.output}
    found = []
    for tensor in tensors:
        name = next((p + tensor.name for p in ("", _IN_FLOAT) if p + tensor.name in made), None)
        if name is not None:
            found.append(Tensor(tensor.layer, name))
    return found


def marked(graph: LoadedGraph, tensors: Iterable[Tensor]) -> LoadedGraph:
    """The graph with these tensors among its outputs."""
    import onnx
    from onnx import TensorProto

    proto = onnx.ModelProto()
    proto.CopyFrom(graph.proto)
    there = {output.name for output in proto.graph.output}
    known = {value.name: value for value in proto.graph.value_info}
    for tensor in tensors:
        if tensor.name not in there:
            half = graph.info.precision == "fp16" and not tensor.name.startswith(_IN_FLOAT)
            kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
            untyped = onnx.helper.make_tensor_value_info(tensor.name, kind, None)
            proto.graph.output.append(known.get(tensor.name) or untyped)
            there.add(tensor.name)
    return replace(graph, proto=proto)


@dataclass(frozen=True)
class Traces:
    """The arrays of one layer over all pictures: of the engine, of its peer, and the truth for each."""

    tensor: Tensor
    engine: list[np.ndarray]
    exact: list[np.ndarray]
    peer: list[np.ndarray]
    peer_exact: list[np.ndarray]


def departs(one: Traces, roundings: int) -> Departed | None:
    """None where the engine is as right as its peer; asked in the order of the layers, because what comes
    after a wrong one is wrong because of it."""
    found = error(one.engine, one.exact)
    limit = depth_limit(error(one.peer, one.peer_exact), floor(one.exact, roundings))
    assert limit is not None  # there is a peer
    if found <= limit:
        return None
    return Departed(one.tensor.layer, one.tensor.name, found if math.isfinite(found) else None, limit)
