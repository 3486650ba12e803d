"""The Q/DQ graph: what is in it, and that INT8 costs what rounding costs and no more."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, numpy_helper

from tests.calibration.make import LAYERS, pictures, ranges_of, tiny_graph
from tosa_edge.calibration.agreement import outputs_of
from tosa_edge.calibration.constants import Constants
from tosa_edge.calibration.placement import find_layers
from tosa_edge.calibration.qdq import ACTIVATIONS, activation_scale, insert_qdq, int8_weights, quantise_weight
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph import LoadedGraph


def int8(graph, activations="symmetric", layers=None):
    chosen = find_layers(graph.proto) if layers is None else layers
    made = insert_qdq(graph.proto, chosen, ranges_of(graph), activations)
    return LoadedGraph(made, graph.info, "int8")


@pytest.mark.parametrize("axis", [0, 1])
def test_a_weight_is_off_by_half_a_step_at_most(axis):
    weight = np.random.default_rng(0).normal(0, 1, (64, 48)).astype(np.float32)
    weight[3], weight[:, 5] = 0, 0
    rounded, scale = quantise_weight(weight, axis)
    assert rounded.dtype == np.int8
    assert rounded.min() >= -127
    step = scale[:, None] if axis == 0 else scale
    assert (np.abs(rounded * step - weight) <= 0.5001 * step).all()
    assert not (rounded * step)[weight == 0].any()


@pytest.mark.parametrize("ends", [(-1.0, 3.0), (-0.17, 9.0), (0.0, 1.0), (-2.0, 0.0)])
def test_every_number_of_a_range_has_a_code(ends):
    for activations in ACTIVATIONS:
        scale, zero = activation_scale(*ends, activations)
        limits = np.iinfo(zero.dtype)
        values = np.linspace(*ends, 1001)
        codes = np.clip(np.rint(values / scale) + int(zero), limits.min, limits.max)
        assert np.abs((codes - int(zero)) * scale - values).max() <= 1.001 * scale  # half of it for the zero
        assert (int(zero) - int(zero)) * scale == 0
    assert activation_scale(*ends, "symmetric")[1] == 0


@pytest.mark.parametrize("form", ["portable", "reuse"])
@pytest.mark.parametrize("activations", ACTIVATIONS)
def test_what_is_in_the_graph(form, activations):
    graph = tiny_graph(form=form)
    made = int8(graph, activations).proto
    onnx.checker.check_model(made, full_check=True)
    assert sorted(int8_weights(made)) == sorted(f"{name}.weight/int8" for name in LAYERS)
    # The trap: inlined functions, and attention in INT8 with them.
    assert [f.name for f in made.functions] == [f.name for f in graph.proto.functions]
    assert "SelectiveAttention" in [f.name for f in made.functions]
    assert not any("Quantize" in node.op_type for f in made.functions for node in f.node)
    operators = [node.op_type for node in made.graph.node]
    assert operators.count("QuantizeLinear") == len(LAYERS)
    biases = len(LAYERS) - 1 if activations == "unsigned" else 0
    assert operators.count("DequantizeLinear") == 2 * len(LAYERS) + biases
    assert (made.ir_version, {o.domain: o.version for o in made.opset_import}) == (10, {"": 18, "tosa": 1})
    names = [node.name for node in made.graph.node] + [t.name for t in made.graph.initializer]
    assert len(set(names)) == len(names)
    assert len(graph.proto.graph.initializer) == len(tiny_graph(form=form).proto.graph.initializer)


def test_each_weight_is_there_once(graph):
    made = int8(graph).proto
    constants = Constants(graph.proto)
    numbers = sum(constants.value(layer.weight).size for layer in find_layers(graph.proto))
    stored = [numpy_helper.to_array(t) for t in made.graph.initializer if t.data_type == TensorProto.INT8]
    assert sum(a.size for a in stored if a.ndim > 1) == numbers
    left = {t.name for t in made.graph.initializer}
    assert not left & {f"weights.safetensors/{name}.weight" for name in LAYERS}
    saved = len(graph.bytes()) - len(made.SerializeToString())
    assert saved > numbers - 400 * len(LAYERS) - 5 * 4 * 32 * 4 * len(LAYERS)  # a byte each, less the scales


def depth_error(some, exact):
    return float(np.sqrt(np.mean([(a["depth"] - b["depth"]) ** 2 for a, b in zip(some, exact, strict=True)])))


def literally(graph):
    """Every Q, DQ and float product as it is written: what rounding alone does."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(graph.bytes(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return [dict(zip(names, session.run(None, {"image": p[None]}), strict=True)) for p in pictures()]


