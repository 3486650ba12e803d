"""The loop that every training shares: steps, a schedule, a log, checkpoints, and going on after a kill."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.weights import save_net
from tosa_edge.training.parallel import average, process_rank, wait_for_all
from tosa_edge.training.state import Masters

STATE, LOG, WEIGHTS = "state.safetensors", "log.jsonl", "weights.safetensors"

_LOST = 20  # steps with a non-finite gradient are skipped; after so many in a row training stops


@dataclass(frozen=True)
class LoopSettings:
    """How long, how fast to start, how often to save."""

    steps: int
    warmup: int = 60
    checkpoint_every: int = 50


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """A sharp softmax underflows, and denormals are ten times as slow. The setting is the whole thread's."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def schedule(step: int, pace: LoopSettings) -> float:
    """The share of the peak rate: linear warm-up, then a cosine to a hundredth."""
    if step < pace.warmup:
        return (step + 1) / pace.warmup
    done = (step - pace.warmup) / max(1, pace.steps - pace.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def train(
    masters: Masters,
    pace: LoopSettings,
    out: Path,
    losses_of: Callable[[int], dict[str, Tensor]],
    on_step: Callable[[int, dict[str, float]], None] = lambda step, losses: None,
) -> Path:
    """Runs to the last step and returns the averaged weights' file.

    Args:
        losses_of: the losses of one step, of whose sum the gradient is taken. It must depend on the step's
            number alone, and on no earlier call: so a run that was killed ends where it would have.
    """
    out.mkdir(parents=True, exist_ok=True)
    state, log, first = out / STATE, out / LOG, process_rank().rank == 0
    step = masters.restore(state) if state.exists() else 0
    wait_for_all()
    lost = 0
    if first:
        _forget(log, step)
    with open(log if first else os.devnull, "a") as lines, flushed_denormals():
        while step < pace.steps:
            began = time.perf_counter()
            terms = losses_of(step)
            torch.stack(list(terms.values())).sum().backward()
            loss_values = torch.stack([term.detach().float() for term in terms.values()])
            average([loss_values])
            losses = dict(zip(terms, loss_values.tolist(), strict=True))
            lost = 0 if all(map(math.isfinite, losses.values())) else lost + 1
            if lost == _LOST:
                raise TosaEdgeError(
                    f"{_LOST} steps in a row, to step {step + 1}, gave a loss that is no number",
                    "Lower the recipe's rates, or look at the labels; the last checkpoint is as it was.",
                )
            norm = masters.step(schedule(step, pace), step)
            step += 1
            entry = {"step": step, **losses, "norm": norm, "seconds": time.perf_counter() - began}
            lines.write(json.dumps(entry) + "\n")
            if first and (step % pace.checkpoint_every == 0 or step == pace.steps):
                lines.flush()
                masters.save(state, step)
                save_net(masters.averaged(), out / WEIGHTS)
            on_step(step, losses)
    wait_for_all()
    return out / WEIGHTS


def read_log(path: Path) -> list[dict[str, float]]:
    """The steps of one log; a last line that a kill cut short is left out."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def _forget(log: Path, step: int) -> None:
    """Takes out the lines of steps that are going to be repeated."""
    if log.exists():
        kept = [entry for entry in read_log(log) if entry["step"] <= step]
        text = "".join(json.dumps(entry) + "\n" for entry in kept)
        if text != log.read_text():
            log.write_text(text)
