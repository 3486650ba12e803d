"""Engine names: the grammar, both ways."""

from pathlib import Path

import pytest

from tosa_edge.engine.names import EngineName, manifest_path, parse_name

NAMES = {
    "tosa_depth_s-g1-252x336-b1.fp32.onnxruntime.onnx": EngineName(
        "tosa_depth_s", "g1", 252, 336, 1, "fp32", "onnxruntime"
    ),
    "tosa_depth_s-g3.reuse-252x336-b4.fp16.tensorrt.sm87.engine": EngineName(
        "tosa_depth_s", "g3.reuse", 252, 336, 4, "fp16", "tensorrt", (87,)
    ),
    "m-dense-14x14-b1.int8.tensorrt-rtx.sm86.sm120.engine": EngineName(
        "m", "dense", 14, 14, 1, "int8", "tensorrt-rtx", (86, 120)
    ),
    "m-g1-252x336-b1.fp16.onnxruntime.rtx.onnx": EngineName(
        "m", "g1", 252, 336, 1, "fp16", "onnxruntime", (), "rtx"
    ),
    # The name of a model may hold what separates the parts.
    "my-robot.v2-g1-x-g1-28x42-b1.fp32.tensorrt-rtx.engine": EngineName(
        "my-robot.v2-g1-x", "g1", 28, 42, 1, "fp32", "tensorrt-rtx"
    ),
}


@pytest.mark.parametrize("text", NAMES)
def test_there_and_back(text):
    assert parse_name(text) == NAMES[text]
    assert str(NAMES[text]) == text


@pytest.mark.parametrize(
    "text",
    [
        "g1.onnx",
        "g1.fp16.onnx",
        "-g1-252x336-b1.fp32.onnxruntime.onnx",
        "m-g0-252x336-b1.fp32.onnxruntime.onnx",
        "m-g1-252x336-b0.fp32.onnxruntime.onnx",
        "m-g1-252x336-b1.fp8.onnxruntime.onnx",
        "m-g1-252x336-b1.fp32.cuda.engine",
        "m-g1-252x336-b1.fp32.onnxruntime.engine",  # ONNX Runtime's are ONNX
        "m-g1-252x336-b1.fp32.tensorrt.onnx",
        "m-g1-252x336-b1.fp32.tensorrt.sm87.engine.json",
        "m-g1-252x336-b1.fp32.tensorrt.cuda.engine",
        "m-g1-252x336-b1.fp32.onnxruntime.cpu.onnx",
    ],
)
def test_other_names_are_not_engines(text):
    assert parse_name(text) is None


def test_a_manifest_lies_beside_its_engine():
    assert manifest_path(Path("a/x.engine")) == Path("a/x.engine.json")
