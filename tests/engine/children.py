"""What the processes do that a test kills or lets compete. Light to import: a child starts with it."""

from __future__ import annotations

import time
from pathlib import Path

from tosa_edge.builder.build import build
from tosa_edge.engine.store import build_lock


def build_for_ever(specs: list[str], out: Path, begun) -> None:
    begun.set()
    while True:
        for spec in specs:
            build(spec, backend="onnxruntime", out=out, validate=False)


def build_once(spec: str, out: Path, results) -> None:
    built = build(spec, backend="onnxruntime", out=out, validate=False)
    results.put((built.reused, built.engine.read_bytes()))


def hold(engine: Path, held, seconds: float) -> None:
    with build_lock(engine):
        held.set()
        time.sleep(seconds)
