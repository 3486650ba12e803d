"""What an engine consists of, in one shape whatever it is for: layers, precisions, plugins, fusions.

Three places tell: the optimised graph of ONNX Runtime; TensorRT's own inspector, where its engine can be
opened; and the network as the builder parsed it, which is all there is on a machine without the GPU.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Fusion:
    """`fused` of `of` places where the model has `what` run in one kernel; `note` says what else there is."""

    what: str
    fused: int
    of: int
    note: str = ""


@dataclass(frozen=True)
class Layers:
    """What runs.

    Args:
        seen_in: where this was read.
        kinds: how many there are of each kind, the most frequent first.
        precisions: of the layers that multiply, what they compute in.
        plugins: layers that need a plugin to load.
        note: what cannot be told, and why.
    """

    seen_in: str
    total: int
    kinds: dict[str, int]
    precisions: dict[str, int]
    plugins: int = 0
    fusions: tuple[Fusion, ...] = ()
    int8_weights: int | None = None
    note: str = ""


_INTEGER = {
    "MatMulIntegerToFloat", "QLinearMatMul", "QGemm", "QLinearConv", "ConvInteger", "MatMulInteger",
    "DynamicQuantizeMatMul", "QAttention",
}  # fmt: skip
_FLOAT = {"MatMul", "Gemm", "FusedMatMul", "FusedGemm", "Conv", "FusedConv", "ConvTranspose"}
_ATTENTION = {"Attention", "MultiHeadAttention", "GroupQueryAttention", "QAttention", "PackedAttention"}
_GELU = {"Gelu", "FastGelu", "BiasGelu", "QuickGelu"}
_NORM = {
    "LayerNormalization", "SkipLayerNormalization", "SimplifiedLayerNormalization",
    "SkipSimplifiedLayerNormalization", "RMSNormalization",
}  # fmt: skip
_TYPES = {"FLOAT": "fp32", "FLOAT16": "fp16", "BFLOAT16": "bf16", "DOUBLE": "fp64"}


def of_optimised_graph(model: onnx.ModelProto) -> Layers:
    """The kernels that ONNX Runtime runs: one for each node of the graph it saved."""
    nodes = model.graph.node
    ops = Counter(node.op_type for node in nodes)
    types = _types_in(model)
    precisions: Counter[str] = Counter()
    for node in nodes:
        if node.op_type in _INTEGER:
            precisions["int8"] += 1
        elif node.op_type in _FLOAT | _ATTENTION:
            precisions[types.get(node.output[0], "not known")] += 1
    attention, gelu, norm = (sum(ops[op] for op in group) for group in (_ATTENTION, _GELU, _NORM))
    scaled = ops["FusedMatMul"]
    return Layers(
        "the graph that ONNX Runtime optimised",
        len(nodes),
        dict(Counter(f"{n.domain}.{n.op_type}" if n.domain else n.op_type for n in nodes).most_common()),
        dict(precisions.most_common()),
        fusions=(
            # What is left of one that was not fused: its softmax, its erf, its square root.
            Fusion(
                "attention",
                attention,
                attention + ops["Softmax"],
                f"{scaled} products took in their scale or transpose" if scaled else "",
            ),
            Fusion("GELU", gelu, gelu + ops["Erf"]),
            Fusion("LayerNorm", norm, norm + ops["Sqrt"]),
        ),
        int8_weights=sum(_is_int8_weight(tensor) for tensor in model.graph.initializer),
    )


def _types_in(model: onnx.ModelProto) -> dict[str, str]:
    """Of the floating-point tensors; what ONNX Runtime fused declares none, and follows its inputs."""
    from onnx import TensorProto

    graph = model.graph
    found = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.input, *graph.output)}
    found |= {t.name: t.data_type for t in graph.initializer}
    names = {name: TensorProto.DataType.Name(kind) for name, kind in found.items() if kind}
    types = {name: _TYPES[kind] for name, kind in names.items() if kind in _TYPES}
    for node in graph.node:  # each stands after those it reads
        to = next((a.i for a in node.attribute if a.name == "to" and node.op_type == "Cast"), None)
        if to is not None:
            kind = _TYPES.get(TensorProto.DataType.Name(to))
        else:
            kind = next((types[name] for name in node.input if name in types), None)
        if kind:
            types |= {name: kind for name in node.output if name not in names}
    return types


def _is_int8_weight(tensor: onnx.TensorProto) -> bool:
    from onnx import TensorProto

    return tensor.data_type == TensorProto.INT8 and len(tensor.dims) > 1


def unknown(note: str) -> Layers:
    return Layers("nothing", 0, {}, {}, note=note)


def as_dict(layers: Layers) -> dict[str, Any]:
    return {**vars(layers), "fusions": [vars(fusion) for fusion in layers.fusions]}
