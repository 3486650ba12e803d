"""TensorRT's own layers or our plugin: both built, both timed, and the faster one that validates is kept.

TensorRT needs a GPU; here TensorRT-RTX's builder stands in for its, and a row of numbers for the timing.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from tests import tiny
from tests.engine.samples import ORIN, machine, on_jetson
from tosa_edge.backends import tensorrt as backend
from tosa_edge.builder import build as building
from tosa_edge.builder import candidates as making
from tosa_edge.builder.steps import Steps
from tosa_edge.engine import TENSORRT, TENSORRT_RTX, rebuild
from tosa_edge.engine.load import load_graph
from tosa_edge.engine.manifest import FAILED, PASSED, Plugin, Validation
from tosa_edge.engine.select_backend import NATIVE, PLUGIN
from tosa_edge.engine.tensorrt_builder import SerializedEngine as Made
from tosa_edge.engine.tensorrt_builder import build_serialized_engine
from tosa_edge.engine.this_machine import this_machine
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.export.plugin_form import plugin_nodes, to_plugin_form
from tosa_edge.find_model import DEFAULT_MODEL
from tosa_edge.graph import LoadedGraph
from tosa_edge.plugins import OPERATORS, library

makes_plugin_form = pytest.mark.skipif(
    find_spec("onnx_graphsurgeon") is None, reason="onnx-graphsurgeon is not installed"
)
SHA = hashlib.sha256(b"the library").hexdigest()
OURS = Plugin(library.NAME, "1", SHA)


@pytest.fixture
def model(tmp_path):
    """The tiny model, and a gathering of its tokens that nobody looks at: one operator for the plugin."""
    made = tiny.model(tiny.selective_info())
    gather = OPERATORS[1]
    assert gather.name == "TokenGather"
    constants = {"x": np.zeros((1, 4, 16), np.float32), "index": np.zeros((1, 2), np.int32)}
    constants |= {name: np.zeros(16, np.float32) for name in ("weight", "bias")}
    made.graph.initializer.extend(onnx.numpy_helper.from_array(a, n) for n, a in constants.items())
    node = onnx.helper.make_node(
        "TokenGather", list(constants), ["rows", "normed"], domain="tosa", epsilon=1e-6
    )
    made.graph.node.append(node)
    made.opset_import.append(onnx.helper.make_opsetid("tosa", 1))
    made.functions.append(gather.function)
    onnx.save(made, tmp_path / "m.onnx")
    return str(tmp_path / "m.onnx")


@pytest.fixture
def robot(tmp_path, monkeypatch):
    """A machine with TensorRT, a GPU and our library; `times` and `verdicts` are what `make` will find."""
    path = tmp_path / library.NAME
    path.write_bytes(b"the library")
    monkeypatch.setenv(library.VARIABLE, str(path))
    orin = machine(ORIN, host=on_jetson().host, plugin_sha256=SHA)
    here = SimpleNamespace(times=(4.0, 3.5), verdicts=[], loaded=[], machine=orin)

    def fake_build(trt, name, graph, targets, gpu, on_progress):
        here.loaded.append(plugin_nodes(graph.proto))
        return Made(f"engine with {plugin_nodes(graph.proto)} plugins".encode(), {"strongly_typed": True})

    def validate(engine, manifest, graph, machine, on_step):
        result = here.verdicts.pop(0)
        return replace(manifest, validation=Validation(result, "x")), None, ()

    def load_library(trt):
        here.loaded.append("library")

    here.steps = Steps(
        machine=lambda backends: here.machine,
        tensorrt=lambda name: SimpleNamespace(__version__="10.3.0"),
        load_library=load_library,
        build_serialized_engine=fake_build,
        time_engines=lambda trt, engines, info: here.times,
        validate=validate,
    )

    def make(model, **arguments):
        out = Path(model).parent / "e"
        return building.build(model, backend=TENSORRT, out=out, steps=here.steps, **arguments)

    here.make = make
    return here


@makes_plugin_form
@pytest.mark.parametrize(
    ("times", "kept", "plugin"),
    [((4.0, 3.5), PLUGIN, OURS), ((3.5, 4.0), NATIVE, None), ((4, 4), NATIVE, None)],
)
def test_auto_keeps_the_faster_one(robot, model, times, kept, plugin):
    robot.times, robot.verdicts = times, [PASSED]
    built = robot.make(model)
    assert robot.loaded == [0, "library", 1]  # the native one was built before anything was loaded
    manifest = building.check_engine(built.engine, robot.machine)[0]
    assert manifest.plugin == plugin
    assert manifest.plugin_choice == {"kept": kept, "native_ms": times[0], "plugin_ms": times[1]}
    assert built.notes == (
        f"TensorRT's own layers take {times[0]} ms, our plugin {times[1]} ms: {kept} is kept",
    )
    robot.verdicts = [PASSED]
    assert robot.make(model).reused
    assert not robot.make(model, plugin="off", validate=False).reused


@makes_plugin_form
def test_auto_keeps_the_slower_one_where_the_faster_is_wrong(robot, model):
    robot.verdicts = [FAILED, PASSED]
    built = robot.make(model)
    assert built.validation == PASSED
    assert built.engine.read_bytes() == b"engine with 0 plugins"
    assert built.notes[0].endswith("native is kept, because the other failed validation")


def test_auto_says_why_the_plugin_is_not_used(robot, model):
    def refuse(trt):
        raise MachineLacks("compiled for TensorRT 11", "Compile it again.")

    robot.steps = replace(robot.steps, load_library=refuse)
    built = robot.make(model, validate=False)
    assert built.notes == ("our plugin is not used: compiled for TensorRT 11",)
    assert building.check_engine(built.engine, robot.machine)[0].plugin is None
    with pytest.raises(MachineLacks):
        robot.make(model, plugin="on", validate=False)


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_half_precision_that_nobody_compared_is_warned_of(robot, tmp_path, precision):
    """Once, in one line; with the trouble that its TensorRT is known for."""
    info = replace(tiny.selective_info(), precision=precision)
    model = str(tiny.save(tmp_path / "m.onnx", info))
    notes = robot.make(model, plugin="off", validate=False).notes
    warned = [note for note in notes if "not compared" in note]
    assert len(warned) == (precision == "fp16")
    assert all("TensorRT 10.3.0 are known" in note and "issue 4723" in note for note in warned)
    robot.verdicts = [PASSED]
    assert not any("not compared" in note for note in robot.make(model, plugin="off").notes)


@pytest.mark.parametrize(
    ("asked", "loaded", "plugin"),
    [pytest.param("on", ["library", 1], OURS, marks=makes_plugin_form), ("off", [0], None)],
)
def test_on_and_off_build_once(robot, model, asked, loaded, plugin):
    built = robot.make(model, plugin=asked, validate=False)
    manifest = building.check_engine(built.engine, robot.machine)[0]
    assert (robot.loaded, manifest.plugin, manifest.plugin_choice) == (loaded, plugin, None)
    assert (" --plugin on " in rebuild.from_manifest(manifest, built.engine)) == (asked == "on")
    assert robot.make(model, plugin=asked, validate=False).reused
    robot.machine = replace(robot.machine, plugin_sha256="b" * 64)  # the library was built again
    again = robot.make(model, plugin=asked, validate=False)
    assert again.reused == (asked == "off")


def test_this_machine_knows_its_library(tmp_path, monkeypatch):
    path = tmp_path / library.NAME
    path.write_bytes(b"the library")
    monkeypatch.setenv(library.VARIABLE, str(path))
    monkeypatch.setattr("tosa_edge.engine.this_machine._version", lambda backend: "10.3.0")
    this_machine.cache_clear()
    found = this_machine((TENSORRT,))
    this_machine.cache_clear()
    assert found.plugin_sha256 == SHA


def test_a_plugin_form_without_its_plugin_is_one_line():
    """The real parser, of TensorRT-RTX, which has no plugins of ours."""
    trt = pytest.importorskip("tensorrt_rtx")
    graph = load_graph(f"{DEFAULT_MODEL}:g3")
    plugin = LoadedGraph(to_plugin_form(graph.proto), graph.info, graph.label)
    assert plugin_nodes(plugin.proto) == 3 * 3 + 9
    with pytest.raises(TosaEdgeError, match=r"cannot take .*Plugin not found.*TokenImportance") as error:
        build_serialized_engine(trt, TENSORRT_RTX, plugin)
    assert "\n" not in error.value.what


def test_engines_are_timed_in_turns(monkeypatch):
    """With a stand-in for the backend, which has tests of its own."""
    turns = []

    class Backend:
        def __init__(self, trt, read, open_engine, label):
            self.read, self.open, self.engine = read, open_engine, None

        def __enter__(self):
            self.engine = self.open(self.read())
            return self

        def __exit__(self, *_):
            self.engine = None

        def infer(self, feeds):
            assert list(feeds) == ["image"]
            turns.append(self.engine)

    def runtime(logger):
        return SimpleNamespace(deserialize_cuda_engine=lambda data: data.decode() or None)

    trt = SimpleNamespace(Runtime=runtime, Logger=lambda severity: None, __version__="10.3.0")
    trt.Logger.ERROR = 1
    monkeypatch.setattr(backend, "TensorRtBackend", Backend)
    times = making.time_engines(trt, (b"a", b"b"), tiny.selective_info())
    assert len(times) == 2
    assert turns.count("a") == turns.count("b") > making.ROUNDS
    assert turns[:6] == ["a", "b"] * 3
    with pytest.raises(TosaEdgeError, match="refuses what it has just built"):
        making.time_engines(trt, (b"",), tiny.selective_info())