@pytest.mark.parametrize("activations", ACTIVATIONS)
def test_int8_kernels_err_as_rounding_does(activations):
    graph = tiny_graph(dense=True)
    exact = outputs_of(graph, pictures(), threads=1)
    made = int8(graph, activations)
    rounding = depth_error(literally(made), exact)
    assert 0 < rounding < 0.1 * np.std([o["depth"] for o in exact])
    assert depth_error(outputs_of(made, pictures(), threads=1), exact) <= 2 * rounding


def test_weights_alone_err_less_than_weights_and_activations():
    graph = tiny_graph(dense=True)
    exact = outputs_of(graph, pictures(), threads=1)
    rounded = onnx.ModelProto()
    rounded.CopyFrom(graph.proto)
    constants, names = Constants(graph.proto), {}
    for layer in find_layers(graph.proto):
        value = constants.value(layer.weight)
        whole, scale = quantise_weight(value, layer.axis)
        step = scale.reshape([-1 if i == layer.axis else 1 for i in range(value.ndim)])
        names[layer.weight] = f"{layer.name}/rounded"
        tensor = numpy_helper.from_array((whole * step).astype(np.float32), names[layer.weight])
        rounded.graph.initializer.append(tensor)
    for node in rounded.graph.node:
        if node.op_type in ("MatMul", "Conv"):
            node.input[:] = [names.get(name, name) for name in node.input]
    weights_only = depth_error(
        outputs_of(LoadedGraph(rounded, graph.info, "w"), pictures(), threads=1), exact
    )
    both = depth_error(literally(int8(graph)), exact)
    assert 0 < weights_only < 2 * both
    assert both < 10 * weights_only


@pytest.mark.parametrize("form", ["portable", "reuse"])
@pytest.mark.parametrize("activations", ACTIVATIONS)
def test_onnx_runtime_really_computes_in_int8(tmp_path, form, activations):
    """A float bias makes it fall back to float without a word, and nothing but the time tells."""
    graph = int8(tiny_graph(form=form), activations)
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    ort.InferenceSession(graph.bytes(), options, providers=["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    in_int8 = operators.count("MatMulIntegerToFloat") + operators.count("QGemm")
    assert in_int8 == len(LAYERS) - 1  # all but the patch embedding, a convolution


def test_a_bias_that_int32_does_not_hold_stays_what_it_was():
    graph = tiny_graph(dense=True)
    for tensor in graph.proto.graph.initializer:
        if tensor.name.endswith("blocks.1.mlp.fc2.weight"):
            weight = numpy_helper.to_array(tensor).copy()
            weight[3] = 6e-8  # the smallest that half precision has
            tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
    chosen = [one for one in find_layers(graph.proto) if one.name.endswith("blocks.1.mlp.fc2")]
    ranges = {chosen[0].activation: (-1e-6, 1e-6)}
    made = insert_qdq(graph.proto, chosen, ranges, "unsigned")
    assert "DequantizeLinear" not in [
        n.op_type for n in made.graph.node if n.output[0].endswith("bias/dequantised")
    ]
    (bias,) = [numpy_helper.to_array(t) for t in made.graph.initializer if t.name.endswith("bias/wide")]
    assert bias.shape == (1, 1, 32)
    np.testing.assert_array_equal(bias.ravel(), Constants(graph.proto).value(chosen[0].bias))


def test_layers_that_are_left_out_stay_as_they_were(graph):
    chosen = [layer for layer in find_layers(graph.proto) if layer.kind == "fc1"]
    made = int8(graph, layers=chosen).proto
    assert int8_weights(made) == [f"{layer.name}.weight/int8" for layer in chosen]
    nothing = int8(graph, layers=[])
    assert depth_error(outputs_of(nothing, pictures(), 1), outputs_of(graph, pictures(), 1)) == 0


def test_an_unknown_form(graph):
    with pytest.raises(TosaEdgeError, match="--activations bits"):
        insert_qdq(graph.proto, [], {}, "bits")
