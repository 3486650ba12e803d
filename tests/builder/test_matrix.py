"""Every bundled graph at every precision, built for every backend that builds without a GPU.

One build answers all questions about an engine: it takes seconds, and there are many of them. `make test`
builds one graph of each model, `make test-slow` all.
"""

from __future__ import annotations

import hashlib
import json
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from tests.calibration.test_gpu_form import faults
from tests.media import left_behind
from tosa_edge.builder.build import build
from tosa_edge.builder.steps import Steps
from tosa_edge.calibration import calibrate
from tosa_edge.calibration.qdq import int8_weights
from tosa_edge.cli import app
from tosa_edge.engine import ONNXRUNTIME, PRECISIONS, TENSORRT_RTX
from tosa_edge.engine.inspection import describe_engine
from tosa_edge.engine.load import check_engine, load_graph
from tosa_edge.engine.tensorrt_builder import build_serialized_engine
from tosa_edge.export.names import ambiguous_names
from tosa_edge.find_model import ASSETS, WEIGHTS, bundled_models

tensorrt_rtx = pytest.importorskip("tensorrt_rtx")

VARIANTS = ("dense", "g1", "g1.reuse", "g3", "g3.reuse")
MODELS = bundled_models()
OTHERS = {"tosa_depth_s": ("fast", "faster", "168x224", "126x168"), "tosa_depth_t": ("168x224",)}
QUICK = {(MODELS[-1], "g3", precision) for precision in PRECISIONS}
BUILDS = [
    pytest.param(*build, marks=[] if build in QUICK else pytest.mark.slow)
    for model in MODELS
    for build in product([model], (*VARIANTS, *OTHERS[model]), PRECISIONS)
]
_BESIDE_WEIGHTS = 13e6  # bytes of an engine: kernels, positions, the graph


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Ranges are measured once for each graph; the other backend finds them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """A frame of each of the clip's rooms: too few to go by, enough to build from."""
    import cv2

    folder = tmp_path_factory.mktemp("pictures")
    capture = cv2.VideoCapture(str(ASSETS / "clip.webm"))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    for number, index in enumerate(np.linspace(0, len(frames) - 1, 3).astype(int)):
        cv2.imwrite(str(folder / f"{number}.png"), frames[index])
    return folder


def keeping(made: list[onnx.ModelProto]) -> Steps:
    """The usual steps; `made` gets the INT8 graphs that they make on their way."""

    def seen(*arguments, **keywords):
        calibrated = calibrate(*arguments, **keywords)
        made.append(calibrated.model)
        return calibrated

    return Steps(calibrate=seen)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_has_all_its_graphs(model):
    found = {p.stem for p in (ASSETS / model).glob("*.onnx")}
    assert found == {f"{name}{half}" for name in (*VARIANTS, *OTHERS[model]) for half in ("", ".fp16")}


@pytest.mark.parametrize("backend", [ONNXRUNTIME, TENSORRT_RTX])
@pytest.mark.parametrize(("model", "variant", "precision"), BUILDS)
def test_builds(tmp_path, pictures, model, backend, variant, precision):
    spec = f"{model}:{variant}"
    calib = pictures if precision == "int8" else None
    quantised: list[onnx.ModelProto] = []
    steps = keeping(quantised)
    built = build(spec, precision, backend, calib, out=tmp_path, validate=False, steps=steps)
    try:
        check(built, model, variant, pictures)
        if precision == "int8":
            check_int8(quantised, spec, built)
        else:
            assert not quantised
    finally:
        built.engine.unlink()  # pytest keeps folders, and these are 2 GB in all


