"""Which backend, and whose layers: the best there is, or what was named, or two lines that say why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.samples import ORIN, RTX4070, machine
from tosa_edge.engine import ONNXRUNTIME, TENSORRT, TENSORRT_RTX
from tosa_edge.engine.select_backend import AUTO, NATIVE, PLUGIN, choose_plugin, select_backend
from tosa_edge.errors import MachineLacks, TosaEdgeError

H200 = replace(RTX4070, name="NVIDIA H200", sm=90)
A100 = replace(RTX4070, name="NVIDIA A100", sm=80)


def without(*backends, gpu=None):
    return machine(gpu, versions={**machine().versions, **dict.fromkeys(backends)})


@pytest.mark.parametrize(
    ("here", "backend"),
    [
        (machine(), ONNXRUNTIME),
        (machine(ORIN), TENSORRT),
        (machine(RTX4070), TENSORRT),
        (without(TENSORRT, gpu=RTX4070), TENSORRT_RTX),
        (without(TENSORRT, gpu=H200), ONNXRUNTIME),  # no RTX card
        (without(TENSORRT, gpu=A100), ONNXRUNTIME),
        (without(TENSORRT, TENSORRT_RTX, gpu=RTX4070), ONNXRUNTIME),
        (machine(ORIN, versions={**machine().versions, TENSORRT: "8.6.1"}), ONNXRUNTIME),
    ],
)
def test_auto_is_the_best_that_runs_here(here, backend):
    assert select_backend(AUTO, here).backend == backend


def test_auto_says_what_else_could_be():
    assert "--backend tensorrt-rtx builds for RTX cards" in select_backend(AUTO, machine()).notes[0]
    note = select_backend(AUTO, without(TENSORRT, TENSORRT_RTX, gpu=RTX4070)).notes[0]
    assert note == (
        "NVIDIA GeForce RTX 4070 is not used: TensorRT-RTX is not installed. Do: pip install 'tosa-edge[rtx]'"
    )
    assert "'tosa-edge[tensorrt]'" in select_backend(AUTO, without(TENSORRT, gpu=H200)).notes[0]


@pytest.mark.parametrize(
    ("backend", "here", "what", "remedy"),
    [
        (TENSORRT, without(TENSORRT), "TensorRT is not installed", "pip install 'tosa-edge[tensorrt]'"),
        (TENSORRT_RTX, without(TENSORRT_RTX), "TensorRT-RTX is not installed", "'tosa-edge[rtx]'"),
        (TENSORRT, machine(), "on the GPU it is to run on", "--backend tensorrt-rtx"),
        (
            TENSORRT,
            machine(ORIN, versions={TENSORRT: "8.6.1"}),
            "TensorRT 8.6.1 is too old",
            "JetPack 6.1 or later",
        ),
    ],
)
def test_what_is_not_there_is_never_replaced(backend, here, what, remedy):
    with pytest.raises(MachineLacks) as error:
        select_backend(backend, here)
    assert what in error.value.what
    assert remedy in error.value.remedy


def test_targets_are_for_tensorrt_rtx():
    assert select_backend(TENSORRT_RTX, machine(), (86,)).backend == TENSORRT_RTX
    for backend in (AUTO, ONNXRUNTIME, TENSORRT):
        with pytest.raises(TosaEdgeError, match="--target is for tensorrt-rtx"):
            select_backend(backend, machine(ORIN), (86,))


HERE = Path("libtosa_edge_plugins.so")


@pytest.mark.parametrize(
    ("given", "ways"),
    [
        (("auto", TENSORRT, HERE, 8), (NATIVE, PLUGIN)),
        (("on", TENSORRT, HERE, 8), (PLUGIN,)),
        (("off", TENSORRT, HERE, 8), (NATIVE,)),
        (("auto", TENSORRT, HERE, 0), (NATIVE,)),  # dense
        (("auto", TENSORRT, None, 8), (NATIVE,)),
        (("auto", TENSORRT_RTX, HERE, 8), (NATIVE,)),
        (("off", ONNXRUNTIME, None, 8), (NATIVE,)),
    ],
)
def test_whose_layers(given, ways):
    chosen = choose_plugin(*given)
    assert chosen.layer_kinds == ways
    assert bool(chosen.notes) == (given == ("auto", TENSORRT, None, 8))


@pytest.mark.parametrize(
    ("given", "error", "what", "remedy"),
    [
        (("on", TENSORRT, None, 8), MachineLacks, "is not built here", "docs/plugin.md"),
        (("on", TENSORRT, HERE, 0), TosaEdgeError, "selects no tokens", "another MODEL"),
        (("on", ONNXRUNTIME, HERE, 8), TosaEdgeError, "is for onnxruntime", "--backend tensorrt"),
        (("perhaps", TENSORRT, HERE, 8), TosaEdgeError, "no --plugin perhaps", "auto, on, off"),
    ],
)
def test_on_is_had_or_refused(given, error, what, remedy):
    with pytest.raises(error) as told:
        choose_plugin(*given)
    assert what in told.value.what
    assert remedy in told.value.remedy
