"""The INT8 model: the float graph with Q/DQ before the layers that become INT8, and hardly anything else.

Only the two inputs of such a layer are quantised: its output, and with it the residual stream, stays in
float. `onnxruntime.quantization.quantize_static` would inline the `tosa` functions or miss the weights behind
their Cast; here the nodes stand, so the functions do too, and each weight is stored once, in int8.

The biases change their dress as well. ONNX Runtime makes one Gemm of a MatMul and the bias after it, and
has no INT8 Gemm with a float bias: the model would load, give the right depth, and compute in float.

That is the form for CPUs, made from a float32 graph. A float16 graph becomes the form for GPUs: there the
scales are float16 too, so that each layer takes and gives float16 with nothing in between. Q and DQ know
float16 from opset 19 on; ONNX Runtime does not load them at opset 21, so it is 19 exactly. The LayerNorm
before a layer loses the Casts around it as well: the operator itself keeps its statistics in float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from tosa_edge.calibration.constants import Constants, drop_unused
from tosa_edge.calibration.norms import norms_in_half
from tosa_edge.calibration.placement import Layer
from tosa_edge.calibration.ranges import Range
from tosa_edge.errors import TosaEdgeError
from tosa_edge.export.opset import raise_opset

if TYPE_CHECKING:
    import onnx

# `symmetric`: int8 around zero, for TensorRT and CPUs. `unsigned`: uint8 with a zero point, and int32 biases,
# which CPUs are faster with and TensorRT refuses.
ACTIVATIONS = ("symmetric", "unsigned")
GPU_OPSET = 19
_LEAST_HALF = float(np.finfo(np.float16).smallest_normal)
_MOST_HALF = 515.5


def check_activations(activations: str) -> None:
    if activations not in ACTIVATIONS:
        raise TosaEdgeError(
            f"--activations {activations} is not known", f"Choose one of: {', '.join(ACTIVATIONS)}."
        )


def activation_scale(
    low: float, high: float, activations: str, half: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point (float32 or float16, and int8 or uint8; both [])."""
    if activations == "symmetric":
        scale = max(-low, high) / 127
        # Below, 1 / scale is more than float16 holds.
        stored = half_above(np.array(max(scale, _LEAST_HALF))) if half else np.array(scale, np.float32)
        return stored, np.array(0, np.int8)
    scale = (high - low) / 255
    return np.array(scale, np.float32), np.array(np.clip(round(-low / scale), 0, 255), np.uint8)


def half_above(scale: np.ndarray) -> np.ndarray:
    """The least float16 that is no smaller, so that nothing is cut off; 127 of it are a float16 too."""
    scale = np.minimum(scale, _MOST_HALF)
    near = scale.astype(np.float16)
    return np.where(near < scale, np.nextafter(near, np.float16(np.inf)), near).astype(np.float16)


