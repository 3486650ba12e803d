"""What keeps TensorRT from fusing attention: the remedy where its fused kernels are wrong (docs/jetson.md).

A plan of TensorRT-RTX holds the names of the kernels it was made of; nothing has to be run to read them.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.helper import make_node

from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.engine import TENSORRT_RTX
from tosa_edge.engine.tensorrt_builder import build_serialized_engine
from tosa_edge.find_model import ASSETS
from tosa_edge.graph import LoadedGraph, read_graph

trt = pytest.importorskip("tensorrt_rtx")


def transposed(node):
    """Softmax over the rows of the transposed scores."""
    (x,), (y,), there_and_back = node.input, node.output, {"perm": [0, 1, 3, 2]}
    return [
        make_node("Transpose", [x], [f"{y}/columns"], **there_and_back),
        make_node("Softmax", [f"{y}/columns"], [f"{y}/weights"], axis=-2),
        make_node("Transpose", [f"{y}/weights"], [y], **there_and_back),
    ]


def by_logarithms(node):
    (x,), (y,) = node.input, node.output
    return [make_node("LogSoftmax", [x], [f"{y}/log"], axis=-1), make_node("Exp", [f"{y}/log"], [y])]


def rewritten(graph: LoadedGraph, way) -> LoadedGraph:
    proto = onnx.ModelProto()
    proto.CopyFrom(graph.proto)
    nodes = [[node] if node.op_type != "Softmax" else way(node) for node in graph.proto.graph.node]
    del proto.graph.node[:]
    for some in nodes:
        proto.graph.node.extend(some)
    return LoadedGraph(proto, graph.info, graph.label)


@pytest.mark.slow
def test_scores_that_are_transposed_are_not_fused():
    """To the bit the same numbers. A softmax that is only written otherwise is fused all the same."""
    graph = read_graph(ASSETS / "tosa_depth_t" / "dense.fp16.onnx")
    ways = {"as it is": lambda node: [node], "logarithms": by_logarithms, "transposed": transposed}
    graphs = {name: rewritten(graph, way) for name, way in ways.items()}
    fused = {
        name: b"_gemm_mha" in build_serialized_engine(trt, TENSORRT_RTX, one).data
        for name, one in graphs.items()
    }
    assert fused == {"as it is": True, "logarithms": True, "transposed": False}
    picture = np.random.default_rng(0).integers(0, 256, (1, 252, 336, 3), np.uint8)
    depths = []
    for name in ("as it is", "transposed"):
        with OnnxRuntimeBackend(graphs[name], threads=1) as backend:
            depths.append(backend.infer({"image": picture})["depth"])
    np.testing.assert_array_equal(*depths)
