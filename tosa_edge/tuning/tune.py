"""Tries every candidate on the user's pictures, times the best, and says which to take."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tosa_edge import machine
from tosa_edge.atomic_files import write_bytes
from tosa_edge.files import sha256_of
from tosa_edge.nn.arithmetic import encoder_cost
from tosa_edge.nn.net import VisionNet
from tosa_edge.tuning.candidates import Candidate, candidates
from tosa_edge.tuning.distance import DenseAnswers, Distance
from tosa_edge.tuning.front import Point, front
from tosa_edge.tuning.timing import point_of, timed

TRIED = "tried.json"  # distances so far, for going on after a kill
_CLOSE = 1.15  # so much more loss than the best at its arithmetic, and a candidate is not timed


@dataclass(frozen=True)
class Tuned:
    """`points` is all that was timed, dense first; `tried` all that was not worth timing as well."""

    points: list[Point]
    best: list[Point]
    tried: dict[str, Distance]
    machine: dict[str, Any]
    candidates: dict[str, Candidate]


def tune(
    checkpoint: Path,
    net: VisionNet,
    pictures: np.ndarray,
    scratch: Path,
    *,
    rounds: int,
    threads: int = 0,
    on_step: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Tuned:
    """`net` is the checkpoint's, pictures are uint8 [n, H, W, 3] at its size; `scratch` is where it goes on
    from."""
    every = candidates(net.config)
    dense = DenseAnswers(net, pictures)
    known = _Tried(scratch / TRIED, sha256_of(checkpoint), pictures)
    tried: dict[str, Distance] = {}
    for number, candidate in enumerate(every[1:], 1):
        tried[candidate.name] = known.distance(candidate, dense)
        on_step("comparing with dense", number, len(every) - 1)

    def cost(candidate: Candidate) -> int:
        return encoder_cost(net.config.at(*candidate.size), candidate.pattern.ways)

    worth = [every[0], *worth_timing(every[1:], tried, cost)]
    rows = timed(
        checkpoint,
        worth,
        rounds,
        threads,
        lambda index: on_step("tracing", index + 1, len(worth)),
        lambda index: on_step("timing", index + 1, rounds),
    )
    nothing = Distance(0.0, 0.0, 0.0, None)
    points = [point_of(c.name, tried.get(c.name, nothing), row) for c, row in zip(worth, rows, strict=True)]
    return Tuned(points, front(points), tried, machine.facts(), {c.name: c for c in every})


def worth_timing(
    every: list[Candidate], tried: dict[str, Distance], cost: Callable[[Candidate], int]
) -> list[Candidate]:
    """Those that lose hardly more than whatever takes less arithmetic."""
    worth = []
    for candidate in every:
        cheaper = [tried[c.name].loss for c in every if cost(c) < cost(candidate)]
        if tried[candidate.name].loss <= _CLOSE * min(cheaper, default=float("inf")):
            worth.append(candidate)
    return worth


class _Tried:
    """Distances on the disk, of one checkpoint and these very pictures; of any other they are forgotten."""

    def __init__(self, path: Path, digest: str, pictures: np.ndarray) -> None:
        seen = hashlib.sha256(pictures.tobytes()).hexdigest()
        self._path, self._key = path, {"weights_sha256": digest, "pictures_sha256": seen}
        self._found: dict[str, dict[str, Any]] = {}
        try:
            stored = json.loads(path.read_text())
            if {key: stored[key] for key in self._key} == self._key:
                self._found = {name: asdict(Distance(**found)) for name, found in stored["tried"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # nothing to go on from

    def distance(self, candidate: Candidate, dense: DenseAnswers) -> Distance:
        if candidate.name not in self._found:
            self._found[candidate.name] = asdict(dense.distance(candidate))
            text = json.dumps({**self._key, "tried": self._found}, indent=1)
            write_bytes(self._path, text.encode())
        return Distance(**self._found[candidate.name])
