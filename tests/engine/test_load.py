"""An engine as a MODEL: what it computes, and everything that keeps it from being loaded."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from tests import media, tiny
from tests.builders import needs_rtx
from tosa_edge.builder.build import build
from tosa_edge.depth_model import DepthModel
from tosa_edge.engine.load import check_engine, load_engine
from tosa_edge.engine.manifest import FORMAT
from tosa_edge.engine.names import manifest_path
from tosa_edge.engine.this_machine import this_machine
from tosa_edge.errors import MachineLacks, TosaEdgeError


@pytest.fixture
def engine(tmp_path):
    model = tiny.save(tmp_path / "m.onnx", tiny.selective_info())
    return build(str(model), backend="onnxruntime", out=tmp_path / "engines").engine


def refused(path) -> TosaEdgeError:
    with pytest.raises(TosaEdgeError) as error:
        DepthModel.load(str(path))
    assert "\n" not in error.value.what + error.value.remedy
    return error.value


def edit(engine, **changes):
    beside = manifest_path(engine)
    beside.write_text(json.dumps({**json.loads(beside.read_text()), **changes}))


def test_computes_what_the_model_does(tmp_path, engine):
    frame = tiny.picture()
    with DepthModel.load(str(engine)) as model:
        ours = model.predict(frame)
    np.testing.assert_allclose(ours.depth, tiny.expected_depth(frame), atol=1e-6)
    np.testing.assert_array_equal(ours.kept, tiny.expected_kept(frame))
    assert model.label == engine.stem


def test_no_byte_reaches_the_runtime_before_the_comparison(engine, monkeypatch):
    data = bytearray(engine.read_bytes())
    data[len(data) // 2] ^= 1
    engine.write_bytes(data)

    def parsed(*arguments, **keywords):
        raise AssertionError("parsed before it was checked")

    monkeypatch.setattr(onnx, "load_model_from_string", parsed)
    assert "not the file its manifest describes" in refused(engine).what


def test_the_command_in_the_remedy_mends_it(tmp_path, engine):
    import shlex

    from typer.testing import CliRunner

    from tosa_edge.cli import app

    media.cut(engine)
    error = refused(engine)
    assert "cut short" in error.what
    words = shlex.split(error.remedy.removeprefix("Rebuild it: "))
    assert words[:2] == ["tosa-edge", "build"]
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.stderr
    DepthModel.load(str(engine)).close()


def test_without_its_manifest(tmp_path, engine):
    manifest_path(engine).unlink()
    error = refused(engine)
    assert "without its manifest" in error.what
    assert "--precision fp32 --backend onnxruntime" in error.remedy
    # A new name does not make a model of it: it is marked inside.
    renamed = engine.rename(tmp_path / "model.onnx")
    assert "without its manifest" in refused(renamed).what


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"backend_version": "1.0.0"}, "was built for ONNX Runtime 1.0.0"),
        ({"engine_sha256": "0" * 64}, "not the file its manifest describes"),
        ({"model_sha256": "0" * 64}, "was built from another m than the one that is here now"),
        ({"format": FORMAT + 1}, "was written by a newer tosa-edge"),
        ({"keep": "half"}, "not a manifest that can be trusted: keep is not a number"),
    ],
)
def test_a_manifest_that_does_not_fit(engine, changes, what):
    edit(engine, **changes)
    assert what in refused(engine).what
    assert "tosa-edge build " in refused(engine).remedy


def test_another_cpu(engine):
    host = json.loads(manifest_path(engine).read_text())["host"]
    edit(engine, host={**host, "cpu": "Cortex", "cpu_features": ["sve"]})
    assert "was optimised for the CPU Cortex" in refused(engine).what


def test_the_model_has_changed_since(tmp_path, engine):
    tiny.save(tmp_path / "m.onnx")
    assert "another m than the one that is here" in refused(engine).what
    # A robot that has the engine alone cannot know, and need not.
    (tmp_path / "m.onnx").unlink()
    DepthModel.load(str(engine)).close()


def test_the_engine_is_gone_and_its_manifest_is_not(engine):
    engine.unlink()
    with pytest.raises(TosaEdgeError, match="cannot be read") as error:
        check_engine(engine)
    assert "tosa-edge build " in error.value.remedy


def test_the_precision_that_was_asked_for(engine):
    assert check_engine(engine, precision="fp32")[0].precision == "fp32"
    with pytest.raises(TosaEdgeError, match="is an fp32 engine, and int8 was asked for"):
        check_engine(engine, precision="int8")


def test_a_manifest_may_vouch_for_rubbish(engine):
    import hashlib

    engine.write_bytes(b"rubbish")
    edit(engine, engine_bytes=7, engine_sha256=hashlib.sha256(b"rubbish").hexdigest())
    assert "not an ONNX model" in refused(engine).what


@pytest.mark.skipif(this_machine().gpu is not None, reason="this machine has a GPU")
@needs_rtx
def test_an_engine_for_a_gpu_where_there_is_none(tmp_path):
    model = tiny.save(tmp_path / "m.onnx")
    path = build(str(model), backend="tensorrt-rtx", out=tmp_path).engine
    for load in (load_engine, lambda p: DepthModel.load(str(p))):
        with pytest.raises(MachineLacks, match="needs an NVIDIA GPU") as error:
            load(path)
        assert "--backend onnxruntime" in error.value.remedy
    media.cut(path)
    with pytest.raises(TosaEdgeError, match="is cut short"):
        load_engine(path)
