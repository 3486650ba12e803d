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

from tests.gpu import ROOT
from tests.gpu.__main__ import one
from tests.gpu.results import Results, append, rows, table
from tests.gpu.stages import NAMES, STAGES, Stage
from tests.plugins import native
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
    one(Stage("hangs", 4, "stalled:run"), path, False, 99, dict(os.environ))
    one(Stage("dies", 60, "stalled:dies"), path, False, 99, dict(os.environ))
    one(Stage("raises", 60, "stalled:raises"), path, False, 99, dict(os.environ))
    one(Stage("late", 60, "stalled:dies"), path, False, 0, dict(os.environ))
    before, hung, first, died, raised, ended, late = rows(path)
    assert (before["name"], before["passed"]) == ("before", True)
    assert (hung["ended"], hung["passed"]) == ("timed out", False)
    assert (first["name"], died["ended"], died["passed"]) == ("before", "died 77", False)
    assert (raised["failed"], raised["passed"]) == ("ValueError: no more", False)
    assert (ended["ended"], ended["passed"]) == ("failures", None)
    assert (late["ended"], late["passed"]) == ("no time", False)
    for _ in range(50):  # what the stage had started is gone too
        if not alive(before["child"]):
            break
        time.sleep(0.1)
    assert not alive(before["child"])


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


def test_every_stage_is_there_and_named_once():
    assert len(set(NAMES)) == len(STAGES) == 10
    for stage in STAGES:
        assert callable(stage.function())


@pytest.fixture(scope="module")
def travelled(tmp_path_factory):
    """The folder that travels, unpacked where nothing is installed; and the environment there."""
    if native.lacking():
        pytest.skip(native.lacking())
    folder = tmp_path_factory.mktemp("travelled")
    tree, pack = folder / "tree", folder / "pack"
    words = ["--quick", "--pack", pack, "--out", tree]
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


@pytest.mark.slow
def test_the_whole_way_on_a_cpu(travelled):
    tree, environment = travelled
    assert sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) < 64 * 2**20
    assert not list(tree.rglob("*.safetensors"))
    results = tree / "results.jsonl"
    began = time.monotonic()
    done = command("--walk", "--results", results, cwd=tree, environment=environment)
    print(f"{time.monotonic() - began:.0f} s\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows(results)
    assert [row["stage"] for row in found if "ended" in row] == list(NAMES)
    assert {row["ended"] for row in found if "ended" in row} == {"done"}
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 80
    judged = {stage: sum(r["passed"] is True for r in found if r["stage"] == stage) for stage in NAMES}
    assert all(judged.values()), judged
    assert not any("ms" in row or row["name"] == "peaks" for row in found)  # nothing was timed
    libraries = {
        row["name"].partition(":")[0] for row in found if row["stage"] == "plugin" and "creators" in row
    }
    assert libraries == {f"trt{major}" for major in majors()}
    # Four operators each, in the one precision that was packed.
    walked = [row for row in found if row["stage"] == "plugin" and "workspace" in row]
    assert len(walked) == 4 * len(libraries)


def majors():
    from tests.gpu.pack import major_of

    return {major_of(headers) for headers in native.HEADERS}


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_table_that_names_other_parameters_than_the_kernel_has_is_found_out(travelled, tmp_path):
    tree, environment = travelled
    path = tree / "build/gpu/shipped/tosa.kernels"
    shutil.copy(path, tmp_path)
    index, cubins = kernel_file.read(path.read_bytes())
    swapped = {"tokens": "kept", "kept": "tokens"}
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


@pytest.mark.slow
def test_too_large_a_tree_is_refused(travelled, tmp_path):
    from tests.gpu import pack
    from tosa_edge.errors import CheckFailed

    with pytest.raises(CheckFailed, match="more than 1000000") as refused:
        pack.copy_tree(travelled[0].parent / "pack", tmp_path / "tree", 10**6)
    assert "clip.webm" in refused.value.remedy
    assert not (tmp_path / "tree").exists()
