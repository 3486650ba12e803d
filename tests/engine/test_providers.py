"""ONNX Runtime's providers: had as asked for, or refused in two lines. The packages for GPUs are not here, or
find none; what they say for themselves is in `test_real_providers.py`."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from tests import tiny
from tests.calibration.make import ranges_of, tiny_graph
from tests.engine.samples import ORIN, RTX4070
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.backends.opening import open_model
from tosa_edge.builder import build as building
from tosa_edge.builder.steps import Steps
from tosa_edge.calibration.placement import find_layers, for_form
from tosa_edge.calibration.qdq import insert_qdq
from tosa_edge.cli import app
from tosa_edge.depth_model import DepthModel
from tosa_edge.engine import load, providers
from tosa_edge.engine.manifest import Provider, read_manifest
from tosa_edge.engine.names import manifest_path
from tosa_edge.engine.providers import AUTO, CPU, CUDA, RTX, TENSORRT
from tosa_edge.engine.this_machine import this_machine
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.graph import LoadedGraph


@pytest.fixture
def gpu(monkeypatch):
    """A GPU, and the packages of all three providers; the session is the CPU's."""
    monkeypatch.setattr(providers, "find_gpu", lambda: RTX4070)
    monkeypatch.setattr(providers, "version", lambda name: "1.0")
    monkeypatch.setattr(providers, "_registered", lambda: None)
    names = [*providers.NAMES.values()]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)


@pytest.fixture
def graph():
    return LoadedGraph(tiny.model(tiny.selective_info()), tiny.selective_info(), "tiny")


def works(monkeypatch, *names):
    """These start, and compute; what stands for them is the CPU, under their name."""

    def on_gpu(data, options, provider, kinds):
        session = onnxruntime.InferenceSession(data, options, providers=[providers.NAMES[CPU]])
        if provider not in names:
            return session  # as ONNX Runtime does it: with the CPU, and without a word
        return Named(session, provider)

    monkeypatch.setattr(providers, "_on_gpu", on_gpu)


class Named:
    def __init__(self, session, provider, left=()):
        self._session, self._name, self._left = session, providers.NAMES[provider], left

    def get_providers(self):
        return [self._name, providers.NAMES[CPU]]

    def get_provider_graph_assignment_info(self):
        return [SimpleNamespace(ep_name=self._name, get_nodes=list)]

    def __getattr__(self, name):
        return getattr(self._session, name)


def test_without_a_gpu_nothing_changes(monkeypatch):
    monkeypatch.setattr(providers, "find_gpu", lambda: None)
    for here in ((), (RTX, TENSORRT, CUDA)):
        monkeypatch.setattr(providers, "installed", lambda here=here: here)
        assert providers.select_provider(AUTO) == (CPU, ())


@pytest.mark.parametrize("provider", [CUDA, TENSORRT, RTX])
def test_one_that_is_not_installed(monkeypatch, provider):
    monkeypatch.setattr(providers, "version", lambda name: None)
    with pytest.raises(MachineLacks, match="is not installed") as error:
        providers.select_provider(provider)
    assert "pip install" in error.value.remedy


@pytest.mark.parametrize("provider", [CUDA, TENSORRT, RTX])
def test_without_a_gpu_none_is_tried(gpu, monkeypatch, provider, graph):
    monkeypatch.setattr(providers, "find_gpu", lambda: None)
    with pytest.raises(MachineLacks, match="needs an NVIDIA GPU") as error:
        OnnxRuntimeBackend(graph, provider=provider).activate()
    assert "--provider cpu" in error.value.remedy


@pytest.mark.parametrize("provider", [CUDA, TENSORRT, RTX])
def test_onnx_runtime_that_goes_on_with_the_cpu_is_not_believed(gpu, monkeypatch, provider, graph):
    works(monkeypatch)  # none of them
    with pytest.raises(MachineLacks, match="does not start") as error:
        OnnxRuntimeBackend(graph, provider=provider).activate()
    assert "\n" not in error.value.what + error.value.remedy


