"""Polygraphy itself, its Python API and its command line, takes the bundled models as they lie there, and the
files that we write for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.engine.samples import for_rtx
from tests.validate.samples import tiny_folder
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.backends.opening import OpenedModel
from tosa_edge.bench.variant_graph import feeds_for
from tosa_edge.engine import TENSORRT_RTX
from tosa_edge.engine.load import load_graph
from tosa_edge.engine.this_machine import this_machine
from tosa_edge.find_model import ASSETS, bundled_models
from tosa_edge.validate.engine_under_test import EngineUnderTest
from tosa_edge.validate.reproduce import RTX_SWITCH, FailureCase, feeds_json, outputs_json, reproduce

MODEL = bundled_models()[0]


def polygraphy(*words: object, **environment: str) -> subprocess.CompletedProcess:
    tool = str(Path(sys.executable).with_name("polygraphy"))
    done = subprocess.run(
        [tool, *map(str, words)], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done


@pytest.mark.parametrize("variant", ["g1", "g1.reuse"])
def test_its_comparators_find_our_backend_and_its_runner_alike(tmp_path, variant):
    """For whoever wants them: our outputs, in its form, beside those of its own runner."""
    from polygraphy.backend.onnxrt import OnnxrtRunner, SessionFromOnnx
    from polygraphy.comparator import Comparator, RunResults, SimpleCompareFunc
    from polygraphy.json import from_json

    graph = load_graph(f"{tiny_folder(tmp_path)}:{variant}")
    feeds = [feeds_for(graph.info)]
    with OnnxRuntimeBackend(graph) as backend:
        ours = [backend.infer(feed) for feed in feeds]
    loaded = from_json(feeds_json(feeds))
    np.testing.assert_array_equal(loaded[0]["image"], feeds[0]["image"])
    results = Comparator.run([OnnxrtRunner(SessionFromOnnx(graph.bytes()), name="its")], data_loader=loaded)
    results.extend(RunResults.from_json(outputs_json(ours, "ours")))
    compare = SimpleCompareFunc(atol=1e-4, rtol=1e-4)
    assert bool(Comparator.compare_accuracy(results, compare_func=compare))
    wrong = [{**ours[0], "depth": ours[0]["depth"] + 1}]
    results[1] = RunResults.from_json(outputs_json(wrong, "ours"))[0]
    assert not bool(Comparator.compare_accuracy(results, compare_func=compare))


def test_the_files_are_those_that_it_writes_itself():
    import json

    from polygraphy.comparator import RunResults
    from polygraphy.json import to_json

    arrays = [{"depth": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"depth": np.full((2, 3), np.nan)}]
    results = RunResults()
    results.add(arrays, runner_name="float32")
    assert json.loads(results.to_json()) == json.loads(outputs_json(arrays, "float32"))
    assert json.loads(to_json(arrays)) == json.loads(feeds_json(arrays))


def test_the_command_line_inspects_a_bundled_graph():
    said = polygraphy("inspect", "model", ASSETS / MODEL / "g1.onnx", "--show", "layers").stdout
    assert "kept [dtype=int32" in said
    assert "TokenScatter" in said


def test_the_command_line_runs_a_bundled_graph_with_given_patches(tmp_path):
    graph = load_graph(f"{MODEL}:g1.reuse")
    (tmp_path / "inputs.json").write_text(feeds_json([feeds_for(graph.info)]))
    path = ASSETS / MODEL / "g1.reuse.onnx"
    said = polygraphy("run", path, "--onnxrt", "--load-inputs", tmp_path / "inputs.json").stdout
    assert "PASSED" in said


def test_the_command_for_tensorrt_as_far_as_it_goes_without_a_gpu(tmp_path):
    """It is made and its arguments are taken; it cannot be run here."""
    graph = load_graph(f"{tiny_folder(tmp_path)}:g1")
    opened = OpenedModel(OnnxRuntimeBackend(graph), graph.info, "e", TENSORRT_RTX)
    under_test = EngineUnderTest(tmp_path / "e.engine", opened, "fp32", "tiny:g1", graph, manifest=for_rtx())
    feeds = [feeds_for(graph.info)]
    case = FailureCase("depth", [np.zeros((1, 56, 84), np.float32)], 0.1, graph)
    command = reproduce(under_test, case, feeds, tmp_path / "failed")
    switch, tool, *words = command.split()
    assert (switch, tool) == (f"{RTX_SWITCH}=1", "polygraphy")
    script = polygraphy(*words, "--gen-script", "-", **{RTX_SWITCH: "1"}).stdout
    assert "TrtRunner" in script
    assert "strongly_typed=True" in script


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_engine_for_the_gpu_here_is_as_right_as_onnx_runtime(tmp_path, backend, precision):
    """Never run so far: written on a machine without a GPU."""
    if not this_machine().versions.get(backend):
        pytest.skip(f"{backend} is not installed")
    words = ["build", f"{MODEL}:g1", "--precision", precision, "--backend", backend, "-o", str(tmp_path)]
    done = subprocess.run([sys.executable, "-m", "tosa_edge", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "validation: passed" in done.stderr
