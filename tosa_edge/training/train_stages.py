"""Trains a depth model on labelled frames, stage after stage, as its recipe says.

Every stage has a folder of its own with its state, its log and its weights; the next begins with those. A run
that is killed goes on from its last checkpoint, on the very batches it would have seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import find_checkpoint
from tosa_edge.nn.examine import config_inside
from tosa_edge.nn.net import VisionNet
from tosa_edge.nn.stored import open_checkpoint
from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import load_encoder, load_net
from tosa_edge.training import parallel
from tosa_edge.training.datasets import Dataset
from tosa_edge.training.elastic import SelectorLoss, draw_pattern
from tosa_edge.training.loop import STATE, WEIGHTS, LoopSettings, train
from tosa_edge.training.losses import depth_distance, depth_loss, feature_distance
from tosa_edge.training.recipe import Recipe, Stage
from tosa_edge.training.shard_batches import augment, batch_indices, shrunk
from tosa_edge.training.shrink import PICTURES, shrink
from tosa_edge.training.state import Masters, compute_type, step_of

# A selective run learns from the labels, and from what the dense run made of the same pictures.
SELECTIVE_WEIGHT, FEATURE_WEIGHT, MATCH_WEIGHT = 1.0, 1.0, 1.0


def train_stages(
    checkpoint: Path,
    frames: Dataset,
    out: Path,
    recipe: Recipe,
    on_step: Callable[[int, dict[str, float]], None] = lambda step, losses: None,
) -> Path:
    """Trains to the end of the recipe and returns the weights file."""
    processes = parallel.process_rank().count
    if min(recipe.batch, len(frames)) < processes:
        raise TosaEdgeError(
            f"{processes} processes cannot share a batch of {min(recipe.batch, len(frames))}",
            "Start fewer processes, or raise the recipe's batch.",
        )
    net, done = starting_net(checkpoint, recipe, frames), 0
    for size in recipe.sizes:
        net.config.at(*size)  # refuses, before any step, what the patch does not divide
    for number, stage in enumerate(recipe.stages):
        weights = _fit_stage(net, frames, out / stage.name, recipe, number, _shifted(on_step, done))
        net, done = load_net(weights), done + stage.steps
    return weights


def starting_net(checkpoint: Path, recipe: Recipe, frames: Dataset) -> VisionNet:
    """A model to train: one of ours, as it is or cut down, or an official encoder under a new head."""
    net, foreign = start_of(checkpoint, recipe)
    if not foreign:
        if recipe.head_layers:
            net = with_head_layers(net, recipe.head_layers)
        if recipe.shrink is None or net.config.name == recipe.name:
            net.config = replace(net.config, name=recipe.name)
            return net
        some = batch_indices(len(frames), min(PICTURES, len(frames)), recipe.seed, 0)
        images, _ = frames.batch(some)
        return shrink(net, recipe.shrink, recipe.name, torch.from_numpy(images))
    return net


def start_of(checkpoint: Path, recipe: Recipe) -> tuple[VisionNet, str]:
    """What a checkpoint holds, at the recipe's size, and what is to be said of one that is not ours."""
    size = (recipe.height, recipe.width)
    if config_inside(open_checkpoint(checkpoint)) is not None:
        return load_net(checkpoint, size), ""
    torch.manual_seed(recipe.seed)
    return load_encoder(checkpoint, size, recipe.name, recipe.head)


def teacher_of(recipe: Recipe, student: VisionNet) -> VisionNet | None:
    """The recipe's teacher, a bundled model or a file, ready to be asked."""
    if recipe.teacher is None:
        return None
    teacher = load_net(find_checkpoint(recipe.teacher), (recipe.height, recipe.width))
    if (teacher.config.dim, teacher.config.head_dim) != (student.config.dim, student.config.head_dim):
        raise TosaEdgeError(
            f"the teacher {recipe.teacher} is {teacher.config.dim} wide and the student {student.config.dim}",
            "Choose a teacher of the student's width: features are compared number by number.",
        )
    return teacher.to(parallel.device(), compute_type()).eval().requires_grad_(False)


def with_head_layers(net: VisionNet, head_layers: tuple[int, ...]) -> VisionNet:
    """A copy with other head layers; neighbouring layers are similar, so the head's weights stay useful."""
    other = VisionNet(replace(net.config, head_layers=head_layers))
    other.load_state_dict(net.state_dict())
    return other.eval()


def reached(out: Path, recipe: Recipe) -> tuple[str, int]:
    """The stage that a run in this folder goes on with, and its step."""
    for stage in reversed(recipe.stages):
        if step := step_of(out / stage.name / STATE):
            return stage.name, step
    return recipe.stages[0].name, 0


