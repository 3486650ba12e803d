"""The bundled graphs through a real TensorRT builder: TensorRT-RTX, which builds without a GPU.

What its parser refuses, TensorRT refuses too (a transposed uint8, say); nothing is run here.
"""

import pytest
import tensorrt_rtx as trt

from tosa_edge.model import ASSETS, WEIGHTS, bundled_models, load_graph

GRAPHS = {name: sorted(p.stem for p in (ASSETS / name).glob("*.onnx")) for name in bundled_models()}


@pytest.mark.parametrize("model", GRAPHS)
def test_a_model_has_all_its_graphs(model):
    selective = [
        f"{g}{reuse}{half}" for g in ("g1", "g3") for reuse in ("", ".reuse") for half in ("", ".fp16")
    ]
    assert sorted([*selective, "dense", "dense.fp16"]) == GRAPHS[model]


@pytest.mark.parametrize(("model", "name"), [(m, g) for m, graphs in GRAPHS.items() for g in graphs])
def test_tensorrt_builds_the_portable_graph(model, name):
    builder = trt.Builder(trt.Logger(trt.Logger.INTERNAL_ERROR))
    strongly_typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(strongly_typed)
    parser = trt.OnnxParser(network, trt.Logger(trt.Logger.INTERNAL_ERROR))
    graph = load_graph(f"{model}:{name}")
    parsed = parser.parse(graph.bytes())
    assert parsed, [parser.get_error(i).desc() for i in range(parser.num_errors)]
    layers = [network.get_layer(i).type for i in range(network.num_layers)]
    assert not [kind for kind in layers if "PLUGIN" in str(kind)]  # the portable form needs none
    inputs = {network.get_input(i).name: tuple(network.get_input(i).shape) for i in range(network.num_inputs)}
    expected = {"image": (1, graph.info.height, graph.info.width, 3)}
    if graph.info.form == "reuse":
        expected["kept"] = (1, len(graph.info.selections), graph.info.kept)
    assert inputs == expected
    engine = builder.build_serialized_network(network, builder.create_builder_config())
    assert engine is not None
    # The weights are in it, in the precision that was asked for.
    half_precision = (ASSETS / model / WEIGHTS).stat().st_size
    assert engine.nbytes > 0.95 * half_precision * (1 if graph.info.precision == "fp16" else 2)
