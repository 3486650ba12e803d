"""Label-free: the dense model teaches the selective ones, on nothing but pictures.

Stage one trains the selectors alone: each is to predict the next layer's attention map. Stage two trains all
weights with tokens being skipped, towards the features and the depth that the dense model, as it was at the
start, gives for the same pictures. Every step skips by another pattern, and some skip nothing, so that the
dense graph over the same weights stays what it was.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import load_depth_net
from tosa_edge.training.elastic import SelectorLoss, draw_pattern
from tosa_edge.training.loop import STATE, LoopSettings, train
from tosa_edge.training.losses import depth_distance, feature_distance
from tosa_edge.training.parallel import device, process_rank
from tosa_edge.training.record import keep_distillation
from tosa_edge.training.shard_batches import augment, batch_indices
from tosa_edge.training.state import Masters, compute_type, step_of

QUERY_STRIDE = 8


@dataclass(frozen=True)
class Recipe:
    """How long, and how fast."""

    selector_steps: int = 200
    steps: int = 600
    batch: int = 8
    selector_rate: float = 1e-3
    rate: float = 2e-5
    dense: float = 0.15
    seed: int = 0
    checkpoint_every: int = 50


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
    selectors = _train_selectors(checkpoint, pictures, out / "selectors", recipe, on_step)
    return _train_student(selectors, pictures, out, recipe, on_step)


def reached(out: Path) -> int:
    """How many steps a run in this folder has behind it."""
    return step_of(out / "selectors" / STATE) + step_of(out / STATE)


def _train_selectors(
    checkpoint: Path, pictures: np.ndarray, out: Path, recipe: Recipe, on_step: Callable[[int], None]
) -> Path:
    net = load_depth_net(checkpoint)
    rates = {n: recipe.selector_rate * (".selectors." in n) for n, _ in net.named_parameters()}
    masters = Masters(net, rates, weight_decay=0.0, average=0.98)

    def losses_of(step: int) -> dict[str, Tensor]:
        with torch.no_grad(), SelectorLoss(net, QUERY_STRIDE) as heard:
            net.encoder(net.normalise(_batch(pictures, recipe, stage=1, step=step)), Pattern())
        return {"selectors": heard.loss()}

    pace = LoopSettings(recipe.selector_steps, recipe.selector_steps // 10, recipe.checkpoint_every)
    return train(masters, pace, out, losses_of, lambda step, _: on_step(step))


def _train_student(
    checkpoint: Path, pictures: np.ndarray, out: Path, recipe: Recipe, on_step: Callable[[int], None]
) -> Path:
    net = load_depth_net(checkpoint)
    teacher = copy.deepcopy(net).to(device(), compute_type()).requires_grad_(False)
    rates = {n: recipe.rate * (".selectors." not in n) for n, _ in net.named_parameters()}
    masters = Masters(net, rates, weight_decay=0.01, average=0.99)

    def losses_of(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((recipe.seed, 3, step))
        image = net.normalise(_batch(pictures, recipe, stage=2, step=step))
        with torch.no_grad():
            target, _ = teacher.encoder(image, Pattern())
            depth = teacher.head(target, image)
        features, _ = net.encoder(image, draw_pattern(net.config.layers, rng, recipe.dense))
        away = depth_distance(net.head(features, image), depth)
        return {"features": feature_distance(features, target), "depth": away}

    pace = LoopSettings(recipe.steps, recipe.steps // 20, recipe.checkpoint_every)
    return train(masters, pace, out, losses_of, lambda step, _: on_step(recipe.selector_steps + step))


def _batch(pictures: np.ndarray, recipe: Recipe, stage: int, step: int) -> Tensor:
    """uint8 [B, H, W, 3], as other cameras and other lamps would have shown them."""
    rng = np.random.default_rng((recipe.seed, stage, step))
    indices = process_rank().shard(batch_indices(len(pictures), recipe.batch, recipe.seed + stage, step))
    no_depth = np.zeros(pictures.shape[1:3], np.float32)
    seen = np.stack([augment(pictures[i], no_depth, rng)[0] for i in indices])
    return torch.from_numpy(seen).to(device())
