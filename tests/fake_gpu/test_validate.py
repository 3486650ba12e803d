"""`validate` of a TensorRT engine: through contexts, memory and captured graphs, as `run` goes."""

from __future__ import annotations

import hashlib

import pytest

from tests import tiny
from tests.fake_gpu import models
from tosa_edge.backends.opening import open_serialized
from tosa_edge.backends.tensorrt import TensorRtBackend
from tosa_edge.cuda.driver import bindings
from tosa_edge.cuda.graph import Replay
from tosa_edge.engine.this_machine import this_machine
from tosa_edge.errors import MachineLacks
from tosa_edge.validate import engine_under_test
from tosa_edge.validate.validate import validate


@pytest.fixture(autouse=True)
def this_one(fake, trt, monkeypatch):
    this_machine.cache_clear()  # with TensorRT
    monkeypatch.setattr("tosa_edge.validate.pictures.COUNT", 3)
    # The builder's own part, once more, with more outputs.
    built = lambda graph, manifest, label: open_serialized(trt, graph.bytes(), label)  # noqa: E731
    monkeypatch.setattr(engine_under_test, "_built", built)
    yield
    this_machine.cache_clear()


@pytest.fixture
def engine(tmp_path):
    source = tiny.save(tmp_path / "tiny.onnx", tiny.info())
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    return models.engine(tmp_path, tiny.info(), precision="fp32", model_sha256=digest)


def test_it_runs_by_captured_graphs(engine, fake):
    before = fake.calls("cuGraphLaunch")
    result = validate(str(engine))
    assert result["passed"], result
    assert (result["backend"], result["pictures"]) == ("tensorrt", 3)
    assert fake.calls("cuGraphLaunch") == before + 2  # the first is plain, and captured after


@pytest.mark.parametrize("name", ["ILLEGAL_ADDRESS", "LAUNCH_FAILED", "LAUNCH_TIMEOUT", "MISALIGNED_ADDRESS"])
def test_an_engine_that_crashes_the_gpu_has_failed(engine, fake, monkeypatch, name):
    crash(monkeypatch, fake, name)
    result = validate(str(engine))
    assert [(check["name"], check["passed"]) for check in result["checks"]] == [("runs", False)]
    assert result["notes"][0].endswith(f": CUDA_ERROR_{name}")


def test_an_engine_that_finds_no_memory_has_not_failed(engine, fake, monkeypatch):
    crash(monkeypatch, fake, "OUT_OF_MEMORY")
    with pytest.raises(MachineLacks, match="OUT_OF_MEMORY"):
        validate(str(engine))


def crash(monkeypatch, fake, name):
    """From the first frame on, as a driver does it: to whoever waits for the GPU."""
    code = getattr(bindings().CUresult, f"CUDA_ERROR_{name}")
    infer = TensorRtBackend.infer

    def crashing(backend, feeds):
        fake.fail("cuStreamSynchronize", int(code))
        return infer(backend, feeds)

    monkeypatch.setattr(TensorRtBackend, "infer", crashing)


def test_what_only_a_replay_gets_wrong_is_seen(engine, monkeypatch):
    real = Replay.__call__
    monkeypatch.setattr(Replay, "__call__", lambda replay: None if replay.captured else real(replay))
    result = validate(str(engine))  # depth stays that of the first picture
    assert [check["name"] for check in result["checks"] if not check["passed"]] == ["depth_error"]
    assert "--trt" in result["reproduce"]
