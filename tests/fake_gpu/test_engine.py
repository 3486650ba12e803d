"""An engine on the disk, from `DepthModel.load` and from the CLI: the whole way, but for TensorRT itself."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from tests import tiny
from tests.fake_gpu import models
from tests.fake_gpu import trt as fake_trt
from tosa_edge import DepthModel
from tosa_edge.backends.tensorrt import TensorRtBackend
from tosa_edge.cli import app
from tosa_edge.cuda.context import Context
from tosa_edge.engine.load import load_graph
from tosa_edge.engine.manifest import Manifest, Plugin
from tosa_edge.engine.names import manifest_path
from tosa_edge.engine.this_machine import this_machine
from tosa_edge.errors import TosaEdgeError


@pytest.fixture(autouse=True)
def this_one(fake, trt):
    this_machine.cache_clear()  # with TensorRT
    yield
    this_machine.cache_clear()


def edit(engine, **changes):
    beside = manifest_path(engine)
    manifest = Manifest.from_json(beside.read_bytes())
    beside.write_text(replace(manifest, **changes).to_json())


def verb(*words: str):
    result = CliRunner().invoke(app, [*words, "--json"])
    return result, json.loads(result.stdout.splitlines()[-1])


def test_an_engine_is_a_model(tmp_path):
    engine = models.engine(tmp_path)
    frame = tiny.picture(60, 90)
    with DepthModel.load(str(engine)) as model, DepthModel.load(str(saved(tmp_path))) as right:
        assert model.label == engine.stem
        assert model.info == tiny.selective_info()
        np.testing.assert_allclose(model(frame), right(frame), atol=2 / 255)
        np.testing.assert_array_equal(model.predict(frame).kept, right.predict(frame).kept)


def saved(folder, about=None):
    return tiny.save(folder / "model.onnx", about or tiny.selective_info())


def test_it_is_compared_before_the_gpu_is_touched(tmp_path, monkeypatch):
    engine = models.engine(tmp_path, backend_version="10.4.0")
    monkeypatch.setattr(Context, "here", lambda: pytest.fail("a context was taken"))
    with pytest.raises(TosaEdgeError, match=r"built for TensorRT 10\.4\.0, and this is TensorRT 10\.3\.0"):
        DepthModel.load(str(engine))
    engine.write_bytes(b"x" * engine.stat().st_size)
    with pytest.raises(TosaEdgeError, match="not the file its manifest describes"):
        DepthModel.load(str(engine))


def test_a_gpu_of_another_size_is_refused(tmp_path, fake):
    engine = models.engine(tmp_path)
    fake.machine(multiprocessors=4)
    this_machine.cache_clear()
    with pytest.raises(TosaEdgeError, match=r"Fake with 8 multi.*, and this is Fake with 4 multi") as error:
        DepthModel.load(str(engine))
    assert (
        f"tosa-edge build {tmp_path / 'tiny.onnx'} --precision fp16 --backend tensorrt" in error.value.remedy
    )


def test_what_tensorrt_cannot_open_says_how_to_rebuild(tmp_path, fake):
    import hashlib

    engine = models.engine(tmp_path)
    engine.write_bytes(b"junk")
    edit(engine, engine_bytes=4, engine_sha256=hashlib.sha256(b"junk").hexdigest())
    with pytest.raises(TosaEdgeError, match=r"TensorRT 10\.3\.0 refuses") as error:
        DepthModel.load(str(engine))
    assert "tosa-edge build " in error.value.remedy


def test_the_plugin_comes_before_the_engine(tmp_path, trt, monkeypatch):
    order = []
    library = ModuleType("tosa_edge.plugins.library")
    library.load_library = lambda module: order.append(module)
    monkeypatch.setitem(sys.modules, library.__name__, library)
    real = fake_trt.Runtime.deserialize_cuda_engine
    monkeypatch.setattr(
        fake_trt.Runtime, "deserialize_cuda_engine", lambda *given: order.append("engine") or real(*given)
    )
    plugin = Plugin("tosa_edge", "1", "a" * 64)
    here = replace(this_machine(("tensorrt",)), plugin_sha256=plugin.sha256)
    monkeypatch.setattr("tosa_edge.engine.load.this_machine", lambda backends: here)
    DepthModel.load(str(models.engine(tmp_path, plugin=plugin))).close()
    assert order == [trt, "engine"]


def test_a_manifest_that_does_not_describe_the_graph(tmp_path):
    engine = models.engine(tmp_path, graph=None)
    with pytest.raises(TosaEdgeError, match="does not say what the engine computes") as error:
        DepthModel.load(str(engine))
    assert "tosa-edge build " in error.value.remedy


def test_where_a_graph_is_wanted_an_engine_is_refused(tmp_path):
    engine = models.engine(tmp_path)
    with pytest.raises(TosaEdgeError, match="is an engine of TensorRT, and this takes the graph itself"):
        load_graph(str(engine))


def test_run_on_a_folder_of_pictures(tmp_path):
    import cv2

    engine = models.engine(tmp_path)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(4):
        cv2.imwrite(str(pictures / f"{index}.png"), tiny.picture(60, 90, seed=index))
    out = tmp_path / "out"
    result, told = verb("run", "--source", str(pictures), "--engine", str(engine), "--out", str(out))
    assert result.exit_code == 0, result.stderr
    assert told["frames"] == 4
    assert told["model"] == engine.stem


def test_bench_of_an_engine_beside_its_graph(tmp_path):
    engine, graph = models.engine(tmp_path), saved(tmp_path)
    result, told = verb("bench", str(graph), str(engine), "--rounds", "2", "--threads", "1")
    assert result.exit_code == 0, result.stderr
    assert [row["backend"] for row in told["rows"]] == ["onnxruntime", "tensorrt"]
    assert told["rows"][1]["peak_mb"] is None
    assert (told["machine"]["gpu"], told["machine"]["tensorrt"]) == ("Fake", "10.3.0")
    assert "Fake" in result.stderr
    assert "TensorRT 10.3.0" in result.stderr
    result, told = verb("bench", f"{engine}@1", "--rounds", "1")
    assert result.exit_code == 2
    assert "this takes the graph itself" in told["error"]


def test_evaluate_runs_it_too(tmp_path):
    import cv2

    engine = models.engine(tmp_path, tiny.info())
    for index in range(2):
        picture = tiny.picture(60, 90, seed=index)
        cv2.imwrite(str(tmp_path / f"{index}.jpg"), picture)
        cv2.imwrite(str(tmp_path / f"{index}.png"), (8000 - 20 * picture.mean(axis=2)).astype(np.uint16))
    result, told = verb("evaluate", str(engine), "--data", str(tmp_path))
    assert result.exit_code == 0, result.stderr
    assert told["n"] == 2


def test_the_plan_is_not_kept_beside_the_engine(tmp_path):
    engine = models.engine(tmp_path)
    with DepthModel.load(str(engine)) as model:
        backend = model._backend
        assert isinstance(backend, TensorRtBackend)
        assert onnx.load_model_from_string(engine.read_bytes()).graph.node
        assert not any(isinstance(value, bytes) for value in vars(backend).values())


def test_the_pycuda_example(tmp_path, fake, monkeypatch, capsys):
    import importlib.util

    import cv2

    from tests.fake_gpu import pycuda
    from tests.test_examples import EXAMPLES

    pycuda.install(monkeypatch)
    spec = importlib.util.spec_from_file_location("pycuda_app", EXAMPLES / "pycuda_app.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    picture, out = tiny.picture(60, 90), tmp_path / "depth.npy"
    cv2.imwrite(str(tmp_path / "p.png"), picture[..., ::-1])
    retained = fake.calls("cuDevicePrimaryCtxRetain")
    example.main([str(models.engine(tmp_path)), str(tmp_path / "p.png"), str(out)])
    with DepthModel.load(str(saved(tmp_path))) as right:
        np.testing.assert_allclose(np.load(out), right(picture), atol=2 / 255)
    assert fake.calls("cuDevicePrimaryCtxRetain") == retained  # it lived in the application's context
    assert "90x60" in capsys.readouterr().out
