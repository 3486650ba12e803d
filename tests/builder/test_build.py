"""Building: names, precisions, reuse of what is there, and what is refused."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests import tiny
from tests.builders import BACKENDS, needs_rtx
from tests.media import left_behind
from tosa_edge import __version__
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.bench.variant_graph import feeds_for
from tosa_edge.builder.build import build
from tosa_edge.builder.steps import Steps
from tosa_edge.engine.load import check_engine, load_graph
from tosa_edge.engine.names import parse_name
from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import ASSETS


def quantised() -> onnx.ModelProto:
    """The tiny model with its mean through int8: 8 steps of brightness, so one needs to look twice."""
    made = tiny.model(tiny.info(precision="int8"))
    constants = [("scale", np.array(2, np.float32)), ("zero", np.array(0, np.int8))]
    made.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants)
    nodes = [
        helper.make_node("QuantizeLinear", ["mean", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"]),
    ]
    for node in reversed(nodes):
        made.graph.node.insert(2, node)
    made.graph.node[4].input[0] = "dq"
    return made


@pytest.fixture
def model(tmp_path):
    return tiny.save(tmp_path / "m.onnx", tiny.selective_info())


def test_what_is_said_of_an_engine_is_so(tmp_path, model):
    built = build(str(model), backend="onnxruntime", out=tmp_path / "new" / "engines")
    assert left_behind(tmp_path / "new" / "engines") == [
        "m-g1-28x42-b1.fp32.onnxruntime.onnx",
        "m-g1-28x42-b1.fp32.onnxruntime.onnx.json",
    ]
    manifest, data = check_engine(built.engine)
    assert (built.bytes, built.reused, built.validation) == (len(data), False, "passed")
    assert [(p.name, p.dtype, p.shape) for p in manifest.outputs] == [
        ("depth", "float32", (1, tiny.HEIGHT, tiny.WIDTH)),
        ("kept", "int32", (1, 2, tiny.KEPT)),
    ]
    assert (manifest.source, manifest.model, manifest.tosa_edge) == (str(model), "m", __version__)
    assert manifest.host.cpu_features is not None
    assert manifest.plugin is None
    assert json.loads(built.manifest.read_text())["validation"]["result"] == "passed"


def test_what_is_there_is_not_built_again(tmp_path, model):
    first = build(str(model), backend="onnxruntime", out=tmp_path)
    before = first.engine.stat().st_mtime_ns
    again = build(str(model), backend="onnxruntime", out=tmp_path)
    assert (again.reused, first.engine.stat().st_mtime_ns) == (True, before)


@pytest.mark.parametrize("why", ["model", "engine", "manifest"])
def test_what_is_stale_or_damaged_is_built_again(tmp_path, model, why):
    first = build(str(model), backend="onnxruntime", out=tmp_path / "e")
    if why == "model":
        tiny.save(model, tiny.selective_info(keep=0.34))
    elif why == "engine":
        first.engine.write_bytes(first.engine.read_bytes()[:-1])
    else:
        first.manifest.write_text("{}")
    assert not build(str(model), backend="onnxruntime", out=tmp_path / "e").reused
    check_engine(first.engine)


def test_precision_chooses_the_file(tmp_path, model):
    tiny.save(tmp_path / "m.fp16.onnx", tiny.selective_info(precision="fp16", keep=0.3))
    built = build(str(model), "fp16", "onnxruntime", out=tmp_path / "e")
    assert parse_name(built.engine.name).precision == "fp16"
    assert check_engine(built.engine)[0].keep == 0.3
    assert any("no faster" in note for note in built.notes)
    # From either of the two names to either precision.
    back = build(str(tmp_path / "m.fp16.onnx"), "fp32", "onnxruntime", out=tmp_path / "e")
    assert back.engine.name == "m-g1-28x42-b1.fp32.onnxruntime.onnx"
    assert build(str(tmp_path / "m.fp16.onnx"), None, "onnxruntime", out=tmp_path / "e").reused


def test_a_folder_names_its_variants(tmp_path):
    folder = tmp_path / "robot"
    folder.mkdir()
    (folder / "weights.safetensors").touch()
    tiny.save(folder / "g3.reuse.onnx", tiny.selective_info(form="reuse", group=3))
    built = build(f"{folder}:g3.reuse", backend="onnxruntime", out=tmp_path)
    assert built.engine.name == "robot-g3.reuse-28x42-b1.fp32.onnxruntime.onnx"
    assert [p.name for p in check_engine(built.engine)[0].inputs] == ["image", "kept"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_quantised_model_is_int8_whatever_its_metadata_say(tmp_path, backend):
    onnx.save(quantised(), tmp_path / "q.onnx")
    built = build(str(tmp_path / "q.onnx"), backend=backend, out=tmp_path)
    assert built.precision == "int8"
    said = [note for note in built.notes if "computes no layer of it in int8" in note]
    assert len(said) == (backend == "onnxruntime")  # there is no layer in it that could


def test_int8_is_not_made_fp16(tmp_path):
    onnx.save(quantised(), tmp_path / "q.onnx")
    with pytest.raises(TosaEdgeError, match="q is int8, and there is no fp16 graph beside it"):
        build(str(tmp_path / "q.onnx"), "fp16", "onnxruntime", out=tmp_path)


def test_int8_from_pictures(tmp_path):
    """With a stand-in for calibration, which has its own tests."""
    asked = []

    def calibrate(graph, data, settings, on_step):
        on_step("measuring ranges", 1, 1)
        asked.append((graph.label, data))
        return SimpleNamespace(model=quantised(), refused=["a.jpg is damaged"])

    tiny.save(tmp_path / "m.onnx")
    pictures = tmp_path / "pictures"
    words, steps = (str(tmp_path / "m.onnx"), "int8", "onnxruntime", pictures), Steps(calibrate=calibrate)
    built = build(*words, out=tmp_path / "e", steps=steps)
    manifest, _ = check_engine(built.engine)
    assert asked == [("m", pictures)]
    assert built.refused == ("a.jpg is damaged",)
    assert (manifest.precision, manifest.pictures) == ("int8", str(pictures))
    assert len(manifest.calibration) == 64
    assert build(*words, out=tmp_path / "e", steps=steps).reused


@pytest.mark.parametrize(
    ("arguments", "what", "remedy"),
    [
        ({"precision": "int8"}, "int8 needs pictures", "--calib PATH"),
        ({"precision": "fp16"}, "m is fp32, and there is no fp16 graph beside it", "tosa-edge export CKPT"),
        ({"precision": "fp8"}, "there is no precision 'fp8'", "fp32, fp16, int8"),
        ({"backend": "cuda"}, "there is no backend 'cuda'", "onnxruntime"),
        ({"targets": (86,)}, "--target is for tensorrt-rtx", "--backend tensorrt-rtx"),
        pytest.param(
            *(
                {"backend": "tensorrt-rtx", "targets": (87,)},
                "does not build for compute capability 87",
                "86",
            ),
            marks=needs_rtx,
        ),
        ({"out": "x.engine"}, "an engine for onnxruntime ends in .onnx", "x.onnx"),
    ],
)
def test_what_cannot_be_built(tmp_path, model, arguments, what, remedy):
    given = {"backend": "onnxruntime", "out": "e", **arguments}
    given["out"] = tmp_path / given["out"]
    with pytest.raises(TosaEdgeError) as error:
        build(str(model), **given)
    assert what in error.value.what
    assert remedy in error.value.remedy
    assert left_behind(tmp_path) == ["m.onnx"]


@pytest.fixture
def unsigned(tmp_path):
    made = quantised()
    zero = next(t for t in made.graph.initializer if t.name == "zero")
    zero.CopyFrom(numpy_helper.from_array(np.array(0, np.uint8), "zero"))
    onnx.save(made, tmp_path / "q.onnx")
    return str(tmp_path / "q.onnx")


def test_the_cpu_takes_unsigned_activations(tmp_path, unsigned):
    assert build(unsigned, backend="onnxruntime", out=tmp_path).precision == "int8"


@needs_rtx
def test_a_gpu_takes_no_unsigned_activations(tmp_path, unsigned):
    with pytest.raises(TosaEdgeError, match="q has unsigned activations, which TensorRT-RTX does not take"):
        build(unsigned, backend="tensorrt-rtx", out=tmp_path)


def test_pictures_have_no_use_at_another_precision(tmp_path, model):
    with pytest.raises(TosaEdgeError, match="--calib has no use at fp32"):
        build(str(model), pictures=tmp_path, out=tmp_path)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_plugin_form_is_refused(tmp_path, backend):
    bodiless = tiny.model(tiny.selective_info(form="plugin"))
    bodiless.graph.node.append(helper.make_node("TokenGather", ["depth"], ["x"], domain="tosa"))
    bodiless.opset_import.append(helper.make_opsetid("tosa", 1))
    onnx.save(bodiless, tmp_path / "p.onnx")
    with pytest.raises(TosaEdgeError, match="is in plugin form"):
        build(str(tmp_path / "p.onnx"), backend=backend, out=tmp_path)


def test_an_engine_is_refused(tmp_path, model):
    engine = build(str(model), backend="onnxruntime", out=tmp_path).engine
    with pytest.raises(TosaEdgeError, match="is an engine already"):
        build(str(engine), backend="onnxruntime", out=tmp_path)


def test_an_engine_under_another_name_is_one_still(tmp_path, model):
    engine = build(str(model), backend="onnxruntime", out=tmp_path / "e").engine
    renamed = engine.rename(tmp_path / "model.onnx")
    with pytest.raises(TosaEdgeError, match=r"model\.onnx is an engine already"):
        build(str(renamed), backend="onnxruntime", out=tmp_path / "f")


def test_a_name_that_cannot_be_printed(tmp_path, model):
    strange = tmp_path / "a\nb.onnx"
    shutil.copy(model, strange)
    with pytest.raises(TosaEdgeError, match="cannot be described in a manifest"):
        build(str(strange), backend="onnxruntime", out=tmp_path / "e")
    assert not (tmp_path / "e").exists()


def test_a_bundled_graph_computes_the_same_as_an_engine(tmp_path):
    """Bit for bit: the engine is the very graph that a session makes of the model."""
    model = sorted(p.parent.name for p in ASSETS.glob("*/weights.safetensors"))[0]
    built = build(f"{model}:g3", backend="onnxruntime", out=tmp_path, validate=False)
    outputs = []
    for spec in (f"{model}:g3", str(built.engine)):
        graph = load_graph(spec)
        assert not graph.proto.functions or spec != str(built.engine)  # inlined
        with OnnxRuntimeBackend(graph, threads=1) as backend:
            outputs.append(backend.infer(feeds_for(graph.info)))
    np.testing.assert_array_equal(outputs[0]["kept"], outputs[1]["kept"])
    np.testing.assert_array_equal(outputs[0]["depth"], outputs[1]["depth"])
