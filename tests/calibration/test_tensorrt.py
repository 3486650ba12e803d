"""The symmetric form through a real TensorRT builder, which says no to the unsigned one."""

import pytest
import tensorrt_rtx as trt

from tests.calibration.make import LAYERS, ranges_of, tiny_graph
from tosa_edge.calibration.placement import find_layers, for_form
from tosa_edge.calibration.qdq import insert_qdq


def parse(model):
    builder = trt.Builder(trt.Logger(trt.Logger.INTERNAL_ERROR))
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, trt.Logger(trt.Logger.INTERNAL_ERROR))
    good = parser.parse(model.SerializeToString())
    return builder, network, good, [parser.get_error(i).desc() for i in range(parser.num_errors)]


def built(model):
    builder, network, good, errors = parse(model)
    assert good, errors
    kinds = [str(network.get_layer(i).type) for i in range(network.num_layers)]
    engine = builder.build_serialized_network(network, builder.create_builder_config())
    assert engine is not None
    return kinds, engine


@pytest.mark.parametrize(
    "options",
    [
        {"form": "reuse"},
        {"dense": True},
        {"precision": "fp16"},
        *(pytest.param(options, marks=pytest.mark.slow) for options in ({}, {"batch": 2})),
    ],
)
def test_the_symmetric_form_builds(options):
    graph = tiny_graph(**options)
    layers = for_form(find_layers(graph.proto), "symmetric", graph.info.precision == "fp16")
    made = insert_qdq(graph.proto, layers, ranges_of(graph), "symmetric")
    kinds, _ = built(made)
    assert len(layers) == len(LAYERS) - (graph.info.precision == "fp16")
    assert sum("QUANTIZE" in k and "DE" not in k for k in kinds) == len(layers)
    assert sum("DEQUANTIZE" in k for k in kinds) == 2 * len(layers)
    assert not [k for k in kinds if "PLUGIN" in k]


def test_the_unsigned_form_does_not(graph):
    made = insert_qdq(graph.proto, find_layers(graph.proto), ranges_of(graph), "unsigned")
    _, _, good, errors = parse(made)
    assert not good
    assert "zero point" in errors[0]
