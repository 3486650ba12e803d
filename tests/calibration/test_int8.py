"""From a graph and pictures to an INT8 graph: once measured, remembered; for another model, refused."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests import media, tiny
from tests.calibration.make import LAYERS, SIZE, tiny_graph
from tosa_edge.calibration import (
    Settings,
    activations_of,
    calibrate,
    calibration_of,
    quantise,
    scales_of,
    table_cache,
)
from tosa_edge.calibration import int8 as flow
from tosa_edge.calibration.qdq import int8_weights
from tosa_edge.calibration.table import Table
from tosa_edge.depth_model import DepthModel
from tosa_edge.engine.load import load_graph
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph import LoadedGraph


@pytest.fixture
def measured(monkeypatch):
    """How often ranges are really measured."""
    calls, honest = [], flow.measure

    def counted(*args, **kwargs):
        calls.append(args)
        return honest(*args, **kwargs)

    monkeypatch.setattr(flow, "measure", counted)
    return calls


@pytest.mark.parametrize("activations", ["symmetric", "unsigned"])
def test_the_result_is_a_model_itself(tmp_path, graph, photos, activations):
    model = quantise(graph, photos, activations=activations, threads=1)
    path = tmp_path / "int8.onnx"
    path.write_bytes(model.SerializeToString())
    with DepthModel.load(str(path), threads=1) as loaded:
        prediction = loaded.predict(tiny.picture(80, 100))
    assert prediction.depth.shape == (80, 100)
    assert np.isfinite(prediction.depth).all()
    assert prediction.kept.shape == (1, graph.info.kept)
    assert loaded.info == replace(graph.info, precision="int8")
    assert activations_of(model) == activations
    about = calibration_of(model)
    assert {k: about[k] for k in ("activations", "method", "images", "higher")} == {
        "activations": activations,
        "method": "minmax",
        "images": 4,
        "higher": [],
    }
    # ONNX Runtime, for which the unsigned form is, has no INT8 for the patch embedding.
    assert len(int8_weights(model)) == len(LAYERS) - (activations == "unsigned")
    assert activations_of(graph.proto) is None
    assert calibration_of(graph.proto) is None


@pytest.mark.parametrize(
    "options",
    [{"form": "reuse"}, *(pytest.param(o, marks=pytest.mark.slow) for o in ({"dense": True}, {"batch": 3}))],
)
def test_every_kind_of_graph(photos, options):
    graph = tiny_graph(**options)
    done = calibrate(graph, photos, Settings(compare=True, threads=1))
    assert len(int8_weights(done.model)) == done.layers == len(LAYERS)
    assert done.kept.agreement.error < 0.2
    assert done.kept.agreement.kept == 1 or options == {"batch": 3}


def test_a_second_time_nothing_is_measured(graph, photos, measured):
    first = calibrate(graph, photos, Settings(threads=1))
    again = calibrate(graph, photos, Settings(activations="unsigned", threads=1))
    assert (first.cached, again.cached, len(measured)) == (False, True, 1)
    assert first.table == again.table  # one table serves both forms


@pytest.mark.parametrize("other", ["model", "pictures", "method", "damaged", "another's"])
def test_what_is_not_the_same_is_measured_again(graph, photos, measured, other):
    table = calibrate(graph, photos, Settings(threads=1)).table
    method = "minmax"
    (entry,) = table_cache.folder().iterdir()
    if other == "model":
        for tensor in graph.proto.graph.initializer:
            if tensor.name.endswith("patch_embed.proj.weight"):
                doubled = 2 * numpy_helper.to_array(tensor)
                tensor.CopyFrom(numpy_helper.from_array(doubled, tensor.name))
    elif other == "pictures":
        media.write_picture(photos / "9.jpg", seed=9)
    elif other == "method":
        method = "percentile"
    elif other == "damaged":
        media.cut(entry)
    else:
        entry.write_text(replace(table, data="0" * 64).to_json())
    again = calibrate(graph, photos, Settings(method=method, threads=1))
    assert not again.cached
    assert len(measured) == 2


def test_a_home_that_cannot_be_written_is_no_reason_to_fail(graph, photos, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert calibrate(graph, photos, Settings(threads=1)).layers == len(LAYERS)


def test_a_table_instead_of_pictures(graph, photos, tmp_path, measured):
    first = calibrate(graph, photos, Settings(threads=1))
    path = tmp_path / "t.json"
    path.write_text(first.table.to_json())
    again = calibrate(graph, None, Settings(table=path))
    assert again.model.SerializeToString() == first.model.SerializeToString()
    assert len(measured) == 1


@pytest.mark.parametrize("wrong", ["model", "names", "edited", "a picture", "missing"])
def test_a_wrong_table_is_refused(graph, photos, tmp_path, wrong):
    table = calibrate(graph, photos, Settings(threads=1)).table
    path = tmp_path / "t.json"
    if wrong == "model":
        path.write_text(replace(table, model="0" * 64).to_json())
    elif wrong == "names":
        path.write_text(replace(table, ranges={"x": (-1.0, 1.0)}).to_json())
    elif wrong == "edited":
        raw = json.loads(table.to_json())
        raw["ranges"]["div"] = [-9.0, 9.0]
        path.write_text(json.dumps(raw))
    elif wrong == "a picture":
        path.write_bytes((photos / "0.jpg").read_bytes())
    with pytest.raises(TosaEdgeError) as error:
        calibrate(graph, None, Settings(table=path))
    what = {"model": "another model", "names": "no range for", "edited": "changed after"}
    assert what.get(wrong, "") in error.value.what
    assert "--table" in error.value.remedy


def test_a_tensorrt_cache_is_a_table_too(graph, tmp_path):
    names = sorted(calibrate_names(graph))
    path = tmp_path / "calibration.cache"
    path.write_text("TRT-101300-MinMaxCalibration\n" + "".join(f"{n}: 3d810204\n" for n in names))
    done = calibrate(graph, None, Settings(table=path))
    assert done.table.method == "imported"
    assert done.table.ranges[names[0]] == pytest.approx((-8.0, 8.0), rel=1e-3)
    assert Table.from_json(done.table.to_json()) == done.table


def calibrate_names(graph):
    return {layer.activation for layer in flow.layers_to_quantise(graph, Settings())}


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"method": "guess"}, "--method guess"),
        ({"activations": "bits"}, "--activations bits"),
        ({"max_drop": 2.0}, "--max-drop 2"),
        ({"max_drop": float("nan")}, "--max-drop nan"),
        ({"images": 0}, "--images 0"),
        ({"fit": "squeeze"}, "fit 'squeeze'"),
    ],
)
def test_what_cannot_be_asked(graph, photos, settings, what):
    with pytest.raises(TosaEdgeError, match=what):
        calibrate(graph, photos, Settings(**settings))


def test_half_precision_around_int8(photos):
    """The form for GPUs: the linear layers in INT8, all else as it was."""
    graph, single = tiny_graph(precision="fp16"), tiny_graph()
    done = calibrate(graph, photos, Settings(compare=True, threads=1))
    assert len(int8_weights(done.model)) == done.layers == len(LAYERS) - 1
    assert [f.name for f in done.model.functions] == [f.name for f in graph.proto.functions]
    assert (calibration_of(done.model)["for"], scales_of(done.model)) == ("gpu", "float16")
    assert done.kept.agreement.error < 0.2
    # It costs what INT8 costs, and hardly more.
    alone = calibrate(single, photos, Settings(compare=True, threads=1))
    assert (calibration_of(alone.model)["for"], scales_of(alone.model)) == ("cpu", "float32")
    assert done.kept.agreement.error < 2 * alone.kept.agreement.error + 0.01
    onnx.checker.check_model(done.model, full_check=True)
    with pytest.raises(TosaEdgeError, match="unsigned activations are for CPUs"):
        calibrate(graph, photos, Settings(activations="unsigned"))


def test_without_pictures_there_is_no_int8(graph):
    with pytest.raises(TosaEdgeError, match="needs calibration pictures") as error:
        quantise(graph, None)
    assert "--data" in error.value.remedy


def test_only_a_portable_float_graph_is_quantised(graph, photos):
    twice = LoadedGraph(graph.proto, replace(graph.info, precision="int8"), "twice")
    plugin = LoadedGraph(graph.proto, replace(graph.info, form="plugin"), "plugin")
    nothing = LoadedGraph(tiny.model(), tiny.info(), "nothing")
    for wrong, why in (
        (twice, "is int8"),
        (plugin, "plugin form"),
        (nothing, "no layers"),
    ):
        with pytest.raises(TosaEdgeError, match=why):
            quantise(wrong, photos)


def test_the_graph_that_was_given_is_left_alone(graph, photos):
    before = graph.bytes()
    calibrate(graph, photos, Settings(report=True, threads=1))
    assert graph.bytes() == before
    assert (graph.info.height, graph.info.width) == SIZE


def test_a_bundled_model(photos):
    """Two pictures: the ranges are nothing to go by, the graph is."""
    graph = load_graph("tosa_depth_s:g3")
    done = calibrate(graph, photos, Settings(images=2, compare=True))
    assert len(int8_weights(done.model)) == 49
    assert [f.name for f in done.model.functions] == [f.name for f in graph.proto.functions]
    assert len(done.model.SerializeToString()) < 0.55 * len(graph.bytes())  # a byte for two
    assert done.kept.agreement.share > 0.9
    print(f"\nINT8 against float32, minmax, symmetric: {done.kept.agreement}")
