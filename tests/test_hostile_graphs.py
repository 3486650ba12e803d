"""Graphs made to reach what they should not: each as a user would meet it, by a command."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from tests import tiny
from tests.refusals import refusal as refused
from tosa_edge.cli import app
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import inside
from tosa_edge.find_model import WEIGHTS
from tosa_edge.graph import read_graph


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A place with a file that no graph may read, from which commands are started."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_bytes(b"\0\0\x7f\x43")  # 255.0
    return tmp_path


def saved(made: onnx.ModelProto) -> str:
    with open("m.onnx", "wb") as file:
        file.write(made.SerializeToString())
    return "m.onnx"


def elsewhere(location: str = "secret", **more: str) -> TensorProto:
    tensor = TensorProto(name="most", data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": "0", "length": "4", **more}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def without_most() -> onnx.ModelProto:
    """The tiny model, whose divisor is to come from elsewhere."""
    made = tiny.model()
    del made.graph.initializer[1]
    return made


def in_an_initializer(tensor):
    made = without_most()
    made.graph.initializer.append(tensor)
    return made


def in_a_constant(tensor):
    made = without_most()
    made.graph.node.insert(0, helper.make_node("Constant", [], ["most"], value=tensor))
    return made


def branch(tensor, by_constant):
    """A graph that gives the tensor."""
    given = helper.make_tensor_value_info("given", TensorProto.FLOAT, [])
    nodes = [helper.make_node("Constant", [], ["given"], value=tensor)]
    if not by_constant:
        nodes = [helper.make_node("Identity", ["most"], ["given"])]
    return helper.make_graph(nodes, "branch", [], [given], [] if by_constant else [tensor])


def in_a_branch(tensor, by_constant=True):
    made = without_most()
    ways = {name: branch(tensor, by_constant) for name in ("then_branch", "else_branch")}
    made.graph.node.insert(0, helper.make_node("If", ["yes"], ["most"], **ways))
    made.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    return made


def in_a_branchs_initializer(tensor):
    return in_a_branch(tensor, by_constant=False)


def in_a_function(tensor, nodes=None):
    made = without_most()
    body = nodes or [helper.make_node("Constant", [], ["out"], value=tensor)]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("mine", 1)]
    made.functions.append(helper.make_function("mine", "Most", [], ["out"], body, opsets))
    made.opset_import.append(helper.make_opsetid("mine", 1))
    made.graph.node.insert(0, helper.make_node("Most", [], ["most"], domain="mine"))
    return made


def in_a_branch_of_a_function(tensor):
    ways = {name: branch(tensor, True) for name in ("then_branch", "else_branch")}
    yes = helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True)))
    return in_a_function(tensor, [yes, helper.make_node("If", ["yes"], ["out"], **ways)])


def in_a_functions_default(tensor):
    made = in_a_function(tensor, [helper.make_node("Constant", [], ["out"], value_float=1.0)])
    made.functions[0].attribute_proto.append(helper.make_attribute("value", tensor))
    return made


PLACES = [
    in_an_initializer,
    in_a_constant,
    in_a_branch,
    in_a_branchs_initializer,
    in_a_function,
    in_a_branch_of_a_function,
    in_a_functions_default,
]


@pytest.mark.parametrize("place", PLACES)
def test_a_tensor_that_names_a_file_is_read_by_nobody(place):
    """ONNX Runtime would read it, relative to the working directory."""
    model = saved(place(elsewhere()))
    told = refused("run", "--source", "test://64x48?fps=0&frames=1", "--engine", model, "--no-files")
    assert f"points outside {WEIGHTS}" in told
    assert "points outside" in refused("inspect", model)
    assert "points outside" in refused("build", model, "--backend", "onnxruntime", "-o", "engines")


@pytest.mark.parametrize("place", PLACES)
def test_a_tensor_that_names_the_weights_gets_their_bytes(place, folder):
    """Wherever it is, it is ours that fills it in."""
    import hashlib

    blob = b"....\0\0\x7f\x43"
    (folder / WEIGHTS).write_bytes(blob)
    made = place(elsewhere(WEIGHTS, offset="4"))
    about = tiny.info(weights_sha256=hashlib.sha256(blob).hexdigest())
    made.metadata_props[0].value = about.to_json()
    saved(made)
    proto = read_graph(folder / "m.onnx").proto
    assert b"secret" not in proto.SerializeToString()
    assert WEIGHTS.encode() not in proto.SerializeToString()
    assert b"\0\0\x7f\x43" in proto.SerializeToString()


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "./secret", "*/_ORT_MEM_ADDR_/*", ""])
def test_no_spelling_of_a_place_helps(name):
    assert "points outside" in refused("inspect", saved(in_a_constant(elsewhere(name))))


def test_many_tensors_over_the_same_bytes_are_counted_before_they_are_made():
    made = without_most()
    for number in range(1000):
        tensor = elsewhere(WEIGHTS, length=str(1 << 24))
        tensor.name = f"w{number}"
        made.graph.initializer.append(tensor)
    assert "16,777,216,000 bytes" in (told := refused("inspect", saved(made)))
    assert "TOSA_EDGE_MAX_BYTES=16777216000" in told


def test_functions_that_unfold_without_end():
    """2.6 KB, and 2^40 nodes to a runtime."""
    made = tiny.model()
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("mine", 1)]
    for level in range(40):
        calls = [helper.make_node(f"F{level + 1}", ["x"], [out], domain="mine") for out in ("y", "z")]
        made.functions.append(helper.make_function("mine", f"F{level}", ["x"], ["y"], calls, opsets))
    last = [helper.make_node("Identity", ["x"], ["y"])]
    made.functions.append(helper.make_function("mine", "F40", ["x"], ["y"], last, opsets))
    made.opset_import.append(helper.make_opsetid("mine", 1))
    made.graph.node.append(helper.make_node("F0", ["depth"], ["again"], domain="mine"))
    told = refused("inspect", saved(made))
    assert "its functions written out" in told
    assert "TOSA_EDGE_MAX_NODES" in told
    made.functions[-1].node[0].CopyFrom(helper.make_node("F0", ["x"], ["y"], domain="mine"))
    assert "calls itself" in refused("inspect", saved(made))


def test_a_function_with_much_in_it_called_often():
    made = in_a_function(None, [helper.make_node("Constant", [], ["out"], value_floats=[0.0] * 50000)])
    for number in range(10000):
        made.graph.node.append(helper.make_node("Most", [], [f"o{number}"], domain="mine"))
    assert "TOSA_EDGE_MAX_BYTES" in refused("inspect", saved(made))


def test_what_none_of_our_graphs_holds():
    made = tiny.model()
    weight = made.graph.sparse_initializer.add(dims=[1 << 20, 1 << 20])
    weight.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "huge"))
    weight.indices.CopyFrom(numpy_helper.from_array(np.ones(1, np.int64)))
    assert "sparse weights" in refused("inspect", saved(made))
    made = tiny.model()
    made.training_info.add().initialization.name = "x"
    assert "a training" in refused("inspect", saved(made))
    made = tiny.model()
    node = helper.make_node("EPContext", [], ["e"], domain="com.microsoft", ep_cache_context="../x.engine")
    made.graph.node.append(node)
    assert "an engine of another program" in refused("inspect", saved(made))


@pytest.mark.parametrize(
    ("claims", "variable"),
    [
        ({"height": 65534, "width": 65534}, "TOSA_EDGE_MAX_PIXELS"),
        ({"batch": 65536, "height": 280, "width": 280}, "TOSA_EDGE_MAX_PIXELS"),
        ({"patch": 1, "height": 512, "width": 512}, "TOSA_EDGE_MAX_TOKENS"),
    ],
)
def test_a_graph_for_pictures_larger_than_any(claims, variable, monkeypatch):
    model = saved(tiny.model(tiny.info(**claims)))
    told = refused("run", "--source", "test://64x48?fps=0&frames=1", "--engine", model, "--no-files")
    assert variable in told
    monkeypatch.setenv("TOSA_EDGE_MAX_PIXELS", str(1 << 40))
    monkeypatch.setenv("TOSA_EDGE_MAX_TOKENS", str(1 << 40))
    assert CliRunner().invoke(app, ["inspect", model]).exit_code == 0
    monkeypatch.setenv(variable, "many")
    assert f"{variable}='many' is not a whole number" in refused("inspect", model)


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/passwd", "..", "", "a/", "..\\x", "a\0b", "a\nb"]
)
def test_a_name_found_in_a_file_stays_in_its_folder(name, folder):
    with pytest.raises(ValueError, match="not the name of a file"):
        inside(folder, name)


def test_names_that_are_fine(folder):
    for name in ("x.png", "rgb/1305031102.175304.png", "a..b", "./x"):
        assert inside(folder, name).is_relative_to(folder)


def test_whoever_is_asked_for_a_file_does_not_wait_for_a_pipe(folder):
    import os

    os.mkfifo(folder / WEIGHTS)
    made = in_a_constant(elsewhere(WEIGHTS))
    assert "is a pipe or a device" in refused("inspect", saved(made))
    (folder / WEIGHTS).unlink()
    with open(folder / WEIGHTS, "wb") as file:
        file.truncate(1 << 40)
    assert "1,099,511,627,776 bytes" in refused("inspect", "m.onnx")
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to("/dev/zero")
    assert "is a pipe or a device" in refused("inspect", "m.onnx")
    with pytest.raises(TosaEdgeError, match="pipe or a device"):
        read_graph(folder / WEIGHTS)
