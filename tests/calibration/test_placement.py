import pytest
from onnx import numpy_helper

from tests import tiny
from tests.calibration.make import LAYERS, tiny_graph
from tosa_edge.calibration.constants import Constants, drop_unused
from tosa_edge.calibration.placement import find_layers, for_form, in_groups
from tosa_edge.engine.load import load_graph


@pytest.mark.parametrize(
    "options", [{}, {"dense": True}, {"form": "reuse"}, pytest.param({"batch": 2}, marks=pytest.mark.slow)]
)
def test_the_five_kinds_and_nothing_else(options):
    layers = find_layers(tiny_graph(**options).proto)
    assert [layer.name for layer in layers] == LAYERS
    assert {layer.kind for layer in layers} == {"patch embedding", "qkv", "proj", "fc1", "fc2"}


def test_the_bundled_model():
    layers = find_layers(load_graph("tosa_depth_s:g3").proto)
    assert len(layers) == 1 + 4 * 12
    groups = in_groups(layers)
    assert {len(groups[f"block {i}"]) for i in range(12)} == {4}
    assert {len(groups[kind]) for kind in ("qkv", "proj", "fc1", "fc2")} == {12}


def test_a_weight_that_lost_its_name_is_known_by_its_bias():
    """A checkpoint in float32 shares nothing with the half-precision file: its weights are in the graph."""
    model = tiny_graph().proto
    constants = Constants(model)
    for number, layer in enumerate(find_layers(model)):
        if layer.kind != "patch embedding":
            model.graph.initializer.append(
                numpy_helper.from_array(constants.value(layer.weight).copy(), f"anonymous_{number}")
            )
            for node in model.graph.node:
                node.input[:] = [
                    f"anonymous_{number}" if name == layer.weight else name for name in node.input
                ]
    drop_unused(model)
    assert [layer.name for layer in find_layers(model)] == LAYERS


def test_weights_are_seen_through_cast_and_transpose(graph):
    constants = Constants(graph.proto)
    layer = find_layers(graph.proto)[1]
    assert constants.source(layer.weight) == f"weights.safetensors/{layer.name}.weight"
    assert constants.value(layer.weight).shape == (32, 96)
    assert constants.value(layer.weight).dtype == "float32"
    assert constants.source(layer.activation) is None
    assert constants.value(layer.bias).shape == (96,)


def test_the_forms_that_leave_the_patch_embedding(graph):
    layers = find_layers(graph.proto)
    assert for_form(layers, "symmetric") == layers
    assert for_form(layers, "unsigned") == layers[1:]
    assert for_form(layers, "symmetric", half=True) == layers[1:]


def test_a_model_without_such_layers_has_none():
    assert find_layers(tiny.model()) == []
