"""What TensorRT-RTX compiles, it compiles once: for all contexts of an engine, and for the next start."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests import tiny
from tests.fake_gpu import models
from tests.fake_gpu import trt as fake_trt
from tosa_edge import DepthModel
from tosa_edge.backends import opening
from tosa_edge.backends.opening import open_model
from tosa_edge.engine import TENSORRT_RTX
from tosa_edge.engine.load import manifest_of
from tosa_edge.engine.this_machine import this_machine


@pytest.fixture
def folder(fake, tmp_path, monkeypatch):
    """Where caches lie; TensorRT-RTX is installed."""
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", fake_trt.rtx_module())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fake_trt.RuntimeCache, "compilations", 0)
    this_machine.cache_clear()
    yield tmp_path / "cache" / "tosa-edge"
    this_machine.cache_clear()


def rtx_engine(folder, **changes):
    given = {"backend": TENSORRT_RTX, "backend_version": "1.7.1.116", "targets": (87,), **changes}
    return models.engine(folder, tiny.selective_info(), **given)


def compilations(engine, calls=1) -> int:
    """How often kernels were compiled for that many calls at once, and that depth came out right."""
    before = fake_trt.RuntimeCache.compilations
    feeds = {"image": tiny.picture()[None]}
    with open_model(str(engine)).backend as backend, models.reference() as reference:
        executions = [backend.acquire() for _ in range(calls)]
        for execution in executions:
            execution.__enter__()
        for execution in executions:
            execution.__exit__(None, None, None)
        np.testing.assert_array_equal(backend.infer(feeds)["depth"], reference.infer(feeds)["depth"])
    return fake_trt.RuntimeCache.compilations - before


def test_contexts_share_it_and_so_does_the_next_start(tmp_path, folder):
    engine = rtx_engine(tmp_path)
    assert compilations(engine, calls=3) == 1
    (kept,) = folder.iterdir()
    assert kept.read_bytes() == b"580\nkernels"
    assert compilations(engine, calls=2) == 0
    assert list(folder.iterdir()) == [kept]


def test_it_is_kept_before_the_first_frame(tmp_path, folder):
    with DepthModel.load(str(rtx_engine(tmp_path))):
        assert b"kernels" in next(folder.iterdir()).read_bytes()


def test_what_another_driver_compiled_is_replaced(tmp_path, folder, monkeypatch):
    """Where the driver's number is not in the name, as on WSL, TensorRT-RTX itself tells."""
    engine = rtx_engine(tmp_path)
    assert compilations(engine) == 1
    monkeypatch.setattr(fake_trt.RuntimeCache, "driver", b"590")
    assert compilations(engine) == 1
    (kept,) = folder.iterdir()
    assert kept.read_bytes() == b"590\nkernels"


def test_the_name_tells_versions_drivers_gpus_and_engines_apart(tmp_path, folder, monkeypatch):
    manifest, here = manifest_of(rtx_engine(tmp_path)), this_machine((TENSORRT_RTX,))
    assert here.gpu is not None
    others = ({}, {"name": "RTX 5090"}, {"driver": "590"})
    machines = [replace(here, gpu=replace(here.gpu, **change)) for change in others]
    changes = ({}, {"backend_version": "1.8.0"}, {"engine_sha256": "f" * 64})
    names = set()
    for machine in machines:
        monkeypatch.setattr(opening, "this_machine", lambda backends, machine=machine: machine)
        names |= {opening.runtime_cache_file(replace(manifest, **change)).name for change in changes}
    assert len(names) == 9
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names)


def test_a_disk_that_takes_nothing_costs_time_alone(tmp_path, folder):
    folder.parent.mkdir()
    folder.write_text("a file is in the way")
    assert compilations(rtx_engine(tmp_path)) == 1


def test_tensorrt_itself_has_none(tmp_path, trt, folder):
    assert compilations(models.engine(tmp_path)) == 0
    assert not folder.exists()
