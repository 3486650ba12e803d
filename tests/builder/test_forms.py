"""Which backend gets which form: a table, and what happens where the attention form cannot be built."""

import json
import shutil
from dataclasses import replace

import pytest

from tests.calibration.make import tiny_graph
from tosa_edge.builder.build import build
from tosa_edge.builder.steps import Steps
from tosa_edge.engine import ONNXRUNTIME, TENSORRT, TENSORRT_RTX
from tosa_edge.engine.build_source import find_source, rebuild_source
from tosa_edge.engine.forms import Form, form_for
from tosa_edge.engine.load import check_engine, load_graph
from tosa_edge.engine.manifest import FAILED, PASSED, Validation
from tosa_edge.engine.names import manifest_path
from tosa_edge.engine.tensorrt_builder import build_serialized_engine
from tosa_edge.errors import TosaEdgeError
from tosa_edge.export.attention_form import attentions, to_attention_form
from tosa_edge.validate.references import graph_of

PLAIN, HALF, FUSED = Form(False, False), Form(True, False), Form(True, True)


@pytest.mark.parametrize(
    ("backend", "version", "forms"),
    [
        (ONNXRUNTIME, "1.32.0", (PLAIN, HALF, PLAIN)),
        (TENSORRT, None, (PLAIN, HALF, HALF)),
        (TENSORRT, "10.3.0", (PLAIN, HALF, HALF)),
        (TENSORRT, "10.13.3.9", (PLAIN, HALF, HALF)),
        (TENSORRT, "10.14.1.48", (PLAIN, FUSED, HALF)),
        (TENSORRT, "11.0", (PLAIN, FUSED, HALF)),
        (TENSORRT, "unknown", (PLAIN, HALF, HALF)),
        (TENSORRT_RTX, "1.7.1.116", (PLAIN, FUSED, HALF)),
        (TENSORRT_RTX, "1.2.0.54", (PLAIN, HALF, HALF)),
    ],
)
def test_the_form_for_each_precision(backend, version, forms):
    assert tuple(form_for(backend, version, p) for p in ("fp32", "fp16", "int8")) == forms


@pytest.mark.parametrize(
    ("provider", "form"), [("cpu", PLAIN), ("cuda", HALF), ("tensorrt", HALF), ("rtx", HALF)]
)
def test_int8_of_onnx_runtime_is_for_what_computes_it(provider, form):
    assert form_for(ONNXRUNTIME, "1.32.0", "int8", provider) == form


@pytest.fixture
def model(tmp_path):
    """A tiny selective model in half, and its file in the attention form beside it."""
    graph = tiny_graph(precision="fp16")
    (tmp_path / "m.fp16.onnx").write_bytes(graph.bytes())
    (tmp_path / "m.fp16.attn.onnx").write_bytes(to_attention_form(graph.proto).SerializeToString())
    return tmp_path / "m.fp16.onnx"


def make(model, **settings):
    pytest.importorskip("tensorrt_rtx")
    return build(str(model), "fp16", TENSORRT_RTX, out=model.parent / "e", validate=False, **settings)


def test_rtx_gets_the_attention_form(model):
    built = make(model)
    manifest, _ = check_engine(built.engine, to_run=False)
    assert manifest.settings["attention"] == "Attention"
    # Such an engine is finished on a GPU that nobody has seen yet.
    assert manifest.settings["attention_decomposable"] is True
    assert manifest.settings["network.attention.fp16"] == 4  # a layer each, and one softmax to choose tokens
    assert manifest.settings["network.softmax.fp32"] == 1
    assert not any("attention" in note for note in built.notes)
    assert make(model).reused
    # It was derived: what it is compared with is the graph it was derived from.
    assert graph_of(manifest).bytes() == load_graph(str(model)).bytes()


def test_the_plain_form_where_attention_cannot_be_fused(model):
    def unfused(trt, backend, graph, *arguments):
        if attentions(graph.proto):
            raise TosaEdgeError("TensorRT 10.14 did not build m: no fused\nkernel", "Try another.")
        return build_serialized_engine(trt, backend, graph, *arguments)

    built = make(model, steps=Steps(build_serialized_engine=unfused))
    (note,) = [note for note in built.notes if "attention" in note]
    assert note.endswith("the plain form is: TensorRT 10.14 did not build m: no fused kernel")
    manifest, _ = check_engine(built.engine, to_run=False)
    assert manifest.settings["attention"].startswith("plain: TensorRT 10.14 did not build m")
    assert "network.attention.fp16" not in manifest.settings
    assert manifest.settings["network.softmax.fp32"] == 5
    again = make(model)  # out of memory perhaps: it is tried again
    assert not again.reused
    assert check_engine(again.engine, to_run=False)[0].settings["attention"] == "Attention"


def test_where_the_attention_form_crashes_the_gpu_the_next_build_takes_the_plain_one(model):
    """The process in which it crashed can build nothing more."""
    pytest.importorskip("tensorrt_rtx")
    verdicts, crashed = [FAILED, PASSED], []

    def crashing(trt, backend, graph, *arguments):
        if crashed and not attentions(graph.proto):
            raise TosaEdgeError("TensorRT did not build m: an illegal address", "Start again.")
        return build_serialized_engine(trt, backend, graph, *arguments)

    def validated(engine, manifest, graph, machine, on_step):
        result = verdicts.pop(0)
        crashed.extend([True] * (result == FAILED))
        manifest = replace(manifest, validation=Validation(result, "x"))
        manifest_path(engine).write_text(manifest.to_json())
        return manifest, None, ()

    steps = Steps(build_serialized_engine=crashing, validate=validated)

    def make():
        return build(str(model), "fp16", TENSORRT_RTX, out=model.parent / "e", steps=steps)

    with pytest.raises(TosaEdgeError, match="illegal address"):
        make()
    crashed.clear()  # another process
    built = make()
    assert (built.validation, built.reused) == (PASSED, False)
    manifest, _ = check_engine(built.engine, to_run=False)
    assert manifest.settings["attention"] == "plain: it failed validation"
    assert make().reused  # what is wrong on this GPU stays so


def test_an_engine_from_before_is_built_again(model):
    """Whose manifest says nothing of the attention form."""
    built = make(model)
    told = json.loads(built.manifest.read_text())
    del told["settings"]["attention"]
    built.manifest.write_text(json.dumps(told))
    check_engine(built.engine, to_run=False)
    assert not make(model).reused


def test_a_file_in_the_attention_form_is_a_model_too(model):
    fused = model.with_name("m.fp16.attn.onnx")
    shutil.copy(model, model.with_name("m.onnx"))  # as if it were float32
    for precision, name in ((None, fused.name), ("fp16", fused.name), ("fp32", "m.onnx")):
        assert find_source(str(fused), precision).name == name
    assert find_source(str(model), "fp16") == model
    assert rebuild_source(fused) == str(fused)
    assert rebuild_source(model) == str(model.with_name("m.onnx"))
    built = make(fused)
    assert check_engine(built.engine, to_run=False)[0].settings["attention"] == "Attention"
    assert built.engine.name == "m-g3-56x84-b1.fp16.tensorrt-rtx.engine"
