"""The command for a GPU where there is none: what it refuses, what it leaves, and the whole way on a CPU."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.gpu import ROOT, pack
from tests.gpu.__main__ import one
from tests.gpu.results import Results, append, rows, table
from tests.gpu.stages import NAMES, STAGES, Stage
from tests.plugins import native
from tosa_edge.errors import CheckFailed
from tosa_edge.plugins import kernel_file

# What only this command's machine lacks: PyTorch, Triton, ONNX Runtime, cuda-python and pytest are there.
HIDDEN = (
    "cupy",
    "embreex",
    "h5py",
    "mypy",
    "onnx_graphsurgeon",
    "onnxscript",
    "polygraphy",
    "pycuda",
    "rerun",
)
HIDDEN += ("ruff", "safetensors", "tensorrt", "tensorrt_rtx")
HIDE = """
import sys
from importlib.machinery import PathFinder

class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {hidden} else super().find_spec(name, path, target)

# Nor is tosa-edge installed.
others = [f for f in sys.meta_path if "editable" not in getattr(f, "__module__", "").lower()]
sys.meta_path[:] = [Hiding if f is PathFinder else f for f in others]
"""


def command(*words, cwd=ROOT, environment=None):
    return subprocess.run(
        [sys.executable, "-m", "tests.gpu", *map(str, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )


def no_gpu():
    import ctypes

    try:
        return ctypes.CDLL("libcuda.so.1").cuInit(0) != 0
    except OSError:
        return True


@pytest.mark.skipif(not no_gpu(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_what_to_do(tmp_path):
    done = command("--results", tmp_path / "results")
    assert (done.returncode, done.stdout) == (3, "")
    what, remedy = done.stderr.splitlines()
    assert what.startswith("no NVIDIA GPU can be used here: ")
    assert "--walk" in remedy
    assert not list(tmp_path.iterdir())


def test_a_stage_that_hangs_or_dies_stops_neither_the_next_nor_what_was_found(tmp_path):
    path = tmp_path / "results"
    for limit in (2, 8, 30, 120):  # a loaded machine takes its time until a stage has begun
        path.unlink(missing_ok=True)
        one(Stage("hangs", limit, "stalled:run"), path, False, 999, dict(os.environ))
        if len(rows(path)) > 1:
            break
    one(Stage("dies", 60, "stalled:dies"), path, False, 99, dict(os.environ))
    one(Stage("raises", 60, "stalled:raises"), path, False, 99, dict(os.environ))
    one(Stage("begins_not", 60, "stalled:begins_not"), path, False, 99, dict(os.environ))
    one(Stage("late", 60, "stalled:dies"), path, False, 0, dict(os.environ))
    before, hung, first, died, raised, ended, not_begun, late = rows(path)
    assert (before["name"], before["passed"]) == ("before", True)
    assert (hung["ended"], hung["passed"]) == ("timed out", False)
    assert (first["name"], died["ended"], died["passed"]) == ("before", "died 77", False)
    assert (raised["failed"], raised["passed"]) == ("ValueError: no more", False)
    assert (ended["ended"], ended["passed"]) == ("failures", None)
    assert (not_begun["ended"], not_begun["passed"]) == ("died 1", False)
    assert (late["ended"], late["passed"]) == ("no time", False)
    assert ends(before["child"])  # what the stage had started is gone too


# The command with one stage, which hangs, on a GPU that is not there.
HANGING = """
import os, sys
import tests.gpu.__main__ as command
from tests.gpu.stages import Stage
from tosa_edge.errors import exit_code_of
command.STAGES, command.NAMES = (Stage("hangs", 600, "stalled:run", packed=False),), ("hangs",)
command.with_gpu = lambda: dict(os.environ)
sys.exit(exit_code_of(command.main))
"""


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_killed_leaves_no_stage_behind(tmp_path, sign):
    path = tmp_path / "results"
    child = subprocess.Popen([sys.executable, "-c", HANGING, "--results", str(path)], cwd=ROOT)
    try:
        while not (path.exists() and rows(path)):
            assert child.poll() is None
            time.sleep(0.1)
        (before,) = rows(path)
        assert alive(before["pid"])
        child.send_signal(sign)
        assert child.wait(60) == (143 if sign == signal.SIGTERM else -sign)
        assert ends(before["pid"])
        if sign == signal.SIGTERM:  # killed, it could not tell what the stage had started
            assert ends(before["child"])
        else:
            os.kill(before["child"], signal.SIGKILL)
    finally:
        child.kill()
        child.wait()


def ends(pid):
    for _ in range(100):
        if not alive(pid):
            return True
        time.sleep(0.1)
    return False


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_results_are_there_at_once_and_what_fails_is_one(tmp_path):
    path = tmp_path / "results"
    results = Results(path, "cubins")
    results.add("first", True, registers=7)
    assert rows(path) == [{"stage": "cubins", "name": "first", "passed": True, "registers": 7}]
    results.attempt("second", lambda: {"passed": False, "of_allowed": 3})
    results.attempt("third", lambda: 1 / 0)
    assert results.failed == 2
    assert rows(path)[-1]["failed"] == "ZeroDivisionError: division by zero"
    append(
        path,
        {"stage": "cubins", "name": "stage", "passed": None, "ended": "failures", "took_s": 1.5, "said": "?"},
    )
    with path.open("a") as file:
        file.write('{"stage": "cubi')  # a machine that was lost
    lines = table(rows(path)).splitlines()
    assert lines[1].split() == ["cubins", "failures", "2", "1", "2", "0"]
    assert lines[2:] == [
        "FAILED cubins, second: of_allowed 3",
        "FAILED cubins, third: ZeroDivisionError: division by zero",
    ]
    assert max(map(len, table(rows(path) * 9).splitlines())) <= 80
    append(path, {"stage": "cubins", "name": "first of the next run", "passed": True})
    assert rows(path)[-1]["name"] == "first of the next run"


def test_every_stage_is_there_and_named_once():
    pytest.importorskip("torch")  # which some of them import
    assert len(set(NAMES)) == len(STAGES) == 10
    for stage in STAGES:
        assert callable(stage.function())


@pytest.fixture(scope="module")
def travelled(tmp_path_factory):
    """The folder that travels, unpacked where nothing is installed; and the environment there."""
    if native.lacking():
        pytest.skip(native.lacking())
    folder = tmp_path_factory.mktemp("travelled")
    tree = folder / "tree"
    words = ["--quick", "--pack", folder / "pack", "--out", tree]
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu.pack", *map(str, words)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    print(done.stdout)
    hide = folder / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(HIDE.format(hidden=set(HIDDEN)))
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | {"PYTHONPATH": str(hide)}
    return tree, environment


@pytest.fixture(scope="module")
def walked(travelled):
    """The whole way, once."""
    tree, environment = travelled
    results = tree / "results.jsonl"
    began = time.monotonic()
    done = command("--walk", "--results", results, cwd=tree, environment=environment)
    print(f"{time.monotonic() - began:.0f} s\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr
    return rows(results), done.stdout


@pytest.mark.long
def test_what_travels_is_small_and_has_no_weights(travelled):
    tree, _ = travelled
    assert sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) < 64 * 2**20
    assert not list(tree.rglob("*.safetensors"))


@pytest.mark.long
def test_the_whole_way_on_a_cpu(walked):
    found, said = walked
    assert [row["stage"] for row in found if "ended" in row] == list(NAMES)
    assert {row["ended"] for row in found if "ended" in row} == {"done"}
    assert max(map(len, said.splitlines()[:-1])) <= 80
    passed = {row["stage"] for row in found if row["passed"] and "ended" not in row}
    assert passed == set(NAMES) - (set() if native.HEADERS else {"plugin"})
    assert not any("ms" in row or row["name"] == "peaks" for row in found)  # nothing was timed
    outside = {row["name"] for row in found if row["stage"] == "cubins" and row["name"].endswith(" outside")}
    assert {name.split()[0] for name in outside} == {"TokenGather", "TokenScatter"}
    assert any("in_place 1" in name for name in outside)


@pytest.mark.long
@pytest.mark.skipif(not native.HEADERS, reason="TENSORRT_INCLUDE_DIRS names no headers: no library to walk")
def test_each_library_is_walked_too(walked):
    found = [row for row in walked[0] if row["stage"] == "plugin"]
    libraries = {row["name"].partition(":")[0] for row in found if "creators" in row}
    assert libraries == {f"trt{pack.major_of(headers)}" for headers in native.HEADERS}
    # Four operators each, in the one precision that was packed; two of them with indices outside the picture.
    each = [row["name"] for row in found if "workspace" in row]
    assert len(each) == 6 * len(libraries)
    assert sum(name.endswith(" outside") for name in each) == 2 * len(libraries)


@pytest.mark.long
def test_cuda_12s_ptxas_makes_cubins_of_its_own(travelled, tmp_path):
    path = tmp_path / "tosa.kernels"
    pack.compile_kernels(path, [90], True, "cuda12", "TokenGather")
    ours, theirs = (cubins_of(file) for file in (path, travelled[0] / "build/gpu/shipped/tosa.kernels"))
    assert ours
    assert set(ours) < set(theirs)
    assert all(cubin != theirs[name] for name, cubin in ours.items())


def cubins_of(path):
    index, cubins = kernel_file.read(path.read_bytes())
    return {(e["operator"], *e["shape"].items()): kernel_file.cubin_of(e, cubins) for e in index["kernels"]}


@pytest.mark.long
def test_killed_half_way_what_was_done_is_there(travelled):
    tree, environment = travelled
    results = tree / "half.jsonl"
    words = [
        sys.executable,
        "-m",
        "tests.gpu",
        "--walk",
        "--results",
        str(results),
        "--only",
        "load",
        "cubins",
    ]
    child = subprocess.Popen(
        words, cwd=tree, env=environment, start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        while len(rows(results) if results.exists() else []) < 3:  # a stage, and something of the next
            assert child.poll() is None
            time.sleep(0.2)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    found = rows(results)
    assert [row["ended"] for row in found if "ended" in row] == ["done"]
    assert found[2]["stage"] == "cubins"
    assert found[2]["passed"]


@pytest.mark.long
def test_a_table_that_names_other_parameters_than_the_kernel_has_is_found_out(travelled, tmp_path):
    tree, environment = travelled
    path = tree / "build/gpu/shipped/tosa.kernels"
    shutil.copy(path, tmp_path)
    index, cubins = kernel_file.read(path.read_bytes())
    swapped = {"weight": "bias", "bias": "weight"}  # of one size: nothing is read or written outside
    entries = [
        (
            entry | {"parameters": [[swapped.get(n, n), kind] for n, kind in entry["parameters"]]},
            kernel_file.cubin_of(entry, cubins),
        )
        for entry in index["kernels"]
        if entry["operator"] == "TokenGather"
    ]
    try:
        path.write_bytes(kernel_file.write(entries, index["compiler"])[0])
        done = command(
            "--walk", "--only", "cubins", "--results", tmp_path / "results", cwd=tree, environment=environment
        )
    finally:
        shutil.copy(tmp_path / path.name, path)
    assert done.returncode == 1
    assert re.search(r"FAILED cubins, TokenGather", done.stdout)
    assert re.search(r"\d+ of \d+ failed", done.stderr)


@pytest.mark.long
def test_too_large_a_tree_is_refused(travelled, tmp_path):
    with pytest.raises(CheckFailed, match="more than 1000000") as refused:
        pack.copy_tree(travelled[0].parent / "pack", tmp_path / "tree", 10**6)
    assert "clip.webm" in refused.value.remedy
    assert not (tmp_path / "tree").exists()
