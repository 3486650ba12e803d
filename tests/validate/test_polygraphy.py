"""Polygraphy itself, its Python API and its command line, takes the bundled models as they lie there."""

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
from tosa_edge.bench.graphs import feeds_for
from tosa_edge.engine.host import this_machine
from tosa_edge.engine.load import load_graph
from tosa_edge.model import ASSETS, bundled_models
from tosa_edge.validate.reproduce import Case, reproduce
from tosa_edge.validate.runners import RTX_SWITCH, on_onnxruntime, outputs_of, saved
from tosa_edge.validate.subject import of_engine

MODEL = bundled_models()[0]


def polygraphy(*words: object, **environment: str) -> subprocess.CompletedProcess:
    tool = str(Path(sys.executable).with_name("polygraphy"))
    done = subprocess.run(
        [tool, *map(str, words)], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done


@pytest.mark.parametrize("variant", ["g1", "g3.reuse"])
def test_the_python_interface_runs_a_bundled_graph(variant, capfd):
    graph = load_graph(f"{MODEL}:{variant}")
    feeds = feeds_for(graph.info)
    runs = []
    (found,) = outputs_of(on_onnxruntime(graph), [feeds], lambda: runs.append(1))
    with OnnxRuntimeBackend(graph) as backend:
        np.testing.assert_array_equal(found["depth"], backend.infer(feeds)["depth"])
    assert runs == [1]
    assert capfd.readouterr().out == ""  # stdout belongs to --json


def test_torch_is_not_imported_by_a_comparison():
    code = f"""
import sys
from tosa_edge.validate.runners import on_onnxruntime, outputs_of
from tosa_edge.bench.graphs import feeds_for
from tosa_edge.engine.load import load_graph
graph = load_graph("{MODEL}:g3")
outputs_of(on_onnxruntime(graph), [feeds_for(graph.info)])
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_command_line_inspects_a_bundled_graph():
    said = polygraphy("inspect", "model", ASSETS / MODEL / "g1.onnx", "--show", "layers").stdout
    assert "kept [dtype=int32" in said
    assert "TokenScatter" in said


def test_the_command_line_runs_a_bundled_graph_with_given_patches(tmp_path):
    graph = load_graph(f"{MODEL}:g1.reuse")
    saved([feeds_for(graph.info)], str(tmp_path / "inputs.json"))
    path = ASSETS / MODEL / "g1.reuse.onnx"
    said = polygraphy("run", path, "--onnxrt", "--load-inputs", tmp_path / "inputs.json").stdout
    assert "PASSED" in said


@pytest.mark.skipif(this_machine().gpu is not None, reason="this machine has a GPU")
def test_the_tensorrt_side_as_far_as_it_goes_without_a_gpu(tmp_path):
    """The runner and the command are made and their arguments taken; neither can be run here."""
    graph = load_graph(f"{tiny_folder(tmp_path)}:g1")
    path = tmp_path / "e.engine"
    code = f"""
from pathlib import Path
from tests.engine.samples import for_rtx
from tosa_edge.engine.load import load_graph
from tosa_edge.validate.subject import of_engine
subject = of_engine(Path("e.engine"), for_rtx(), b"plan", load_graph({str(tmp_path / "tiny")!r}))
runner = subject.runner()
from polygraphy import config
from polygraphy.backend.trt import TrtRunner
assert config.USE_TENSORRT_RTX and isinstance(runner, TrtRunner)
runner, tensors, graph = subject.revealing()  # built once more, by the real builder
assert isinstance(runner, TrtRunner) and len(tensors) == 5, tensors
assert len(graph.proto.graph.output) == 7
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    subject = of_engine(path, for_rtx(), b"plan", graph)
    feeds = [feeds_for(graph.info)]
    case = Case("depth", [np.zeros((1, 56, 84), np.float32)], 0.1, graph)
    command = reproduce(subject, case, feeds, tmp_path / "failed")
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
