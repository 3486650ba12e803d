"""Kernels compiled for GPUs that are not here: within each one's means, and the same bytes twice."""

import hashlib
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tosa_edge.errors import TosaEdgeError
from tosa_edge.plugins import compiler, kernel_file, kernel_list, launch, resources

pytest.importorskip("triton")


def build(path, *arguments):
    """In a process of its own: this one may have kernels that only Triton's interpreter can run."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "tosa_edge.plugins.aot", "-o", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_small_build_is_whole_within_budget_and_reproducible(tmp_path):
    """The rows' kernels, which compile in a second; `make kernels` and the slow test see to the others."""
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        done = build(path, "--sm", "87", "--only", "TokenGather", "--quick")
        assert done.returncode == 0, done.stderr
        assert "registers" in done.stdout
    assert first.read_bytes() == second.read_bytes()
    index, cubins = kernel_file.read(first.read_bytes())
    assert not resources.over_limits(index)
    assert str(tmp_path).encode() not in cubins
    assert os.getcwd().encode() not in cubins
    for entry in index["kernels"]:
        cubin = kernel_file.cubin_of(entry, cubins)
        assert cubin[:4] == b"\x7fELF"
        assert hashlib.sha256(cubin).hexdigest() == entry["sha256"]
        assert entry["function"].encode() in cubin
        names = [name for name, _ in entry["parameters"]]
        assert names[:2] == ["x", "index"]
        assert names[-2:] == ["global_scratch", "profile_scratch"]
        assert entry["grid"] == [["kept", 1], ["batch", 1]]


@pytest.mark.long
def test_every_kernel_of_every_architecture_is_within_budget(tmp_path):
    done = build(tmp_path / "all")
    print(done.stdout)
    assert done.returncode == 0, done.stderr


def test_the_list_holds_what_the_bundled_models_need():
    kernels = kernel_list.kernels_to_compile((87,))
    have = {(k.operator, k.precision, k.shape) for k in kernels}
    assert len({(k.operator, k.precision, k.shape, k.step) for k in kernels}) == len(kernels)
    for precision in ("fp16", "fp32"):
        for hidden in (0, 12):
            shape = (("heads", 6), ("head_dim", 64), ("hidden", hidden))
            assert ("TokenImportance", precision, shape) in have
        assert ("SelectiveAttention", precision, (("head_dim", 64),)) in have
        assert ("TokenGather", precision, (("width", 384),)) in have
        assert ("TokenScatter", precision, (("width", 384), ("in_place", 0))) in have


@pytest.mark.parametrize("damage", [b"", b"TOSAKRN1", b"TOSAKRN1" + (9).to_bytes(8, "little") + b"{}"])
def test_a_damaged_file_is_said_to_be_one(damage):
    with pytest.raises(TosaEdgeError, match="make kernels"):
        kernel_file.read(damage)


def test_an_architecture_nobody_asked_for_is_one_line_and_a_remedy(tmp_path):
    done = build(tmp_path / "none", "--sm", "75")
    assert done.returncode == 2
    assert "no kernels are made for sm_75" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_spill_is_over_budget():
    entry = {
        "operator": "O",
        "function": "f",
        "precision": "fp16",
        "sm": 86,
        "spilled": 0,
        "shared": 99 * 1024,
    }
    assert not resources.over_limits({"kernels": [entry]})
    assert resources.over_limits({"kernels": [entry | {"spilled": 8}]})
    assert resources.over_limits({"kernels": [entry | {"shared": 99 * 1024 + 1}]})


def test_an_old_compiler_is_one_line_and_a_remedy(monkeypatch):
    import triton

    def refuse(*_, **__):
        raise RuntimeError("ptxas fatal: Value 'sm_110a' is not defined for option 'gpu-name'")

    monkeypatch.setattr(triton, "compile", refuse)
    kernel = kernel_list.Kernel("TokenGather", "fp16", (("width", 384),), 0, launch.gather(384)[0], 110)
    with pytest.raises(TosaEdgeError, match="TRITON_PTXAS_BLACKWELL_PATH") as told:
        compiler.compile_one(kernel)
    assert "sm_110" in told.value.what


@pytest.mark.parametrize(
    ("spills", "every_way", "warps", "rows", "compiled"),
    [
        ((0,), False, 8, 64, 1),
        ((8, 0, 8, 8), False, 4, 64, 4),  # the first is not within its means: then all are tried
        ((8, 8, 8, 8), False, 8, 64, 4),  # nor is any other: the build says so of the first
        ((0, 8, 8, 0), True, 8, 16, 4),
    ],
)
def test_other_ways_where_the_compiler_would_spill(monkeypatch, spills, every_way, warps, rows, compiled):
    """With a stand-in for the compiler, whose mind changes with its version."""
    done = SimpleNamespace(asm={"cubin": b"c"}, metadata=SimpleNamespace(name="f", shared=0))
    reports = iter(spills)
    loop = {"turn": [900, 0, 0, 0], "unit": [0, 0, 0, 0]}
    monkeypatch.setattr(compiler, "translate", lambda kernel: done)
    monkeypatch.setattr(compiler, "resources", lambda cubin: {"spilled": next(reports), "registers": 64})
    monkeypatch.setattr(compiler, "counted", lambda cubin: {"once": [0, 0, 0, 0], "loops": [loop]})
    one = launch.importance(half=True, heads=6, head_dim=64, hidden=12)[0]
    kernel = kernel_list.Kernel("TokenImportance", "fp16", (), 0, one, 100)
    variants = compiler.compile_one(kernel, every_way)
    entry = variants[0][1]
    assert (entry["threads"], entry["grid"][0]) == (32 * warps, ["queries", rows])
    assert len(variants) == compiled