def finished(out: Path, recipe: Recipe) -> Path | None:
    """The weights of the run in this folder, when it has come to its end."""
    last = recipe.stages[-1]
    weights = out / last.name / WEIGHTS
    done = step_of(out / last.name / STATE) >= last.steps and weights.is_file()
    return weights if done else None


def learning_rates(net: VisionNet, stage: Stage) -> dict[str, float]:
    """The peak rate of every parameter: lower layers know more already, and move less or not at all."""
    layers = net.config.layers
    rates = {}
    for name, _ in net.named_parameters():
        if name.startswith("head."):
            rates[name] = stage.head_rate
        elif ".selectors." in name:
            rates[name] = stage.selector_rate
        else:
            block = int(name.split(".")[2]) + 1 if ".blocks." in name else 0
            depth = layers if ".norm." in name else block
            still = bool(stage.frozen) and depth <= stage.frozen
            rates[name] = 0.0 if still else stage.encoder_rate * stage.layer_decay ** (layers - depth)
    return rates


def stage_losses(
    net: VisionNet,
    images: np.ndarray,
    depths: np.ndarray,
    rng: Generator,
    stage: Stage,
    teacher: VisionNet | None = None,
) -> dict[str, Tensor]:
    """The losses of one batch: uint8 [B, H, W, 3] and metres [B, H, W]."""
    at = parallel.device()
    image, depth = net.normalise(torch.from_numpy(images).to(at)), torch.from_numpy(depths).to(at)
    with SelectorLoss(net, query_stride=32) as selectors:
        features, _ = net.encoder(image, Pattern())
    predicted = net.head(features, image)
    positive = net.config.head == "dpt"
    terms = {"dense": depth_loss(predicted, depth, positive)}
    if stage.selector_rate:
        terms["selectors"] = selectors.loss()
    if teacher is not None:
        with torch.no_grad():
            taught, _ = teacher.encoder(image, Pattern())
            shown = teacher.head(taught, image)
        terms["taught features"] = FEATURE_WEIGHT * feature_distance(features, taught)
        terms["taught depth"] = MATCH_WEIGHT * depth_distance(predicted, shown)
    if stage.elastic:
        some, _ = net.encoder(image, draw_pattern(net.config, rng, represented=stage.represented))
        guess = net.head(some, image)
        terms["selective"] = SELECTIVE_WEIGHT * depth_loss(guess, depth, positive)
        terms["features"] = FEATURE_WEIGHT * feature_distance(some, [f.detach() for f in features])
        terms["match"] = MATCH_WEIGHT * depth_distance(guess, predicted.detach())
    return terms


def draw_batch(
    frames: Dataset, recipe: Recipe, number: int, step: int, place: parallel.ProcessRank
) -> tuple[np.ndarray, np.ndarray]:
    """This process's share of a step's frames. A frame's augmentation is the same whoever it falls to."""
    indices = batch_indices(len(frames), recipe.batch, recipe.seed + number, step)
    places = place.shard(list(range(len(indices))))
    images, depths = frames.batch([indices[p] for p in places])
    pairs = [
        augment(image, depth, np.random.default_rng((recipe.seed, 1, number, step, p)))
        for p, image, depth in zip(places, images, depths, strict=True)
    ]
    images, depths = np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])
    if not recipe.sizes:
        return images, depths
    size_rng = np.random.default_rng((recipe.seed, 3, number, step))
    return shrunk(images, depths, recipe.sizes[size_rng.integers(len(recipe.sizes))])


def _fit_stage(
    net: VisionNet,
    frames: Dataset,
    out: Path,
    recipe: Recipe,
    number: int,
    on_step: Callable[[int, dict[str, float]], None],
) -> Path:
    stage, place = recipe.stages[number], parallel.process_rank()
    teacher = teacher_of(recipe, net) if stage.taught else None
    if stage.selector_rate:
        net.config = replace(net.config, selectors=True)
    masters = Masters(net, learning_rates(net, stage), stage.weight_decay, stage.average)

    def losses_of(step: int) -> dict[str, Tensor]:
        images, depths = draw_batch(frames, recipe, number, step, place)
        rng = np.random.default_rng((recipe.seed, 2, number, step))
        return stage_losses(net, images, depths, rng, stage, teacher)

    pace = LoopSettings(stage.steps, stage.warmup, recipe.checkpoint_every)
    return train(masters, pace, out, losses_of, on_step)


def _shifted(
    on_step: Callable[[int, dict[str, float]], None], done: int
) -> Callable[[int, dict[str, float]], None]:
    return lambda step, losses: on_step(done + step, losses)
