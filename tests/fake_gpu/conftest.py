"""These tests run in a process of their own, for which the fake driver is the machine's: ../test_fake_gpu.py
starts it. Collected anywhere else, there is nothing here."""

from __future__ import annotations

import os
import sys

import pytest

from tests.fake_gpu.machine import FOLDER

if FOLDER not in os.environ:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def fake():
    """A discrete GPU with nothing on it, and nothing left on it at the end."""
    import gc

    from tests.fake_gpu.machine import Fake

    found = Fake()
    found.mend()
    gc.collect()  # what tests without this fixture have left in cycles
    before = found.live()
    yield found
    found.mend()
    gc.collect()
    assert found.live() == before
    assert found.depth() == 0


@pytest.fixture
def trt(monkeypatch):
    """TensorRT 10.3, installed; its misbehaviour is over at the end."""
    from tests.fake_gpu import trt as fake_trt

    module = fake_trt.module()
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    yield module
    fake_trt.behaviour.clear()