def check(built, model: str, variant: str, pictures: Path) -> None:
    manifest, data = check_engine(built.engine, to_run=False)
    info = load_graph(f"{model}:{variant}").info
    kind = "dense" if info.dense else variant
    assert built.engine.name.startswith(f"{model}-{kind}-{info.height}x{info.width}-b1.{built.precision}.")
    assert (manifest.backend, manifest.precision, manifest.form) == (
        built.backend,
        built.precision,
        info.form,
    )
    assert (manifest.keep, manifest.query_stride, manifest.group) == (
        info.keep,
        info.query_stride,
        info.group,
    )
    size, chosen = (1, info.height, info.width), (1, len(info.selections), info.kept)
    kept = [("kept", "int32", chosen)]
    inputs = [("image", "uint8", (*size, 3)), *(kept if info.form == "reuse" else [])]
    rows = ("represented_by", "int32", (1, sum(len(way.starts) for way in info.ways), info.tokens))
    beside = [rows] if info.ways else kept if info.selects and info.form != "reuse" else []
    outputs = [("depth", "float32", size), *beside]
    assert [(p.name, p.dtype, p.shape) for p in manifest.inputs] == inputs
    assert [(p.name, p.dtype, p.shape) for p in manifest.outputs] == outputs
    assert manifest.pictures == (str(pictures) if built.precision == "int8" else None)
    assert manifest.plugin is None

    facts, _ = describe_engine(built.engine)
    layers = facts["layers"]
    assert layers["plugins"] == 0  # the portable forms need none
    if built.backend == ONNXRUNTIME:
        fused = {fusion["what"]: (fusion["fused"], fusion["of"]) for fusion in layers["fusions"]}
        assert fused["LayerNorm"][0] == fused["LayerNorm"][1] > 0
    else:
        check_layers(layers["kinds"], manifest, info)
        half = (ASSETS / model / WEIGHTS).stat().st_size
        whole = {"fp32": 2.0, "fp16": 1.0, "int8": 0.5}[built.precision]
        assert len(data) > 0.95 * whole * half
        in_float = 0.1 * half if built.precision == "int8" else 0
        assert len(data) < whole * half + in_float + _BESIDE_WEIGHTS
    if (built.backend, built.precision) != (ONNXRUNTIME, "fp16"):  # most CPUs compute float16 in float32
        assert built.precision in layers["precisions"]


def check_layers(kinds: dict[str, int], manifest, info) -> None:
    """Rounding of float16 stays out of what decides: statistics, softmax, the choice of tokens."""
    layers = config_of(info.name)["layers"]
    assert kinds["normalization fp32"] > 0
    assert not {"softmax fp16", "topk fp16"} & set(kinds)
    # INT8's own norms take and give half, their statistics float32 by the operator's definition.
    assert kinds.get("normalization fp16", 0) == (2 * layers if manifest.precision == "int8" else 0)
    # In half each attention is one layer unless rows have sizes; softmax is left where tokens are chosen.
    fused = manifest.precision == "fp16" and not info.ways
    assert kinds.get("attention fp16", 0) == (layers if fused else 0)
    choosing = 0 if info.form == "reuse" else len(info.selections)
    assert kinds.get("softmax fp32", 0) == choosing + (0 if fused else layers)
    how = manifest.settings.get("attention")
    if info.ways and manifest.precision == "fp16":
        assert how.startswith("plain: the attention at ")  # whose scores have sizes added
    else:
        assert how == ("Attention" if fused else None)


def config_of(model: str) -> dict:
    return json.loads((ASSETS / model / "model.json").read_text())


@pytest.mark.parametrize(
    ("model", "variant"),
    [
        pytest.param(model, variant, marks=[] if (model, variant) == (MODELS[-1], "g3") else pytest.mark.slow)
        for model in MODELS
        for variant in VARIANTS
    ],
)
def test_the_plain_form_in_half_builds_too(model, variant):
    """For TensorRT before 10.14, and where attention cannot be fused."""
    graph = load_graph(f"{model}:{variant}.fp16")
    settings = build_serialized_engine(tensorrt_rtx, TENSORRT_RTX, graph).settings
    assert "network.attention.fp16" not in settings
    assert settings["network.softmax.fp32"] >= config_of(model)["layers"]


