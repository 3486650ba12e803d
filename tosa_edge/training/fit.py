"""Trains a depth model on labelled shards: python -m tosa_edge.training.fit --help.

Starts from an encoder's or a model's checkpoint, ends with `weights.safetensors` in half precision. A run
that is killed goes on from its last checkpoint, on the very batches it would have seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.depth import DepthNet
from tosa_edge.nn.weights import encoder_config, load_depth_net, load_encoder, read_checkpoint
from tosa_edge.training.elastic import SelectorLoss, draw_pattern
from tosa_edge.training.frames import Shards, augment, batch_indices
from tosa_edge.training.loop import Pace, train
from tosa_edge.training.losses import depth_loss
from tosa_edge.training.state import Masters


@dataclass(frozen=True)
class Recipe:
    """How one model is trained."""

    name: str = "tosa_depth_s"
    height: int = 252
    width: int = 336
    steps: int = 1500
    batch: int = 16
    head_rate: float = 1e-3
    encoder_rate: float = 5e-5
    layer_decay: float = 0.8
    selector_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup: int = 60
    dense: float = 0.5
    average: float = 0.998
    seed: int = 0
    checkpoint_every: int = 50


def starting_net(checkpoint: Path, recipe: Recipe) -> DepthNet:
    """A model to train: all of ours, or an official encoder under a new head."""
    tensors, config = read_checkpoint(checkpoint)
    if config is not None:
        return load_depth_net(checkpoint, (recipe.height, recipe.width))
    torch.manual_seed(recipe.seed)
    net = DepthNet(encoder_config(tensors, recipe.height, recipe.width, recipe.name))
    load_encoder(net, tensors)
    return net


def learning_rates(net: DepthNet, recipe: Recipe) -> dict[str, float]:
    """The peak rate of every parameter: lower layers know more already, and move less."""
    config: ModelConfig = net.config
    rates = {}
    for name, _ in net.named_parameters():
        if name.startswith("head."):
            rates[name] = recipe.head_rate
        elif ".selectors." in name:
            rates[name] = recipe.selector_rate
        else:
            block = int(name.split(".")[2]) + 1 if ".blocks." in name else 0
            depth = config.layers if ".norm." in name else block
            rates[name] = recipe.encoder_rate * recipe.layer_decay ** (config.layers - depth)
    return rates


def batch_losses(
    net: DepthNet, images: np.ndarray, depths: np.ndarray, rng: np.random.Generator, recipe: Recipe
) -> dict[str, Tensor]:
    """The losses of one batch under a freshly drawn pattern."""
    net.pattern = draw_pattern(net.config.layers, rng, recipe.dense)
    image, depth = torch.from_numpy(images), torch.from_numpy(depths)
    if net.pattern.layers:
        return {"selective": depth_loss(net(image)[0], depth)}
    with SelectorLoss(net, query_stride=8) as selectors:
        loss = depth_loss(net(image), depth)
    return {"dense": loss, "selectors": selectors.loss()}


def fit(
    checkpoint: Path,
    shards: Path,
    out: Path,
    recipe: Recipe,
    on_step: Callable[[int, dict[str, float]], None] = lambda step, losses: None,
) -> Path:
    """Trains to the end of the recipe and returns the weights file."""
    frames = Shards(shards)
    for refused in frames.refused:
        print(f"left out {refused}", flush=True)
    net = starting_net(checkpoint, recipe)
    masters = Masters(net, learning_rates(net, recipe), recipe.weight_decay, recipe.average)

    def losses_of(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((recipe.seed, 1, step))
        images, depths = frames.batch(batch_indices(len(frames), recipe.batch, recipe.seed, step))
        pairs = [augment(i, d, rng) for i, d in zip(images, depths, strict=True)]
        images, depths = np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])
        return batch_losses(net, images, depths, rng, recipe)

    return train(masters, Pace(recipe.steps, recipe.warmup, recipe.checkpoint_every), out, losses_of, on_step)


def main() -> None:
    import argparse

    from tosa_edge.cli.progress import progress

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="an official encoder, or a model of ours")
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    for field in fields(Recipe):
        kind = {"str": str, "int": int, "float": float}[str(field.type)]
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    args = vars(parser.parse_args())
    checkpoint, shards, out = (args.pop(key) for key in ("checkpoint", "shards", "out"))
    recipe = Recipe(**args)
    with progress("training", recipe.steps, "steps") as advance:
        weights = fit(checkpoint, shards, out, recipe, lambda step, losses: advance(step - 1))
    print(f"wrote {weights}")


if __name__ == "__main__":
    main()
