"""Two signals end any verb, also inside a model that never returns."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests import media, tiny


@pytest.fixture
def folder(tmp_path) -> Path:
    """With a model that counts to 2^62 before it gives its depth."""
    made = tiny.model()
    given = [
        helper.make_tensor_value_info(n, t, [])
        for n, t in (("i", TensorProto.INT64), ("c", TensorProto.BOOL))
    ]
    number = helper.make_tensor_value_info("n", TensorProto.FLOAT, [])
    out = [
        helper.make_tensor_value_info(n, t, [])
        for n, t in (("c2", TensorProto.BOOL), ("n2", TensorProto.FLOAT))
    ]
    steps = [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Identity", ["n"], ["n2"])]
    body = helper.make_graph(steps, "body", [*given, number], out)
    made.graph.node[-1].input[1] = "counted"
    made.graph.node.insert(0, helper.make_node("Loop", ["times", "yes", "most"], ["counted"], body=body))
    made.graph.initializer.append(numpy_helper.from_array(np.array(2**62, np.int64), "times"))
    made.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    onnx.save(made, tmp_path / "m.onnx")
    return tmp_path


def deep_in_the_model(child: subprocess.Popen) -> bool:
    """Waits until ONNX Runtime is there and has computed for longer than anything but the loop takes."""
    began = None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        if began is None and "onnxruntime" in Path(f"/proc/{child.pid}/maps").read_text():
            began = computed(child.pid)
        if began is not None and computed(child.pid) > began + 1.5:
            return True
        time.sleep(0.05)
    return False


def computed(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_model_that_never_returns(folder):
    before = media.left_behind(folder)
    verbs = [
        ["run", "--source", "test://64x48?fps=30", "--engine", "m.onnx", "--out", "o"],
        ["bench", "m.onnx", "--threads", "1"],
    ]
    start = [sys.executable, "-m", "tosa_edge"]
    children = [subprocess.Popen([*start, *verb], cwd=folder, stderr=subprocess.PIPE) for verb in verbs]
    try:
        assert all(map(deep_in_the_model, children))
        for child in children:
            child.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert [child.poll() for child in children] == [None, None]
        assert (folder / "o").is_dir()
        for child, number in zip(children, (signal.SIGTERM, signal.SIGINT), strict=True):
            child.send_signal(number)
        assert [child.wait(timeout=20) for child in children] == [143, 130]
    finally:
        for child in children:
            child.kill()
            child.communicate()
    assert media.left_behind(folder) == before
