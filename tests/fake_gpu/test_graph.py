"""Captured CUDA graphs: replayed, or given up with one line and the right numbers."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from tests import tiny
from tests.fake_gpu import models
from tests.fake_gpu import trt as fake_trt
from tosa_edge.errors import TosaEdgeError

FRAMES = [tiny.picture(seed=seed) for seed in range(4)]


def right(backend) -> None:
    for frame in FRAMES:
        depth = backend.infer({"image": frame[None]})["depth"][0]
        np.testing.assert_allclose(depth, tiny.expected_depth(frame), atol=1e-6)


def test_captured_once_after_a_first_run_and_launched_from_then_on(fake, trt, caplog):
    begun, launched = fake.calls("cuStreamBeginCapture"), fake.calls("cuGraphLaunch")
    with models.open_tensorrt(trt) as backend:
        right(backend)
        assert fake.calls("cuStreamBeginCapture") - begun == 1
        assert fake.calls("cuGraphLaunch") - launched == len(FRAMES) - 1
        assert backend.graph_refused is None
        assert fake.live()["graph exec"] == 1
        assert "graph" not in fake.live()
    assert not caplog.records


def test_asked_not_to_it_captures_nothing_and_says_nothing(fake, trt, caplog):
    begun = fake.calls("cuStreamBeginCapture")
    with models.open_tensorrt(trt, graphs=False) as backend:
        right(backend)
        assert backend.graph_refused == "off, as was asked for"
    assert fake.calls("cuStreamBeginCapture") == begun
    assert not caplog.records


@pytest.mark.parametrize(
    ("function", "code", "name"),
    [
        ("cuStreamBeginCapture", 900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"),
        ("cuStreamEndCapture", 901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"),
        ("cuGraphInstantiate", 2, "CUDA_ERROR_OUT_OF_MEMORY"),
    ],
)
def test_a_driver_that_cannot_capture(fake, trt, caplog, function, code, name):
    fake.fail(function, code)
    backend = models.open_tensorrt(trt)
    backend.activate()
    if function == "cuStreamEndCapture":
        fake.fail(function, 0)
        fake_trt.behaviour["synchronises"] = True
    right(backend)
    fake.fail(function, 0)
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert "tiny runs without a CUDA graph" in said.getMessage()
    assert "\n" not in said.getMessage()
    if function != "cuStreamEndCapture":
        assert name in said.getMessage()
        assert name in backend.graph_refused
    right(backend)
    assert len(caplog.records) == 1
    backend.deactivate()


def test_a_layer_that_waits_for_the_gpu_in_the_middle(fake, trt, caplog):
    """The capture is lost, not the frame; and the stream is not left in it."""
    fake_trt.behaviour["synchronises"] = True
    with models.open_tensorrt(trt) as backend:
        right(backend)
        assert "CAPTURE_INVALIDATED" in backend.graph_refused
    assert len(caplog.records) == 1


def test_an_engine_that_refuses_while_it_is_captured(fake, trt, caplog, monkeypatch):
    real, turns = fake_trt.ExecutionContext.execute_async_v3, []

    def second_fails(self, stream_handle):
        turns.append(stream_handle)
        return False if len(turns) == 2 else real(self, stream_handle)

    monkeypatch.setattr(fake_trt.ExecutionContext, "execute_async_v3", second_fails)
    with models.open_tensorrt(trt) as backend:
        right(backend)
        assert backend.graph_refused == "TensorRT did not run tiny; its log says why"
    assert len(caplog.records) == 1


def test_tensorrt_rtx_says_beforehand_that_it_cannot(fake, trt, caplog, monkeypatch):
    begun = fake.calls("cuStreamBeginCapture")
    monkeypatch.setattr(
        fake_trt.ExecutionContext, "is_stream_capturable", lambda self, stream: False, raising=False
    )
    with models.open_tensorrt(trt) as backend:
        right(backend)
        assert "cannot be captured" in backend.graph_refused
    assert fake.calls("cuStreamBeginCapture") == begun
    assert len(caplog.records) == 1


def test_a_graph_that_cannot_be_launched_any_more(fake, trt, caplog):
    with models.open_tensorrt(trt) as backend:
        right(backend)
        fake.fail("cuGraphLaunch", 719)
        right(backend)
        assert "CUDA_ERROR_LAUNCH_FAILED" in backend.graph_refused
        assert "graph exec" not in fake.live()
    fake.fail("cuGraphLaunch", 0)
    assert len(caplog.records) == 1


def test_an_engine_that_never_runs_is_an_error_and_no_fallback(fake, trt, caplog):
    fake_trt.behaviour["refuses"] = True
    with models.open_tensorrt(trt) as backend, pytest.raises(TosaEdgeError, match="did not run tiny"):
        right(backend)
    assert not caplog.records
