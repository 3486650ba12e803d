"""The portable form in half to the attention form: the same graph, its attention spelt as ONNX `Attention`.

TensorRT 10.14 and later and TensorRT-RTX make one layer of that operator; the portable form they must
recognise first. In which precision its softmax is computed nobody has seen: least of all where TensorRT-RTX
takes it apart again (`decomposable`). The validation of an engine decides. It is opset 23, which older hosts
do not read: a further form, never the only one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.export.opset import raise_opset
from tosa_edge.plugins import DOMAIN, SELECTIVE_ATTENTION, SELECTIVE_ATTENTION_FUSED

if TYPE_CHECKING:
    import onnx

OPSET = 23
IR_VERSION = 11
OPERATOR = "Attention"
_SPLIT, _TURNED = [0, 2, 1, 3], [0, 2, 3, 1]


@dataclass(frozen=True)
class _Found:
    """The attention of a standard layer: its inputs and output [B, T, D], and the nodes it is made of."""

    inputs: tuple[str, str, str]
    output: str
    heads: int
    scale: float
    nodes: list[onnx.NodeProto]


def to_attention_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """A portable float16 graph, complete in memory, as a new graph in the attention form."""
    import onnx
    from onnx import helper

    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    found = [_standard(graph, node) for node in graph.node if node.op_type == "Softmax"]
    for one in found:
        at = list(graph.node).index(one.nodes[-1])
        node = helper.make_node(
            OPERATOR,
            one.inputs,
            [one.output],
            name=f"{one.output}/{OPERATOR}",
            q_num_heads=one.heads,
            kv_num_heads=one.heads,
            scale=one.scale,
        )
        graph.node.insert(at, node)
        for old in one.nodes:
            graph.node.remove(old)
    others = [f for f in made.functions if (f.domain, f.name) != (DOMAIN, SELECTIVE_ATTENTION.name)]
    if len(others) < len(made.functions):
        others.append(SELECTIVE_ATTENTION_FUSED.function)
    del made.functions[:]
    made.functions.extend(others)
    raise_opset(made, OPSET)
    made.ir_version = max(made.ir_version, IR_VERSION)
    _drop_outdated(graph)
    return made


def attentions(model: onnx.ModelProto) -> int:
    """How many `Attention` operators run, those in functions each time they are called; 0 in other forms."""
    inside = {
        (f.domain, f.name): sum(node.op_type == OPERATOR and not node.domain for node in f.node)
        for f in model.functions
    }
    return sum(
        inside.get((node.domain, node.op_type), int(node.op_type == OPERATOR and not node.domain))
        for node in model.graph.node
    )


def _standard(graph: onnx.GraphProto, softmax: onnx.NodeProto) -> _Found:
    """The attention around a softmax, as `nn.tosa.attention` is traced in half; an error if it is another."""
    made_by = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes = [softmax]

    def step(node: onnx.NodeProto | None, op: str, perm: list[int] | None = None) -> onnx.NodeProto:
        turned = {a.name: list(a.ints) for a in node.attribute}.get("perm") if node else None
        if node is None or node.op_type != op or turned != perm:
            raise TosaEdgeError(
                f"the attention at {softmax.output[0]} is not spelt as this tosa-edge spells it",
                "Export the graph again in half: tosa-edge export CKPT --precision fp16.",
            )
        nodes.append(node)
        return node

    def before(name: str, op: str, perm: list[int] | None = None) -> onnx.NodeProto:
        return step(made_by.get(name), op, perm)

    def after(name: str, op: str, perm: list[int] | None = None) -> onnx.NodeProto:
        readers = [node for node in graph.node if name in node.input]
        return step(readers[0] if len(readers) == 1 else None, op, perm)

    def constant(name: str) -> np.ndarray:
        from onnx import numpy_helper

        return numpy_helper.to_array(constants[name])

    scores = before(before(softmax.input[0], "Cast").input[0], "MatMul")
    scaled = before(scores.input[0], "Mul")
    by_head = before(before(scaled.input[0], "Transpose", _SPLIT).input[0], "Reshape")
    keys = before(before(scores.input[1], "Transpose", _TURNED).input[0], "Reshape")
    mixed = after(after(softmax.output[0], "Cast").output[0], "MatMul")
    values = before(before(mixed.input[1], "Transpose", _SPLIT).input[0], "Reshape")
    merged = after(after(mixed.output[0], "Transpose", _SPLIT).output[0], "Reshape")
    return _Found(
        (by_head.input[0], keys.input[0], values.input[0]),
        merged.output[0],
        int(constant(by_head.input[1])[2]),
        float(constant(scaled.input[1])),
        nodes,
    )


def _drop_outdated(graph: onnx.GraphProto) -> None:
    """Shapes of tensors, and constants, that went with the nodes they belonged to."""
    read = {name for node in graph.node for name in node.input} | {o.name for o in graph.output}
    made = {name for node in graph.node for name in node.output}
    for field, keep in ((graph.value_info, made), (graph.initializer, read)):
        kept = [item for item in field if item.name in keep]
        del field[:]
        field.extend(kept)