def test_one_that_starts_and_leaves_the_work_to_the_cpu(gpu, monkeypatch):
    """Which only the session itself can tell: here a real one, all of whose nodes are on the CPU."""

    def on_gpu(data, options, provider, kinds):
        session = onnxruntime.InferenceSession(data, options, providers=[providers.NAMES[CPU]])
        if not hasattr(session, "get_provider_graph_assignment_info"):
            pytest.skip(f"ONNX Runtime {onnxruntime.__version__} does not tell")
        session.get_providers = lambda: [providers.NAMES[CUDA], providers.NAMES[CPU]]
        return session

    monkeypatch.setattr(providers, "_on_gpu", on_gpu)
    with pytest.raises(MachineLacks, match="leaves 1 MatMul to the CPU"):
        providers.start(CUDA)


def test_tensorrt_that_leaves_the_work_to_cuda_is_not_tensorrt(gpu, monkeypatch):
    works(monkeypatch, TENSORRT)
    left = SimpleNamespace(
        ep_name=providers.NAMES[CUDA],
        get_nodes=lambda: [SimpleNamespace(op_type=kind) for kind in ("MatMul", "Add", "MatMul")],
    )
    monkeypatch.setattr(Named, "get_provider_graph_assignment_info", lambda session: [left])
    with pytest.raises(MachineLacks, match="for TensorRT leaves 2 MatMul to CUDA\n"):
        providers.start(TENSORRT)


def test_what_was_compiled_is_for_one_version_and_one_gpu(gpu, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = [providers._cache(provider, "model") for provider in (TENSORRT, TENSORRT, RTX)]
    monkeypatch.setattr(providers, "version", lambda name: "1.1")
    found.append(providers._cache(TENSORRT, "model"))
    monkeypatch.setattr(providers.machine, "version_of", lambda name: "10.9")
    found.append(providers._cache(TENSORRT, "model"))
    monkeypatch.setattr(providers, "find_gpu", lambda: ORIN)
    found.append(providers._cache(TENSORRT, "model"))
    found.append(providers._cache(TENSORRT, "another"))
    assert len(set(found)) == len(found) - 1
    assert found[0] == found[1]
    assert all(folder.is_dir() for folder in found)


def test_auto_takes_the_best_that_starts_and_says_what_it_passed_over(gpu, monkeypatch):
    works(monkeypatch, CUDA)
    found, notes = providers.select_provider(AUTO)
    assert found == CUDA
    assert [note.split(":")[0] for note in notes[:2]] == [
        "--provider rtx is passed over",
        "--provider tensorrt is passed over",
    ]
    assert notes[2].endswith("by its provider cuda")
    works(monkeypatch)
    found, notes = providers.select_provider(AUTO)
    assert (found, len(notes)) == (CPU, 3)


def test_auto_goes_on_where_the_model_itself_is_refused(gpu, monkeypatch, tmp_path, caplog):
    works(monkeypatch, TENSORRT, CUDA)
    left = SimpleNamespace(ep_name=providers.NAMES[CPU], get_nodes=lambda: [SimpleNamespace(op_type="Conv")])

    def given(session):
        return [left] if session._name == providers.NAMES[TENSORRT] else []

    monkeypatch.setattr(Named, "get_provider_graph_assignment_info", given)
    model = tiny.save(tmp_path / "m.onnx", tiny.selective_info())
    assert open_model(str(model)).provider == CUDA
    assert "--provider tensorrt is passed over" in caplog.text
    assert "leaves 1 Conv to the CPU" in caplog.text


def test_the_kinds_of_numbers_are_seen_in_the_graph():
    float32 = tiny.model(tiny.selective_info())
    assert providers.kinds_of(float32) == frozenset()
    half = tiny_graph(precision="fp16").proto
    assert providers.kinds_of(half) == {providers.HALF}
    layers = for_form(find_layers(half), "symmetric", True)
    int8 = insert_qdq(half, layers, ranges_of(tiny_graph(precision="fp16")), "symmetric")
    assert providers.kinds_of(int8) == {providers.HALF, providers.INT8}


def test_onnxruntime_over_onnxruntime_gpu(monkeypatch, gpu):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [providers.NAMES[CPU]])
    with pytest.raises(MachineLacks, match="knows no CUDA") as error:
        providers.require(CUDA)
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in error.value.remedy


def test_an_onnx_runtime_before_plugins(monkeypatch):
    monkeypatch.setattr(onnxruntime, "__version__", "1.23.2")
    with pytest.raises(MachineLacks, match=r"ONNX Runtime 1\.23\.2 is too old"):
        providers._registered()


