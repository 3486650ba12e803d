"""INT8 for GPUs, checked on the graph: each rule of the form, and that breaking it is seen."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.inliner import inline_local_functions

from tests.calibration.make import LAYERS, ranges_of, tiny_graph
from tosa_edge.calibration.constants import Constants
from tosa_edge.calibration.placement import find_layers, for_form
from tosa_edge.calibration.qdq import activation_scale, half_above, insert_qdq, quantise_weight
from tosa_edge.engine.load import load_graph
from tosa_edge.export.opset import raise_opset

QDQ = ("QuantizeLinear", "DequantizeLinear")


def int8(graph, ranges=None):
    layers = for_form(find_layers(graph.proto), "symmetric", graph.info.precision == "fp16")
    return insert_qdq(graph.proto, layers, ranges or ranges_of(graph), "symmetric")


def faults(model) -> set[str]:
    """What of a graph is not the form for GPUs. Functions are looked into: what is in them runs too."""
    found = set()
    for owner in (model, *model.functions):
        if {o.version for o in owner.opset_import if not o.domain} != {19}:
            found.add("not opset 19")
    flat = onnx.shape_inference.infer_shapes(inline_local_functions(model), strict_mode=True)
    graph, constants = flat.graph, Constants(flat)
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.output)}
    types |= {t.name: t.data_type for t in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    readers = {name: [n for n in graph.node if name in n.input] for n in graph.node for name in n.output}

    def op(name):
        return made_by[name].op_type if name in made_by else ""

    def is_weight(name):
        stored = made_by[name].input[0] if op(name) == "DequantizeLinear" else name
        return constants.source(stored) is not None

    def is_residual_add(name):
        return op(name) == "Add" and not any(map(is_weight, made_by[name].input))

    for node in graph.node:
        before = node.input[0] if node.input else ""
        users = {n.op_type for n in readers.get(node.output[0], ())}
        if node.op_type in QDQ and types[node.input[1]] != TensorProto.FLOAT16:
            found.add("a scale that is not half")
        if node.op_type in QDQ and {"Cast", "CastLike"} & {op(before), *users}:
            found.add("a Cast beside Q/DQ")
        if node.op_type == "DequantizeLinear" and "Add" in users:
            found.add("a quantised residual add")
        elif node.op_type == "DequantizeLinear" and not users <= {"MatMul", "Gemm"}:
            found.add("INT8 that is not a linear layer's")
        if node.op_type == "QuantizeLinear" and is_residual_add(before):
            found.add("a quantised residual add")
        linear = node.op_type in ("MatMul", "Gemm") and is_weight(node.input[1])
        if linear and types[node.output[0]] != TensorProto.FLOAT16:
            found.add("a linear layer in float32")
    return found


def test_the_form_keeps_its_rules():
    made = int8(tiny_graph(precision="fp16"))
    onnx.checker.check_model(made, full_check=True)
    assert faults(made) == set()
    operators = [node.op_type for node in made.graph.node]
    assert operators.count("QuantizeLinear") == len(LAYERS) - 1
    assert operators.count("DequantizeLinear") == 2 * (len(LAYERS) - 1)
    assert made.ir_version <= 10


@pytest.mark.parametrize(
    "variant", ["g3", *(pytest.param(v, marks=pytest.mark.slow) for v in ("dense", "g1", "g3.reuse"))]
)
def test_bundled_graphs_keep_them(variant):
    graph = load_graph(f"tosa_depth_t:{variant}.fp16")
    made = int8(graph, {layer.activation: (-8.0, 8.0) for layer in find_layers(graph.proto)})
    assert faults(made) == set()


def test_the_form_for_cpus_breaks_them():
    assert faults(int8(tiny_graph())) >= {
        "not opset 19",
        "a scale that is not half",
        "a linear layer in float32",
        "INT8 that is not a linear layer's",
    }


def in_casts(model):
    """The form as it was before: float32 around each INT8 layer of a half-precision graph."""
    graph = model.graph
    scales = {n.input[1] for n in graph.node if n.op_type in QDQ}
    for tensor in graph.initializer:
        if tensor.name in scales:
            wide = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    for node in list(graph.node):
        at = list(graph.node).index(node)
        if node.op_type == "QuantizeLinear":
            cast = helper.make_node(
                "Cast", [node.input[0]], [f"{node.input[0]}/single"], to=TensorProto.FLOAT
            )
            node.input[0] = cast.output[0]
            graph.node.insert(at, cast)
        elif node.op_type == "MatMul" and node.input[1].endswith("/dequantised"):
            cast = helper.make_node(
                "Cast", [f"{node.output[0]}/single"], [node.output[0]], to=TensorProto.FLOAT16
            )
            node.output[0] = cast.input[0]
            graph.node.insert(at + 1, cast)
    # What infer_shapes knew of them is no longer so.
    del graph.value_info[:]


def residual(model):
    """Q/DQ on the residual stream, before it is added to: what quantisers of everything do."""
    graph = model.graph
    made_by = {output: node for node in graph.node for output in node.output}
    scaled = [n for n in graph.node if n.op_type == "Add" and made_by.get(n.input[1], n).op_type == "Mul"]
    add, at = scaled[1], list(graph.node).index(scaled[1])
    parameters = [i.name for i in graph.initializer if i.name.endswith(("scale", "zero_point"))]
    scale = next(name for name in parameters if not name.startswith("encoder") and name.endswith("/scale"))
    zero = scale.replace("/scale", "/zero_point")
    graph.node.insert(at, helper.make_node("DequantizeLinear", ["q", scale, zero], ["dq"]))
    graph.node.insert(at, helper.make_node("QuantizeLinear", [add.input[0], scale, zero], ["q"]))
    add.input[0] = "dq"


@pytest.mark.parametrize(
    ("spoil", "seen"),
    [
        (in_casts, {"a scale that is not half", "a Cast beside Q/DQ", "a linear layer in float32"}),
        (residual, {"a quantised residual add"}),
        (lambda model: raise_opset(model, 20), {"not opset 19"}),
    ],
)
def test_a_broken_rule_is_seen(spoil, seen):
    made = int8(tiny_graph(precision="fp16"))
    spoil(made)
    assert faults(made) == seen


def test_layernorms_between_casts_are_seen():
    """As the half-precision graph spells them; the form for GPUs would have a Cast before each Q."""
    graph = tiny_graph(precision="fp16")
    made = int8(graph)
    norms = [n for n in made.graph.node if n.op_type == "LayerNormalization"]
    casts = {n.output[0] for n in made.graph.node if n.op_type == "Cast"}
    kept = [n for n in norms if n.input[0] in casts]
    before = [n for n in graph.proto.graph.node if n.op_type == "LayerNormalization"]
    assert len(norms) == len(before)
    assert 0 < len(kept) < len(norms)  # those that the depth head reads
    for norm in norms:
        assert {a.name: a.i for a in norm.attribute}["stash_type"] == 1  # statistics in float32


@pytest.mark.parametrize("largest", [1e-9, 3e-6, 1.0, 65504.0, 1e30])
def test_a_half_scale_reaches_the_end_of_its_range(largest):
    scale, zero = activation_scale(-largest / 2, largest, "symmetric", half=True)
    assert (scale.dtype, zero.dtype) == (np.float16, np.int8)
    assert np.isfinite(np.float16(1) / scale)
    assert np.isfinite(np.float16(127) * scale)
    assert 127 * float(scale) >= min(largest, 65400) * (1 - 1e-6)


def test_a_weight_with_half_scales_is_off_by_half_a_step_at_most():
    weight = np.random.default_rng(0).normal(0, 1, (64, 48)).astype(np.float16)
    weight[:, 5], weight[:, 6] = 0, 6e-8  # nothing, and the smallest that half has
    weight[:, 7] *= np.float16(1e-4)
    rounded, scale = quantise_weight(weight, 1, half=True)
    assert scale.dtype == np.float16
    step = scale.astype(np.float64)
    assert (np.abs(rounded * step - weight) <= 0.5001 * step).all()
    assert not rounded[:, 5].any()
    # No more than a step of float16 is given away.
    assert (np.abs(rounded[:, :5]).max(axis=0) == 127).all()
    assert half_above(np.array(1.0)) == 1
