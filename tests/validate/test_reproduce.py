"""Where the files of a failure go."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.validate.samples import tiny_folder
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.backends.opening import OpenedModel
from tosa_edge.bench.variant_graph import feeds_for
from tosa_edge.engine import ONNXRUNTIME
from tosa_edge.engine.load import load_graph
from tosa_edge.validate.engine_under_test import EngineUnderTest
from tosa_edge.validate.reproduce import EXPECTED, INPUTS, FailureCase, folder_for, reproduce


def test_a_name_for_a_model_here_is_no_option(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert folder_for(Path("m.onnx"), own=False) == Path("here-m.onnx.failed")


def test_a_former_case_is_replaced_and_a_folder_of_the_users_is_not(tmp_path):
    graph = load_graph(f"{tiny_folder(tmp_path)}:g1")
    opened = OpenedModel(OnnxRuntimeBackend(graph), graph.info, "e", ONNXRUNTIME)
    under_test = EngineUnderTest(tmp_path / "e.onnx", opened, "fp32", "tiny:g1", graph)
    case = FailureCase("depth", [np.zeros((1, 56, 84), np.float32)], 0.1)
    folder, feeds = tmp_path / "e.onnx.failed", [feeds_for(graph.info)]
    for _ in range(2):
        assert str(folder / INPUTS) in reproduce(under_test, case, feeds, folder)
    (folder / "notes.txt").write_text("mine")
    assert str(tmp_path / "e.onnx.failed-2" / INPUTS) in reproduce(under_test, case, feeds, folder)
    assert (folder / "notes.txt").read_text() == "mine"
    assert {p.name for p in (tmp_path / "e.onnx.failed-2").iterdir()} == {INPUTS, EXPECTED}
