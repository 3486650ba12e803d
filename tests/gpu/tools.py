"""NVIDIA's memory checkers and profiler, over the cubins that ship, in processes without PyTorch."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tests.gpu import ROOT
from tests.gpu.cases import Case
from tests.gpu.cubins import SIZES, SMALLEST, WALKED, run_each
from tests.gpu.process_groups import dies_with
from tests.gpu.results import Results, Row
from tests.gpu.versions import tool

CHECKERS = ("memcheck", "racecheck")
CHECKER, PROFILER = "compute-sanitizer", "ncu"
LIMIT_S = {"memcheck": 30, "racecheck": 40, "ncu": 40}
FAULT = 9  # exit code of a checker that has found something
CLOSED = "ERR_NVGPUCTRPERM"
PROFILED = "regex:columns|statistics|selective_attention"
SECTIONS = ("LaunchStats", "Occupancy", "SpeedOfLight", "ComputeWorkloadAnalysis", "WarpStateStats")


def sanitizers(results: Results, walk: bool) -> None:
    for checker in CHECKERS[:1] if walk else CHECKERS:
        words = ["--tool", checker, "--error-exitcode", str(FAULT)]
        results.attempt(checker, partial(_run_checker, checker, words, results.path, walk))


def smallest(results: Results, walk: bool) -> None:
    run_each(walk, *(WALKED if walk else SMALLEST))


def usual(results: Results, walk: bool) -> None:
    """The small model in half precision, at the sizes that ship."""
    run_each(walk, *(WALKED if walk else (SIZES[1:], (1,), (1, 8))), of_the_small_model)


def of_the_small_model(case: Case) -> bool:
    heads, hidden = case.attributes.get("num_heads", 6), case.shape.get("hidden", 12)
    return case.precision == "fp16" and (heads, hidden) == (6, 12)


def _run_checker(checker: str, words: list[str], path: Path, walk: bool) -> Row:
    code, said = _under(CHECKER, words, "tools:smallest", path, LIMIT_S[checker], walk)
    telling = [line.strip("= ") for line in said.splitlines() if "ERROR SUMMARY" in line or "rror" in line]
    row: Row = {
        "passed": code == 0,
        "code": code,
        "said": " | ".join(telling[:3] + telling[-3:])[:600] or said[-300:],
    }
    return {**row, "passed": None, "lacks": f"{CHECKER} is not here"} if code is None else row


def profile(results: Results, walk: bool) -> None:
    words = ["--kernel-name", PROFILED, "--csv", *(word for one in SECTIONS for word in ("--section", one))]
    code, said = _under(PROFILER, words, "tools:usual", results.path, LIMIT_S["ncu"], walk)
    found = list(counted(said.splitlines()))
    for row in found:
        results.add(row.pop("kernel"), None, **row)
    if code is None:
        results.add(PROFILER, None, lacks=f"{PROFILER} is not here")
    elif walk:
        results.add(PROFILER, code == 0, said=said[-300:])
    elif CLOSED in said:
        results.add(PROFILER, None, lacks=f"the GPU's counters are for root alone here ({CLOSED})")
    else:
        results.add(PROFILER, code == 0 and bool(found), code=code, said=said[-600:] if not found else None)


def _under(
    name: str, words: list[str], work: str, results: Path, limit_s: float, walk: bool
) -> tuple[int | None, str]:
    """Exit code and words of a process of ours under a tool, on a walk without it. None: it is not here."""
    ours = [sys.executable, "-m", "tests.gpu", "--inside", work, "--results", str(results)]
    ours += ["--walk"] if walk else []
    path = tool(name)
    if not walk and path is None:
        return None, ""
    command = ours if walk else [str(path), *words, *ours]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=limit_s * (4 if walk else 1), preexec_fn=dies_with(os.getpid()),
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        return -1, f"not done after {limit_s} s: {(late.stdout or b'')[-300:]!r}"
    return done.returncode, done.stdout


def counted(lines: Iterable[str]) -> Iterable[Row]:
    """What the profiler says of each launch: its CSV begins behind words of its own and the program's."""
    lines = list(lines)
    head = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), len(lines))
    launches: dict[str, Row] = {}
    for line in csv.DictReader(io.StringIO("\n".join(lines[head:]))):
        if not line.get("Metric Name"):
            continue
        launch = launches.setdefault(
            line["ID"],
            {"kernel": line["Kernel Name"], "grid": line["Grid Size"], "block": line["Block Size"]},
        )
        launch[line["Metric Name"]] = f"{line['Metric Value']} {line['Metric Unit']}".strip()
    return launches.values()
