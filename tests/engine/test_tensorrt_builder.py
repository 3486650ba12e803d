"""The TensorRT builder, through TensorRT-RTX, which needs no GPU; and what only TensorRT does, by fakes."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import SimpleNamespace

import onnx
import pytest

from tests import tiny
from tests.engine.samples import ORIN, RTX4070
from tests.media import left_behind
from tosa_edge import machine
from tosa_edge.builder.build import BuildProgress, build
from tosa_edge.engine import TENSORRT, TENSORRT_RTX
from tosa_edge.engine.load import check_engine
from tosa_edge.engine.tensorrt_builder import (
    build_serialized_engine,
    check_plugins,
    known_targets,
    workspace_limit,
)
from tosa_edge.engine.tensorrt_progress import Phases, interruptible
from tosa_edge.engine.timing_cache import cache_file, timing_cache
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.find_model import DEFAULT_MODEL
from tosa_edge.graph import LoadedGraph

trt = pytest.importorskip("tensorrt_rtx")


def graph(about=None) -> LoadedGraph:
    about = about or tiny.selective_info()
    return LoadedGraph(tiny.model(about), about, "tiny")


@pytest.mark.parametrize("about", [tiny.info(), tiny.selective_info(), tiny.selective_info(form="reuse")])
def test_builds_every_form(about):
    plan = build_serialized_engine(trt, TENSORRT_RTX, graph(about))
    assert plan.data[:4] == b"vtrt"
    assert (plan.settings["strongly_typed"], plan.settings["tf32"]) == (True, False)
    assert plan.settings["network.plugins"] == 0
    assert plan.settings["network.layers"] > 0


def test_builds_a_bundled_graph_and_says_what_was_not_done(tmp_path):
    shares = []
    progress = BuildProgress(on_step=lambda what, done, total: shares.append(done / total))
    built = build(
        f"{DEFAULT_MODEL}:g3", "fp16", TENSORRT_RTX, targets=(86, 89), out=tmp_path, progress=progress
    )
    assert built.engine.name == f"{DEFAULT_MODEL}-g3-252x336-b1.fp16.tensorrt-rtx.sm86.sm89.engine"
    manifest, data = check_engine(built.engine, to_run=False)
    assert len(data) > 40e6  # the weights, in half
    assert (manifest.targets, manifest.precision, manifest.form) == ((86, 89), "fp16", "portable")
    assert manifest.validation.result == "not run"
    if manifest.host.gpu is None:
        assert manifest.validation.note == "built and parsed, not run: this machine has no NVIDIA GPU"
    assert shares == sorted(shares)
    assert 0 < shares[-1] <= 1


def test_the_targets_it_names_are_those_it_takes():
    known = known_targets(trt)
    assert {80, 86, 89, 120} <= set(known)
    assert build_serialized_engine(trt, TENSORRT_RTX, graph(), tuple(known)).data


def test_a_graph_it_cannot_take_is_one_line_that_names_the_node():
    bad = graph()
    bad.proto.graph.node.append(onnx.helper.make_node("NoSuchOperator", ["depth"], ["x"], name="culprit"))
    with pytest.raises(TosaEdgeError, match=r"TensorRT-RTX .* cannot take tiny: .*NoSuchOperator") as error:
        build_serialized_engine(trt, TENSORRT_RTX, bad)
    assert "culprit" in error.value.what
    assert "\n" not in error.value.what


def test_ctrl_c_ends_the_build_and_leaves_nothing(tmp_path):
    """Pressed at the first step: the builder stops at its next one."""
    model = tiny.save(tmp_path / "m.onnx", tiny.selective_info())
    pressed = []

    def press(*step):
        if not pressed:
            pressed.append(step)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)

    with pytest.raises(KeyboardInterrupt):
        build(str(model), backend=TENSORRT_RTX, out=tmp_path / "e", progress=BuildProgress(on_step=press))
    assert pressed
    assert left_behind(tmp_path) == ["m.onnx"]


def test_ctrl_c_waits_for_the_builder_to_let_go():
    stop, told = threading.Event(), []

    def work():
        os.kill(os.getpid(), signal.SIGINT)
        told.append(stop.wait(10))
        time.sleep(0.2)
        told.append("ended")

    with pytest.raises(KeyboardInterrupt):
        interruptible(work, stop)
    assert told == [True, "ended"]


def test_what_fails_in_the_thread_fails_here():
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0, threading.Event())


def test_a_phase_that_was_never_started_is_no_matter():
    phases = Phases()
    phases.step("another", 3)
    phases.finish("another")
    assert phases.share == 0


def test_progress_goes_up_through_nested_phases():
    phases, seen = Phases(), []
    phases.start("build", 2)
    for half in range(2):
        phases.start("tactics", 4)
        for step in range(4):
            phases.step("tactics", step)
            seen.append(phases.share)
        phases.finish("tactics")
        phases.step("build", half)
        seen.append(phases.share)
    assert seen == [0.125, 0.25, 0.375, 0.5, 0.5, 0.625, 0.75, 0.875, 1.0, 1.0]


def test_plugin_layers_are_as_many_as_they_should_be():
    layers = [SimpleNamespace(type="LayerType.SHUFFLE"), SimpleNamespace(type="LayerType.PLUGIN_V3")]
    network = SimpleNamespace(num_layers=2, get_layer=lambda i: layers[i])
    check_plugins(network, "tiny", 1)
    with pytest.raises(TosaEdgeError, match="tiny became 1 plugin layers, and it has 2 operators"):
        check_plugins(network, "tiny", 2)
    with pytest.raises(TosaEdgeError, match="tiny became 1 plugin layers, and the portable form has none"):
        check_plugins(network, "tiny", 0)


def test_the_workspace_is_limited_where_memory_is_shared(monkeypatch):
    monkeypatch.setattr(machine, "memory_mb", lambda: {"total": 8000, "available": 3000})
    assert workspace_limit(ORIN) == 1500 * 2**20
    assert workspace_limit(RTX4070) is None
    assert workspace_limit(None) is None
    plan = build_serialized_engine(trt, TENSORRT_RTX, graph(), gpu=ORIN)
    assert plan.settings["workspace_bytes"] == 1500 * 2**20


def test_out_of_memory_on_a_jetson_speaks_of_swap(monkeypatch):
    monkeypatch.setattr(machine, "memory_mb", lambda: {"total": 8000, "available": 700})
    from tosa_edge.engine.tensorrt_builder import _failed

    told = _failed(SimpleNamespace(__version__="10.3.0"), TENSORRT, "m", "OutOfMemory (no sm)", ORIN)
    assert isinstance(told, MachineLacks)
    assert told.remedy.startswith("700 MB are free: close other programs, or add swap")


class FakeConfig:
    """The four calls of the timing cache, as TensorRT 10.3 to 11.4 have them."""

    def __init__(self, takes: bool = True) -> None:
        self.takes, self.given, self.cache = takes, [], b""

    def create_timing_cache(self, serialized_timing_cache):
        self.given.append(serialized_timing_cache)
        return serialized_timing_cache

    def set_timing_cache(self, cache, ignore_mismatch):
        assert ignore_mismatch is False
        self.cache = cache
        return self.takes or not cache

    def get_timing_cache(self):
        return SimpleNamespace(serialize=lambda: self.cache + b"+1")


def test_the_timing_cache_is_kept_for_one_version_and_kind_of_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fake = SimpleNamespace(__version__="10.3.0")
    for expected in (b"+1", b"+1+1"):
        with timing_cache(fake, FakeConfig(), ORIN):
            pass
        assert cache_file("10.3.0", ORIN).read_bytes() == expected
    assert cache_file("10.3.0", ORIN).name == "tensorrt-10.3.0-sm87.timing"
    assert cache_file("10.3.0", ORIN) != cache_file("10.4.0", ORIN) != cache_file("10.4.0", RTX4070)
    # One that TensorRT refuses is begun anew.
    config = FakeConfig(takes=False)
    with timing_cache(fake, config, ORIN):
        pass
    assert config.given == [b"+1+1", b""]
    assert cache_file("10.3.0", ORIN).read_bytes() == b"+1"


def test_a_home_that_cannot_be_written_costs_time_only(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with timing_cache(SimpleNamespace(__version__="10.3.0"), FakeConfig(), ORIN):
        pass
    assert left_behind(tmp_path) == ["file"]