def check_int8(quantised: list[onnx.ModelProto], spec: str, built) -> None:
    """Of the graph that the engine was made of, which the manifest names by its digest."""
    (graph,) = quantised
    # qkv, proj, fc1, fc2 of each block; in the form for CPUs, the patch embedding.
    expected = 4 * config_of(spec.partition(":")[0])["layers"] + (built.backend == ONNXRUNTIME)
    assert len(int8_weights(graph)) == expected
    assert not ambiguous_names(graph)
    functions = [f"{f.domain}.{f.name}" for f in graph.functions]
    assert functions == [f"{f.domain}.{f.name}" for f in load_graph(spec).proto.functions]
    assert {f"{n.domain}.{n.op_type}" for n in graph.graph.node if n.domain} == set(functions)
    manifest = json.loads(built.manifest.read_text())
    assert manifest["calibration"] == hashlib.sha256(graph.SerializeToString()).hexdigest()
    settings = manifest["settings"]
    assert settings["int8_scales"] == ("float32" if built.backend == ONNXRUNTIME else "float16")
    if built.backend == ONNXRUNTIME:
        assert settings["integer_layers"] == expected - 1  # it has no INT8 for this convolution
    else:
        assert faults(graph) == set()
        counted = {k: v for k, v in settings.items() if ".quantize." in k or ".dequantize." in k}
        assert sum(v for k, v in counted.items() if ".quantize." in k) == expected
        assert sum(v for k, v in counted.items() if ".dequantize." in k) == 2 * expected
        assert sum(v for k, v in settings.items() if k.endswith(".int8") and "quantize" not in k) == expected
        # The rest is half: the patch embedding, attention's products and the depth head.
        found = describe_engine(built.engine)[0]["layers"]["precisions"]
        assert found["int8"] == expected
        assert found["fp16"] > found.get("fp32", 0)


def unknown_operator(graph: onnx.GraphProto) -> None:
    graph.node.append(helper.make_node("NoSuchOperator", ["depth"], ["x"], name="culprit"))


def transposed_bytes(graph: onnx.GraphProto) -> None:
    """ONNX Runtime takes it; TensorRT only casts bytes."""
    first = next(node for node in graph.node if "image" in node.input)
    first.input[0] = "turned"
    graph.node.insert(0, helper.make_node("Transpose", ["image"], ["turned"], name="culprit", perm=range(4)))


def half_times_single(graph: onnx.GraphProto) -> None:
    at, product = next((i, n) for i, n in enumerate(graph.node) if n.op_type == "MatMul")
    graph.node.insert(at, helper.make_node("Cast", [product.input[0]], ["half"], to=TensorProto.FLOAT16))
    product.input[0], product.name = "half", "culprit"


def shapes_that_do_not_meet(graph: onnx.GraphProto) -> None:
    product = next(node for node in graph.node if node.op_type == "MatMul")
    graph.initializer.append(numpy_helper.from_array(np.zeros((7, 7), np.float32), "wrong"))
    product.input[1], product.name = "wrong", "culprit"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (unknown_operator, "NoSuchOperator"),
        (transposed_bytes, "has type UInt8"),
        (half_times_single, "must have same input types"),
        (shapes_that_do_not_meet, "must match"),
    ],
)
def test_what_tensorrt_refuses_fails(tmp_path, spoil, sentence):
    """A bundled graph with one fault: exit 2, the parser's own sentence, and nothing left behind."""
    graph = load_graph(f"{MODELS[0]}:g3").proto
    spoil(graph.graph)
    (tmp_path / "m.onnx").write_bytes(graph.SerializeToString())
    words = ["build", str(tmp_path / "m.onnx"), "--backend", TENSORRT_RTX, "-o", str(tmp_path / "e")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2, result.output
    error, remedy = result.stderr.strip().splitlines()[-2:]
    assert "cannot take m" in error
    assert "culprit" in error
    assert sentence in error
    assert remedy.startswith("do: ")
    assert left_behind(tmp_path) == ["m.onnx"]
    (tmp_path / "m.onnx").unlink()
