"""INT8 from pictures to an engine, with the real calibration and a small exported model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from tests import tiny
from tests.exported import exported
from tests.media import left_behind, write_picture
from tests.nets import tiny_pattern
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.builder.build import BuildProgress, build
from tosa_edge.calibration import quantise
from tosa_edge.depth_model import DepthModel
from tosa_edge.engine.load import check_engine, load_graph
from tosa_edge.errors import TosaEdgeError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    onnx.save(exported(tiny_pattern(group=3)), folder / "m.onnx")
    return folder / "m.onnx"


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(3):
        write_picture(folder / f"{seed}.png", seed=seed)
    return folder


@pytest.mark.parametrize("backend", ["onnxruntime", "tensorrt-rtx"])
def test_pictures_to_an_engine(tmp_path, model, pictures, backend):
    steps = []
    progress = BuildProgress(on_step=lambda what, done, total: steps.append(what))
    built = build(str(model), "int8", backend, pictures, out=tmp_path / "e", progress=progress)
    manifest, _ = check_engine(built.engine, to_run=False)
    assert (manifest.precision, manifest.pictures) == ("int8", str(pictures))
    assert steps
    again = build(str(model), "int8", backend, pictures, out=tmp_path / "e")
    assert again.reused
    # From float32 alone, the form for CPUs; a GPU would have gained from the other.
    assert manifest.settings["int8_scales"] == "float32"
    assert any("--for gpu" in note for note in built.notes) == (backend != "onnxruntime")
    if backend == "onnxruntime":
        # Computed in integers, and not only stored in them.
        assert manifest.settings["integer_layers"] >= 16  # qkv, proj, fc1 and fc2 of four blocks
        assert not any("no layer" in note for note in built.notes)
        with DepthModel.load(str(built.engine)) as engine:
            assert engine.info.precision == "int8"
            ours = engine.predict(tiny.picture(56, 84))
        graph = replace(load_graph(str(model)), proto=quantise(load_graph(str(model)), pictures))
        with OnnxRuntimeBackend(graph, threads=1) as session:
            theirs = session.infer({"image": tiny.picture(56, 84)[None]})
        np.testing.assert_array_equal(ours.depth, theirs["depth"][0])
        np.testing.assert_array_equal(ours.kept, theirs["kept"][0])


def test_no_pictures_no_engine(tmp_path, model, pictures):
    for path in pictures.iterdir():
        path.unlink()
    before = left_behind(tmp_path)
    with pytest.raises(TosaEdgeError):
        build(str(model), "int8", "onnxruntime", pictures, out=tmp_path / "e")
    assert left_behind(tmp_path) == before
