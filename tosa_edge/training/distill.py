"""Label-free: the dense model teaches those that save arithmetic, on nothing but pictures.

Stage one trains the selectors: each is to predict the next layer's attention map. Stage two trains all
weights with tokens being skipped or sharing rows, towards the features and the depth, or classes, that the
dense model, as it was at the start, gives for the same pictures. Every step takes another pattern, and some
are dense, so that the dense graph over the same weights stays what it was.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import load_net
from tosa_edge.row_sharing import parse_ways
from tosa_edge.training.elastic import SelectorLoss, draw_pattern
from tosa_edge.training.loop import STATE, LoopSettings, train
from tosa_edge.training.losses import class_divergence, depth_distance, feature_distance
from tosa_edge.training.parallel import device, process_rank
from tosa_edge.training.record import keep_distillation
from tosa_edge.training.shard_batches import augment, batch_indices, shrunk
from tosa_edge.training.state import Masters, compute_type, step_of

QUERY_STRIDE = 8


@dataclass(frozen=True)
class Recipe:
    """How long, how fast, and what for.

    `represented` of the steps that are not dense have rows that stand for several tokens: those of `ways`, or
    any; at 1 no selector is trained. `sizes`: (height, width) that every step draws one of; none: its own.
    """

    selector_steps: int = 200
    steps: int = 600
    batch: int = 8
    selector_rate: float = 1e-3
    rate: float = 3e-6  # at 3e-5 tosa_depth_s forgot 3.5 % of its dense accuracy within 100 steps
    dense: float = 0.2
    represented: float = 0.5
    ways: str = ""
    sizes: tuple[tuple[int, int], ...] = ()
    seed: int = 0
    checkpoint_every: int = 50

    @property
    def steps_of_selectors(self) -> int:
        return self.selector_steps if self.represented < 1 else 0

    @property
    def all_steps(self) -> int:
        return self.steps_of_selectors + self.steps


def distill(
    checkpoint: Path,
    pictures: np.ndarray,
    out: Path,
    recipe: Recipe,
    on_step: Callable[[int], None] = lambda step: None,
) -> Path:
    """pictures uint8 [n, H, W, 3] at the model's size -> the weights file.

    Goes on where it was killed, and only with what it began with.
    """
    keep_distillation(out, recipe, checkpoint, pictures)
    start = checkpoint
    if recipe.steps_of_selectors:
        start = _train_selectors(checkpoint, pictures, out / "selectors", recipe, on_step)
    return _train_student(start, pictures, out, recipe, on_step)


def reached(out: Path) -> int:
    """How many steps a run in this folder has behind it."""
    return step_of(out / "selectors" / STATE) + step_of(out / STATE)


def _train_selectors(
    checkpoint: Path, pictures: np.ndarray, out: Path, recipe: Recipe, on_step: Callable[[int], None]
) -> Path:
    net = load_net(checkpoint)
    net.config = replace(net.config, selectors=True)
    rates = {n: recipe.selector_rate * (".selectors." in n) for n, _ in net.named_parameters()}
    masters = Masters(net, rates, weight_decay=0.0, average=0.98)

    def losses_of(step: int) -> dict[str, Tensor]:
        with torch.no_grad(), SelectorLoss(net, QUERY_STRIDE) as heard:
            net.encoder(net.normalise(_batch(pictures, recipe, stage=1, step=step)), Pattern())
        return {"selectors": heard.loss()}

    steps = recipe.steps_of_selectors
    pace = LoopSettings(steps, steps // 10, recipe.checkpoint_every)
    return train(masters, pace, out, losses_of, lambda step, _: on_step(step))


def _train_student(
    checkpoint: Path, pictures: np.ndarray, out: Path, recipe: Recipe, on_step: Callable[[int], None]
) -> Path:
    net = load_net(checkpoint)
    teacher = copy.deepcopy(net).to(device(), compute_type()).requires_grad_(False)
    rates = {n: recipe.rate * (".selectors." not in n) for n, _ in net.named_parameters()}
    masters = Masters(net, rates, weight_decay=0.01, average=0.99)
    ways = parse_ways(recipe.ways, net.config.layers) if recipe.ways else None
    classifies = net.config.classifies
    name, distance = ("classes", class_divergence) if classifies else ("depth", depth_distance)

    def losses_of(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((recipe.seed, 3, step))
        image = net.normalise(_batch(pictures, recipe, stage=2, step=step))
        with torch.no_grad():
            target, _ = teacher.encoder(image, Pattern())
            answer = teacher.head(target, image)
        pattern = draw_pattern(net.config, rng, recipe.dense, recipe.represented)
        if pattern.ways and ways:
            pattern = Pattern(ways=ways)
        features, _ = net.encoder(image, pattern)
        away = distance(net.head(features, image), answer)
        return {"features": feature_distance(features, target), name: away}

    pace = LoopSettings(recipe.steps, recipe.steps // 20, recipe.checkpoint_every)
    return train(masters, pace, out, losses_of, lambda step, _: on_step(recipe.steps_of_selectors + step))


def _batch(pictures: np.ndarray, recipe: Recipe, stage: int, step: int) -> Tensor:
    """uint8 [B, H, W, 3], as other cameras and other lamps would have shown them."""
    rng = np.random.default_rng((recipe.seed, stage, step))
    indices = process_rank().shard(batch_indices(len(pictures), recipe.batch, recipe.seed + stage, step))
    no_depth = np.zeros(pictures.shape[1:3], np.float32)
    seen = np.stack([augment(pictures[i], no_depth, rng)[0] for i in indices])
    if recipe.sizes:
        seen, _ = shrunk(
            seen, np.zeros(seen.shape[:3], np.float32), recipe.sizes[rng.integers(len(recipe.sizes))]
        )
    return torch.from_numpy(seen).to(device())