def test_a_choice_that_there_is_not():
    for ask in (providers.select_provider, lambda name: open_model("tosa_depth_t", provider=name)):
        with pytest.raises(TosaEdgeError, match="there is no --provider 'gpu'"):
            ask("gpu")


# Engines


@pytest.fixture
def machine(gpu, monkeypatch):
    works(monkeypatch, CUDA)
    here = replace(
        this_machine(("onnxruntime",)), gpu=RTX4070, providers={"rtx": None, "tensorrt": "1.0", "cuda": "1.0"}
    )
    here = replace(here, host=replace(here.host, gpu=RTX4070.name, sm=RTX4070.sm))
    monkeypatch.setattr(load, "this_machine", lambda backends=(): here)
    monkeypatch.setattr(building, "build", partial(building.build, steps=Steps(machine=lambda _: here)))
    return here


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def engine(machine, tmp_path):
    model = tiny.save(tmp_path / "m.onnx", tiny.info())
    done = call("build", model, "--provider", "cuda", "-o", tmp_path, "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["backend"], answer["validation"]) == ("onnxruntime", "passed")
    return next(tmp_path.glob("*.onnxruntime.cuda.onnx"))


def test_an_engine_remembers_its_provider(engine, tmp_path):
    assert read_manifest(manifest_path(engine)).provider == Provider(CUDA, "1.0")
    frame = tiny.picture()
    with DepthModel.load(str(engine)) as model:
        assert model.provider == CUDA
        np.testing.assert_allclose(model(frame), tiny.expected_depth(frame), atol=1e-6)
    with pytest.raises(TosaEdgeError, match="with --provider cuda, and --provider cpu was asked for"):
        DepthModel.load(str(engine), provider=CPU)
    refused = call("validate", engine, "--provider", "rtx")
    assert (refused.exit_code, "Leave --provider out" in refused.stderr) == (2, True)
    again = call("build", tmp_path / "m.onnx", "--provider", "cuda", "-o", engine, "--json")
    assert json.loads(again.stdout)["reused"] is True
    assert "provider cuda 1.0" in call("inspect", engine).stdout


@pytest.mark.parametrize(
    ("changes", "what", "code"),
    [
        ({"gpu": None}, "needs an NVIDIA GPU", 3),
        ({"providers": {}}, "provider cuda, which is not installed", 3),
        ({"providers": {"cuda": "2.0"}}, "provider cuda 1.0, and this is 2.0", 2),
        ({"gpu": replace(RTX4070, name="NVIDIA GeForce RTX 3060", sm=86)}, "the GPU here is", 2),
    ],
)
def test_an_engine_where_it_does_not_fit(engine, machine, monkeypatch, changes, what, code):
    there = replace(machine, **changes)
    monkeypatch.setattr(load, "this_machine", lambda backends=(): there)
    with pytest.raises(TosaEdgeError, match=what) as error:
        DepthModel.load(str(engine))
    assert error.value.exit_code == code
    assert code == 3 or "--provider cuda" in error.value.remedy


def test_a_provider_that_does_not_start_any_more(engine, monkeypatch):
    works(monkeypatch)
    with pytest.raises(MachineLacks, match="does not start"):
        DepthModel.load(str(engine))


def test_the_manifest_of_an_engine_for_the_cpu_names_none(tmp_path):
    model = tiny.save(tmp_path / "m.onnx", tiny.info())
    done = call("build", model, "--backend", "onnxruntime", "--no-validate", "-o", tmp_path / "e.onnx")
    assert done.exit_code == 0, done.stderr
    manifest = read_manifest(manifest_path(tmp_path / "e.onnx"))
    assert manifest.provider is None


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (["--provider", "cuda", "--backend", "tensorrt"], 2, "--provider cuda is of ONNX Runtime"),
        (["--provider", "gpu"], 2, "there is no --provider 'gpu'"),
        (["--provider", "rtx"], 3, "ONNX Runtime's provider for TensorRT-RTX is not installed"),
    ],
)
def test_what_a_build_refuses(monkeypatch, tmp_path, words, code, what):
    monkeypatch.setattr(providers, "version", lambda name: None)
    done = call("build", tiny.save(tmp_path / "m.onnx"), *words, "-o", tmp_path / "out")
    assert done.exit_code == code
    assert what in done.stderr
    assert not (tmp_path / "out").exists()