def quantise_weight(weight: np.ndarray, axis: int, half: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """int8 of the same shape, and the float32 or float16 scale of each channel along `axis`.

    -128 is not used.
    """
    weight = weight.astype(np.float32)
    others = tuple(i for i in range(weight.ndim) if i != axis)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    # A channel of zeros, or of less than float32 can divide by, is zero at any scale.
    scale = np.where(largest > 1e-30, largest / 127, 1.0).astype(np.float32)
    if half:
        scale = half_above(scale)
        return np.clip(np.rint(weight / scale.astype(np.float32)), -127, 127).astype(np.int8), scale.ravel()
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale.ravel()


def insert_qdq(
    model: onnx.ModelProto, layers: Iterable[Layer], ranges: dict[str, Range], activations: str
) -> onnx.ModelProto:
    """A new model in which `layers` are INT8. `ranges` are those of their activations."""
    import onnx

    check_activations(activations)
    wanted = {layer.output: layer for layer in layers}
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph, constants = made.graph, Constants(model)
    old = list(graph.node)
    del graph.node[:]
    done: dict[str, str] = {}
    half = any(constants.value(layer.weight).dtype == np.float16 for layer in wanted.values())
    # Only ONNX Runtime on a CPU makes anything of the biases.
    biased = {(o.output, o.bias): o for o in wanted.values() if o.bias and not half}
    ranks = {v.name: len(v.type.tensor_type.shape.dim) for v in graph.value_info}
    for node in old:
        layer = wanted.get(node.output[0])
        if layer is not None:
            if layer.activation not in done:  # qkv of a standard layer may share its input with others
                scale = activation_scale(*ranges[layer.activation], activations, half)
                done[layer.activation] = _activation(graph, layer.activation, *scale)
            if layer.weight not in done:
                value = constants.value(layer.weight)
                done[layer.weight] = _weight(graph, layer, *quantise_weight(value, layer.axis, half))
            node.input[0], node.input[1] = done[layer.activation], done[layer.weight]
        elif node.op_type == "Add" and not node.domain:
            for at, pair in enumerate((tuple(reversed(node.input)), tuple(node.input))):
                if pair in biased:
                    bias = constants.value(pair[1]).astype(np.float32)
                    node.input[at] = _bias(graph, biased[pair], bias, ranks.get(pair[0], 0), activations)
        graph.node.append(node)
    if half:
        norms_in_half(made, {layer.activation for layer in wanted.values()})
        raise_opset(made, GPU_OPSET)
    drop_unused(made)
    return made


def int8_weights(model: onnx.ModelProto) -> list[str]:
    """The names of the int8 weights of a model."""
    from onnx import TensorProto

    return [t.name for t in model.graph.initializer if t.data_type == TensorProto.INT8 and len(t.dims) > 1]


def _activation(graph: onnx.GraphProto, name: str, scale: np.ndarray, zero: np.ndarray) -> str:
    parameters = [_constant(graph, f"{name}/scale", scale), _constant(graph, f"{name}/zero_point", zero)]
    _node(graph, "QuantizeLinear", [name, *parameters], f"{name}/quantised")
    return _node(graph, "DequantizeLinear", [f"{name}/quantised", *parameters], f"{name}/dequantised")


def _weight(graph: onnx.GraphProto, layer: Layer, weight: np.ndarray, scale: np.ndarray) -> str:
    name = f"{layer.name}.weight"
    inputs = [
        _constant(graph, f"{name}/int8", weight),
        _constant(graph, f"{name}/scale", scale),
        _constant(graph, f"{name}/zero_point", np.zeros(scale.shape, np.int8)),
    ]
    return _node(graph, "DequantizeLinear", inputs, f"{name}/dequantised", axis=layer.axis)


def _bias(graph: onnx.GraphProto, layer: Layer, bias: np.ndarray, rank: int, activations: str) -> str:
    """The bias in the form that leaves its MatMul in INT8.

    With [1, 1, N] there is no Gemm to be made, and TensorRT does not mind. As int32 in the product's own
    scale it is part of an INT8 Gemm, which saves a pass over the output; TensorRT takes no int32 there.
    """
    name = f"{layer.name}.bias"
    parts = {t.name: t for t in graph.initializer}
    scales = [_array(parts[f"{of}/scale"]) for of in (layer.activation, f"{layer.name}.weight")]
    scale = (scales[0].astype(np.float64) * scales[1]).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = np.rint(bias / scale.astype(np.float64))
    # A channel of hardly any weight has so small a scale that its bias, and the sum it is added to, are more
    # than int32 holds.
    if activations == "symmetric" or not (np.abs(whole) < 2**30).all():
        # Where nobody says what rank the output has, an axis too many would change it.
        return _constant(graph, f"{name}/wide", bias.reshape((1,) * max(0, rank - bias.ndim) + bias.shape))
    inputs = [
        _constant(graph, f"{name}/int32", whole.astype(np.int32)),
        _constant(graph, f"{name}/scale", scale),
        _constant(graph, f"{name}/zero_point", np.zeros(whole.shape, np.int32)),
    ]
    return _node(graph, "DequantizeLinear", inputs, f"{name}/dequantised", axis=0)


def _array(tensor: onnx.TensorProto) -> np.ndarray:
    from onnx import numpy_helper

    return numpy_helper.to_array(tensor)


def _node(graph: onnx.GraphProto, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
    from onnx import helper

    graph.node.append(helper.make_node(op, inputs, [output], name=f"{output}/{op}", **attributes))
    return output


def _constant(graph: onnx.GraphProto, name: str, value: np.ndarray) -> str:
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
    return name
