"""Runs all GPU checks of tosa-edge in eight minutes: `python3 -m tests.gpu`."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

from tests.gpu import PACK, ROOT
from tests.gpu.process_groups import dies_with, end_group, terminated
from tests.gpu.results import Results, append, rows, table
from tests.gpu.stages import BUDGET_S, NAMES, STAGES, Stage
from tosa_edge.errors import CheckFailed, MachineLacks, TosaEdgeError, exit_code_of

WALK = PACK / "walk"  # the tests' driver, compiled
SLOWER = 4  # times as long may a stage take on a walk: the interpreter has two cores, and not always both
SAID = 1500  # characters of a failed stage's last words


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m tests.gpu", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, metavar="STAGE", help=", ".join(NAMES)
    )
    parser.add_argument(
        "--results", type=Path, default=PACK / "results.jsonl", help="where every result is appended"
    )
    parser.add_argument("--budget", type=float, help=f"seconds for all stages, else {BUDGET_S}")
    parser.add_argument("--walk", action="store_true", help="the whole way on the CPU, without times")
    parser.add_argument("--inside", metavar="WORK", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        dies_with(os.getppid())()
        inside(given.inside, given.results, given.walk)
        return
    signal.signal(signal.SIGTERM, terminated)
    stages = [stage for stage in STAGES if stage.name in given.only]
    environment = walking() if given.walk else with_gpu()
    if any(stage.packed for stage in stages) and not list(PACK.glob("*/*.kernels")):
        raise MachineLacks(
            f"{PACK} has no kernels", "Make them where there is no GPU, and bring them along: make gpu-pack"
        )
    given.results.parent.mkdir(parents=True, exist_ok=True)
    begin = len(rows(given.results)) if given.results.exists() else 0
    ends = time.monotonic() + (given.budget or BUDGET_S * (SLOWER if given.walk else 1))
    for stage in stages:
        print(f"{stage.name} ...", file=sys.stderr, flush=True)
        one(stage, given.results.resolve(), given.walk, ends - time.monotonic(), environment)
    found = rows(given.results)[begin:]
    print(table(found))
    print(f"every result: {given.results}")
    if failed := sum(row["passed"] is False for row in found):
        raise CheckFailed(
            f"{failed} of {len(found)} failed", f"See them: grep '\"passed\": false' {given.results}"
        )


def one(stage: Stage, results: Path, walk: bool, left_s: float, environment: dict[str, str]) -> None:
    """A stage in a process of its own; how it ended is a result too."""
    limit = min(stage.limit_s * (SLOWER if walk else 1), left_s)
    if limit < 1:
        append(results, _end(stage, "no time", 0.0, False))
        return
    words = [sys.executable, "-m", "tests.gpu", "--inside", stage.work, "--results", str(results)]
    words += ["--walk"] if walk else []
    log = PACK / f"{stage.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    before = len(rows(results)) if results.exists() else 0
    began = time.monotonic()
    with log.open("wb") as said:
        child = subprocess.Popen(
            words,
            cwd=ROOT,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=dies_with(os.getpid()),
        )
        try:
            code: int | None = child.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end_group(child)
    took_s = time.monotonic() - began
    found = rows(results)[before:] if results.exists() else []
    # Failures have rows of their own; what ends like that without one has not begun.
    failures = code == 1 and any(row["passed"] is False for row in found)
    ended = {0: "done", 1: "failures" if failures else "died 1", None: "timed out"}.get(code, f"died {code}")
    row = _end(stage, ended, took_s, True if code == 0 else None if failures else False)
    if code != 0:
        row["said"] = log.read_text(errors="replace")[-SAID:]
    append(results, row)


def _end(stage: Stage, ended: str, took_s: float, passed: bool | None) -> dict[str, object]:
    return {
        "stage": stage.name,
        "name": "stage",
        "passed": passed,
        "ended": ended,
        "took_s": round(took_s, 1),
    }


def inside(work: str, path: Path, walk: bool) -> None:
    """What the process of a stage does; also what a memory checker or profiler is given to watch."""
    stage = next((s for s in STAGES if s.work == work), None) or Stage(work, 0, work)
    results = Results(path, stage.name)
    try:
        stage.function()(results, walk)
    except Exception as failure:
        traceback.print_exc()
        results.add("all of it", False, failed=f"{type(failure).__name__}: {failure}"[:600])
    if results.failed:
        raise CheckFailed(f"{results.failed} results of {work} failed", f"See {path}")


def with_gpu() -> dict[str, str]:
    try:
        driver, count = ctypes.CDLL("libcuda.so.1"), ctypes.c_int()
        code = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
        why = f"CUDA error {code}" if code else "" if count.value else "its driver has none"
    except OSError:
        why = "there is no libcuda.so.1"
    if why:
        raise MachineLacks(
            f"no NVIDIA GPU can be used here: {why}",
            "Run it where there is one, or go the whole way on the CPU: --walk",
        )
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def walking() -> dict[str, str]:
    """The tests' driver is the machine's, and Triton interprets."""
    from tests.fake_gpu.machine import FOLDER, build

    WALK.mkdir(parents=True, exist_ok=True)
    try:
        build(WALK)
    except (AssertionError, OSError, subprocess.CalledProcessError) as error:
        raise TosaEdgeError(f"the tests' driver was not compiled: {error}", "Install g++.") from error
    path = os.pathsep.join(filter(None, (str(WALK), os.environ.get("LD_LIBRARY_PATH"))))
    return {
        **os.environ,
        "LD_LIBRARY_PATH": path,
        FOLDER: str(WALK),
        "FAKE_SM": "90",
        "TRITON_INTERPRET": "1",
        "OMP_NUM_THREADS": "2",
        "PYTHONUNBUFFERED": "1",
    }


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
