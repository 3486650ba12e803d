"""Which backend: the best there is, or the one that was named, or two lines that say why not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.samples import ORIN, RTX4070, machine
from tosa_edge.engine import ONNXRUNTIME, TENSORRT, TENSORRT_RTX
from tosa_edge.engine.auto import AUTO, choose
from tosa_edge.errors import MachineLacks, TosaEdgeError

H200 = replace(RTX4070, name="NVIDIA H200", sm=90)


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
        (without(TENSORRT, TENSORRT_RTX, gpu=RTX4070), ONNXRUNTIME),
        (machine(ORIN, versions={**machine().versions, TENSORRT: "8.6.1"}), ONNXRUNTIME),
    ],
)
def test_auto_is_the_best_that_runs_here(here, backend):
    assert choose(AUTO, here).backend == backend


def test_auto_says_what_else_could_be():
    assert "--backend tensorrt-rtx builds for RTX cards" in choose(AUTO, machine()).notes[0]
    note = choose(AUTO, without(TENSORRT, TENSORRT_RTX, gpu=RTX4070)).notes[0]
    assert note == (
        "NVIDIA GeForce RTX 4070 is not used: TensorRT-RTX is not installed. Do: pip install 'tosa-edge[rtx]'"
    )
    assert "'tosa-edge[tensorrt]'" in choose(AUTO, without(TENSORRT, gpu=H200)).notes[0]


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
        choose(backend, here)
    assert what in error.value.what
    assert remedy in error.value.remedy


def test_targets_are_for_tensorrt_rtx():
    assert choose(TENSORRT_RTX, machine(), (86,)).backend == TENSORRT_RTX
    for backend in (AUTO, ONNXRUNTIME, TENSORRT):
        with pytest.raises(TosaEdgeError, match="--target is for tensorrt-rtx"):
            choose(backend, machine(ORIN), (86,))
