"""Counting layers: in ONNX Runtime's optimised graph, in a parsed network, in what the inspector says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tosa_edge.engine.layers import of_optimised_graph
from tosa_edge.engine.tensorrt_layers import of_inspector, of_manifest


def model(*nodes, weights=(), inputs=("x",)):
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 4]) for name in inputs]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 4])]
    return helper.make_model(helper.make_graph(list(nodes), "g", made, out, list(weights)))


def weight(dtype, name="w"):
    return numpy_helper.from_array(np.zeros((4, 4), dtype), name)


def node(op, inputs, output, domain="", **attributes):
    return helper.make_node(op, inputs, [output], domain=domain, **attributes)


def test_precisions_of_what_multiplies():
    found = of_optimised_graph(
        model(
            node("MatMul", ["x", "w"], "a"),
            # Of a fused kernel's output nobody states the type.
            node("FusedMatMul", ["a", "a"], "b", "com.microsoft"),
            node("Cast", ["b"], "half", to=TensorProto.FLOAT16),
            node("Relu", ["half"], "still"),
            node("Gemm", ["still", "still"], "c"),
            node("MatMulIntegerToFloat", ["q", "i8", "s", "s"], "y", "com.microsoft"),
            weights=[weight(np.float32), weight(np.int8, "i8")],
        )
    )
    assert found.precisions == {"fp32": 2, "fp16": 1, "int8": 1}
    assert (found.total, found.int8_weights) == (6, 1)
    assert found.kinds["com.microsoft.FusedMatMul"] == 1


def test_what_was_fused_and_what_was_left():
    found = of_optimised_graph(
        model(
            node("Softmax", ["x"], "a"),
            node("MultiHeadAttention", ["a"], "b", "com.microsoft"),
            node("Gelu", ["b"], "c", "com.microsoft"),
            node("Erf", ["c"], "d"),
            node("SkipLayerNormalization", ["d"], "e", "com.microsoft"),
            node("Sqrt", ["e"], "y"),
        )
    )
    assert {f.what: (f.fused, f.of) for f in found.fusions} == {
        "attention": (1, 2),
        "GELU": (1, 2),
        "LayerNorm": (1, 2),
    }


def test_what_the_builder_wrote_down():
    settings = {
        "tf32": False,
        "network.layers": 90,
        "network.plugins": 2,
        "network.matrix_multiply.int8": 48,
        "network.matrix_multiply.fp32": 3,
        "network.convolution.fp32": 1,
        "network.softmax.fp32": 12,
    }
    found = of_manifest(settings)
    assert (found.total, found.plugins) == (90, 2)
    assert found.precisions == {"int8": 48, "fp32": 4}
    assert next(iter(found.kinds)) == "matrix_multiply int8"
    assert of_manifest({"tf32": False}).note.startswith("its manifest holds no layers")


DETAILED = {
    "Layers": [
        {
            "Name": "Reformatting CopyNode for Input Tensor 0",
            "LayerType": "Reformat",
            "Outputs": [
                {"Name": "a", "Dimensions": [1, 433, 384], "Format/Datatype": "Row major linear FP16 format"}
            ],
            "Metadata": "",
        },
        {
            "Name": "__myl_Fc_myl0_1",
            "LayerType": "gemm",
            "Outputs": [{"Name": "b", "Format/Datatype": "Int8"}],
            "TacticName": "sm80_xmma_gemm_i8i8_i8i32_f32",
            "Metadata": "[ONNX Layer: node_q]\x1e[ONNX Layer: node_dq]\x1e[ONNX Layer: node_MatMul_34]",
        },
        {
            "Name": "_gemm_mha_v2_myl0_2",
            "LayerType": "kgen",
            "Outputs": [{"Name": "c", "Format": "Row major linear FP32"}],
            "TacticName": "_gemm_mha_v2_0x5f",
            "Metadata": "[ONNX Layer: node_Softmax_9]\x1e[ONNX Layer: node_MatMul_40]",
        },
        {"Name": "gather", "LayerType": "PluginV3", "Outputs": [], "Metadata": "[ONNX Layer: gather]"},
    ],
    "Bindings": ["image", "depth"],
}


def test_what_the_inspector_says():
    found = of_inspector(json.dumps(DETAILED))
    assert (found.total, found.plugins) == (4, 1)
    assert found.precisions == {"fp16": 1, "int8": 1, "fp32": 1}
    assert {f.what: f.fused for f in found.fusions} == {"layers made of several": 2, "attention": 1}
    names = of_inspector('{"Layers": ["conv1 + relu1", "fc"], "Bindings": []}')
    assert (names.total, names.fusions[0].fused) == (2, 1)
    assert "without details" in names.note


@pytest.mark.parametrize("text", ["", "[]", '{"Layers": {}}', "null"])
def test_an_inspector_that_says_nothing(text):
    with pytest.raises(ValueError, match=r"."):
        of_inspector(text)
