"""The kernels without a GPU: in Triton's interpreter, and which of PyTorch's calls they would take."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tosa_edge.nn import operators, tosa
from tosa_edge.plugins import SELECTIVE_ATTENTION, TOKEN_IMPORTANCE, launch

HERE = Path(__file__).parent
HEADS = {"num_heads": 2, "scale": 0.125}


def interpreted(*module, where):
    """Runs a module with kernels for Triton's interpreter.

    In a process of its own: Triton reads the variable while it is imported, and compiles nothing after.
    """
    triton = pytest.importorskip("triton")
    if tuple(map(int, triton.__version__.split(".")[:2])) < (3, 9):
        pytest.skip("the interpreter of an older Triton does not run with NumPy 2.4")
    if torch.cuda.is_available():
        pytest.skip("a GPU runs the kernels themselves")
    return subprocess.run(
        [sys.executable, "-m", *module],
        cwd=where,
        env=os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("which", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_the_kernels_agree_with_float64_in_the_interpreter(which):
    done = interpreted("pytest", "-p", "no:cacheprovider", "-m", which, "kernels_interpreted.py", where=HERE)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_what_will_run_on_a_gpu_runs_through_here():
    done = interpreted("tests.plugins.gpu_check", "--tiny", "--json", where=HERE.parent.parent)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = json.loads(done.stdout)["rows"]
    kernels = {"gather", "attention", "scatter", "importance_1", "importance_8"}
    assert {row["name"] for row in rows} == {*kernels, "encoder"}
    assert all(row["passed"] for row in rows)
    # Six of twelve layers on half the tokens, less what choosing costs.
    assert 1 < rows[-1]["ceiling"] < 4 / 3


def test_what_runs_on_a_gpu_says_so_where_there_is_none():
    done = interpreted("tests.plugins.gpu_check", "--json", where=HERE.parent.parent)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("no GPU here\nrun it on one")


@pytest.fixture
def everywhere(monkeypatch):
    """As if the CPU were a device with kernels."""
    monkeypatch.setattr(operators, "KERNEL_DEVICES", {"cpu"})


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"dtype": torch.float16}, True),
        ({"dtype": torch.bfloat16}, False),  # trained in, never run in
        ({"dtype": torch.float64}, False),
        ({"dim": 48}, False),  # two heads of 24
        ({"dim": 64}, True),
        ({"requires_grad": True}, False),  # kernels have no backward
    ],
)
def test_a_kernel_serves_what_it_can(everywhere, change, fits):
    dim = change.pop("dim", 128)
    qkv = torch.zeros(1, 5, 3 * dim, **change)
    assert operators.has_kernel(SELECTIVE_ATTENTION, (qkv,), HEADS) == fits
    with torch.no_grad():
        assert operators.has_kernel(SELECTIVE_ATTENTION, (qkv,), HEADS) == (fits or "requires_grad" in change)


@pytest.mark.parametrize(
    ("heads", "hidden", "weights", "fits"),
    [
        (2, 4, torch.float32, True),
        (2, 3, torch.float32, False),  # hidden units no kernel is made for
        (8, 16, torch.float32, False),  # 512 wide: more than shared memory holds
        (2, 4, torch.float16, False),  # two precisions
    ],
)
def test_importance_has_kernels_for_some_models(everywhere, heads, hidden, weights, fits):
    qkv = torch.zeros(1, 5, 3 * 64 * heads)
    convolutions = [
        torch.zeros(shape, dtype=weights) for shape in ((hidden, heads), (hidden,), (heads, hidden))
    ]
    attributes = {"num_heads": heads, "query_stride": 8, "scale": 0.1}
    assert operators.has_kernel(TOKEN_IMPORTANCE, (qkv, *convolutions), attributes) == fits


def test_on_a_cpu_the_functions_run_as_they_are_written(monkeypatch):
    def refuse(*_):
        raise AssertionError("a kernel was launched")

    monkeypatch.setattr(launch, "run", refuse)
    qkv = torch.randn(1, 5, 384)
    plain = tosa.selective_attention(qkv, **HEADS)
    assert torch.equal(torch.ops.tosa_edge.selective_attention(qkv, **HEADS), plain)


def test_compiled_graphs_hold_the_operator_as_one_call(everywhere, monkeypatch):
    calls = []
    monkeypatch.setattr(launch, "run", lambda name, *_: calls.append(name))
    compiled = torch.compile(
        lambda q: tosa.selective_attention(q, **HEADS) + 1, fullgraph=True, backend="aot_eager"
    )
    with torch.no_grad():
        assert compiled(torch.zeros(1, 5, 384)).shape == (1, 5, 128)
    assert calls == ["SelectiveAttention"]


def test_the_grid_covers_every_row():
    statistics, columns = launch.importance(half=True, heads=6, head_dim=64, hidden=12)
    sizes = {"batch": 3, "tokens": 433, "queries": 55, "parts": launch.PARTS}
    assert statistics.programs(sizes) == (1, launch.PARTS, 3)
    assert columns.programs(sizes) == (7, 3)
