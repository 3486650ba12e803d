"""The bench on tiny models: rows, inputs, memory and profile."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests import tiny
from tests.exported import exported
from tests.nets import random_image, tiny_pattern
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.bench import memory
from tosa_edge.bench.compare import bench
from tosa_edge.bench.picture import room
from tosa_edge.bench.profile import by_operator, profile
from tosa_edge.bench.variant_graph import feeds_for, graph_of
from tosa_edge.engine.load import load_graph
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph_info import KEY

MB = 2**20


def hungry(path, megabytes: int):
    """A graph whose activations need `megabytes` and few more: a large array is made, then added up."""
    about = tiny.info()
    made = tiny.model(about)
    shape = numpy_helper.from_array(np.array([megabytes * MB // 4], np.int64), "large")
    made.graph.initializer.append(shape)
    made.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "zero"))
    depth = made.graph.node[-1]
    depth.output[0] = "plain"
    made.graph.node.extend(
        [
            helper.make_node("ReduceMax", ["plain"], ["top"], keepdims=0),
            helper.make_node("Expand", ["top", "large"], ["wide"]),
            helper.make_node("ReduceMean", ["wide", "zero"], ["small"], keepdims=0),
            helper.make_node("Sub", ["small", "top"], ["nothing"]),
            helper.make_node("Add", ["plain", "nothing"], ["depth"]),
        ]
    )
    assert {p.key for p in made.metadata_props} == {KEY}
    assert made.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    onnx.save(made, path)
    return path


def test_rows_say_what_was_measured(tmp_path):
    dense = tiny.save(tmp_path / "dense.onnx")
    selective = tiny.save(tmp_path / "selective.onnx", tiny.selective_info())
    result = bench([str(dense), str(selective)], rounds=3, threads=1)
    assert [row["name"] for row in result["rows"]] == ["dense", "selective"]
    assert result["baseline"] == "dense"
    assert result["rows"][0]["ratio"] == 1
    assert [(row["kept"], row["tokens"]) for row in result["rows"]] == [(6, 6), (tiny.KEPT, 6)]
    assert {"cpu", "cores", "onnxruntime"} <= set(result["machine"])


@pytest.mark.slow
def test_another_query_stride_is_the_graph_exported_with_it(tmp_path):
    graphs = {}
    for stride in (1, 8):
        onnx.save(exported(tiny_pattern(1, query_stride=stride)), tmp_path / f"{stride}.onnx")
        graphs[stride] = load_graph(str(tmp_path / f"{stride}.onnx"))
    derived = graph_of(f"{tmp_path / '8.onnx'}@1")
    assert derived.label == "8@1"
    assert derived.info == graphs[1].info
    image = {"image": random_image().numpy()}
    with OnnxRuntimeBackend(derived) as ours, OnnxRuntimeBackend(graphs[1]) as theirs:
        ours_out, theirs_out = ours.infer(image), theirs.infer(image)
    for name in ("depth", "kept"):
        np.testing.assert_array_equal(ours_out[name], theirs_out[name])


@pytest.mark.parametrize("stride", ["0", "x", "-1"])
def test_impossible_strides_are_refused(tmp_path, stride):
    path = tiny.save(tmp_path / "m.onnx", tiny.selective_info())
    with pytest.raises(TosaEdgeError, match="no variant"):
        graph_of(f"{path}@{stride}")


@pytest.mark.parametrize(
    "about", [tiny.info(batch=3), tiny.selective_info(), tiny.selective_info(form="reuse", batch=2)]
)
def test_feeds_fit_the_graph(tmp_path, about):
    feeds = feeds_for(about)
    assert feeds["image"].shape == (about.batch, tiny.HEIGHT, tiny.WIDTH, 3)
    assert ("kept" in feeds) == (about.form == "reuse")
    if "kept" in feeds:
        assert feeds["kept"].shape == (about.batch, 2, tiny.KEPT)
    path = tiny.save(tmp_path / "m.onnx", about)
    assert bench([str(path)], rounds=1, threads=1)["rows"][0]["batch"] == about.batch


def test_the_room_is_the_same_each_time_and_no_noise():
    picture = room(84, 112)
    np.testing.assert_array_equal(picture, room(84, 112))
    neighbours = np.abs(np.diff(picture.astype(int), axis=1)).mean()
    assert 0 < neighbours < 10 < picture.std()


def test_memory_finds_the_megabytes_that_are_used(tmp_path):
    small, large = (memory.peak_mb(str(hungry(tmp_path / f"{n}.onnx", n)), 1) for n in (8, 72))
    assert small is not None
    assert large is not None
    assert 55 < large - small < 75


def test_memory_of_a_model_that_cannot_be_loaded_is_none(tmp_path):
    assert memory.peak_mb(str(tmp_path / "nothing.onnx")) is None


def test_profile_names_the_operators(tmp_path):
    graph = load_graph(str(tiny.save(tmp_path / "m.onnx", tiny.selective_info())))
    table = profile(graph, threads=1, runs=2)
    nodes = {row["op"]: row["nodes"] for row in table}
    assert nodes["TopK"] == 4
    assert sum(row["share"] for row in table) == pytest.approx(1, abs=0.01)
    assert [row["ms"] for row in table] == sorted((row["ms"] for row in table), reverse=True)


def test_profile_leaves_out_the_first_run():
    def event(name: str, op: str, microseconds: int) -> dict:
        return {"cat": "Node", "name": f"{name}_kernel_time", "dur": microseconds, "args": {"op_name": op}}

    runs = [
        [event("m1", "MatMul", d), event("m2", "MatMul", d), event("a", "Add", d // 2)]
        for d in (9000, 2000, 2000)
    ]
    other = [{"cat": "Session", "name": "model_run", "dur": 5}]
    table = by_operator(sum(runs, other), runs=3)
    assert table == [
        {"op": "MatMul", "ms": 4.0, "share": 0.8, "nodes": 2},
        {"op": "Add", "ms": 1.0, "share": 0.2, "nodes": 1},
    ]
