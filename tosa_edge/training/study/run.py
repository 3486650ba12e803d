"""What of the study is still to be done, and doing it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch

from tosa_edge.calibration.pictures import evenly_spaced
from tosa_edge.nn.config import ModelConfig
from tosa_edge.training.study.frame_sets import FrameSet
from tosa_edge.training.study.results import Results
from tosa_edge.training.study.score import net_in, score_frames
from tosa_edge.training.study.variants import Variant, study_variants


@dataclass(frozen=True)
class Checkpoint:
    label: str
    path: Path


@dataclass(frozen=True)
class Scope:
    """How much of the study a run is for. `quick`: so many frames of a set, and only the rows that matter."""

    wanted: re.Pattern[str]
    clip: str
    sweep_limit: int
    quick: int | None = None

    def variants(self, label: str, config: ModelConfig, main: bool) -> list[Variant]:
        """The rows of one checkpoint; those beside the main one have the core alone."""
        rows = [v for v in study_variants(config) if main or v.core]
        if self.quick:
            rows = [v for v in rows if v.core or v.is_baseline]
        return [v for v in rows if self.wanted.search(f"{label}: {v.name}")]

    def frames(self, variant: Variant, count: int) -> list[int]:
        limits = [self.sweep_limit] if variant.sweep else []
        limits += [self.quick] if self.quick else []
        return evenly_spaced(count, min([count, *limits]))


@dataclass(frozen=True)
class Task:
    """Frames of one set to score, of one checkpoint along one way."""

    checkpoint: Checkpoint
    variant: Variant
    frames: list[int]
    within: FrameSet
    clip: bool


def to_do(
    results: Results,
    checkpoints: Sequence[Checkpoint],
    sets: Sequence[FrameSet],
    scope: Scope,
    config: ModelConfig,
    compute: str,
) -> list[Task]:
    """What the results lack, in the order of the table."""
    tasks = []
    for number, checkpoint in enumerate(checkpoints):
        label = checkpoint.label
        results.take_weights(label, checkpoint.path, compute)
        for variant in scope.variants(label, config, main=number == 0):
            results.take_variant(label, variant, config)
            for one in sets:
                wanted = scope.frames(variant, len(one.frames))
                # Flicker is between consecutive frames: of a clip in part it would be of a faster camera.
                clip = one.name == scope.clip and len(wanted) == len(one.frames) and not variant.sweep
                if missing := results.missing(label, variant.name, one.name, wanted, clip):
                    tasks.append(Task(checkpoint, variant, missing, one, clip))
    return tasks


def run(
    results: Results,
    tasks: Sequence[Task],
    compute: torch.dtype,
    config: ModelConfig,
    batch: int,
    step: Callable[[int], None],
) -> None:
    """Does them all, and saves after each; `step` hears the number of every frame done."""
    done = 0

    def on_frame() -> None:
        nonlocal done
        step(done)
        done += 1

    for checkpoint, some in groupby(tasks, key=lambda task: task.checkpoint):
        net = net_in(checkpoint.path, compute, (config.height, config.width))
        for task in some:
            frames = [task.within.frames[i] for i in task.frames]
            scores = score_frames(
                net, frames, task.variant.method, batch=batch, clip=task.clip, on_frame=on_frame
            )
            results.add(checkpoint.label, task.variant.name, task.within.name, task.frames, scores)
            results.save()
