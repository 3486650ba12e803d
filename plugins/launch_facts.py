"""What compilers made of each variant of a launch: `facts.json`, which `make kernels CHOOSE=1` writes.

PyTorch on a GPU at hand and the ahead-of-time build both choose by it, without compiling what they do not
take. Launch variants that were never compiled are not in the file and are never chosen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.plugins.estimate import fastest_fitting
from tosa_edge.plugins.gpus import GPUS

if TYPE_CHECKING:
    from tosa_edge.plugins.launch import Launch

FILE = Path(__file__).with_name("facts.json")
KEPT = ("registers", "spilled", "shared", "code")


def name(launch: Launch, half: bool, architecture: int) -> str:
    of = {**launch.constants, "warps": launch.warps, "stages": launch.stages, "sm": architecture}
    return " ".join((launch.kernel, "fp16" if half else "fp32", *(f"{n}={v}" for n, v in of.items())))


@lru_cache(maxsize=1)
def load() -> dict[str, Any]:
    if not FILE.exists():
        return {"compiler": "", "kernels": {}}
    return json.loads(FILE.read_text())  # type: ignore[no-any-return]


def lookup(launch: Launch, half: bool, architecture: int) -> dict[str, Any] | None:
    return load()["kernels"].get(name(launch, half, architecture))  # type: ignore[no-any-return]


def first(variants: Sequence[Launch], half: bool, architecture: int) -> int:
    """The best variant on an architecture, or on the last one before it that kernels are compiled for."""
    nearest = max((sm for sm in GPUS if sm <= architecture), default=min(GPUS))
    compiled = [(place, lookup(variant, half, nearest)) for place, variant in enumerate(variants)]
    there = [(place, facts) for place, facts in compiled if facts is not None]
    best = (
        fastest_fitting([(variants[place], facts) for place, facts in there], nearest, half)
        if there
        else None
    )
    return 0 if best is None else there[best][0]


def write(kernels: Iterable[tuple[str, dict[str, Any]]], compiler: str) -> None:
    """Adds to the file, or replaces there. A kernel to a line: a change of one is a change of one line."""
    now = {**load()["kernels"], **{key: {n: facts[n] for n in KEPT} for key, facts in kernels}}
    lines = (f"{json.dumps(key)}: {json.dumps(now[key], separators=(',', ':'))}" for key in sorted(now))
    text = ",\n".join(lines)
    FILE.write_text(f'{{"compiler": {json.dumps(compiler)},\n"kernels": {{\n{text}\n}}}}\n')
    load.cache_clear()
