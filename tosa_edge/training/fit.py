"""Trains a depth model on labelled shards: python -m tosa_edge.training.fit --help.

Starts from an encoder's or a model's checkpoint, ends with `weights.safetensors` in half precision. A run
that is killed goes on from its last checkpoint, on the very batches it would have seen.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.depth import DepthNet
from tosa_edge.nn.weights import encoder_config, load_depth_net, load_encoder, read_checkpoint, save_depth_net
from tosa_edge.training.elastic import SelectorLoss, draw_pattern
from tosa_edge.training.frames import Shards, augment, epochs
from tosa_edge.training.losses import depth_loss
from tosa_edge.training.state import Masters


@dataclass(frozen=True)
class Recipe:
    """How one model is trained."""

    name: str = "tosa_depth_s"
    height: int = 252
    width: int = 336
    steps: int = 2000
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
            depth = (
                int(name.split(".")[2]) + 1
                if ".blocks." in name
                else (config.layers if ".norm." in name else 0)
            )
            rates[name] = recipe.encoder_rate * recipe.layer_decay ** (config.layers - depth)
    return rates


def schedule(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def train_step(
    net: DepthNet, images: np.ndarray, depths: np.ndarray, rng: np.random.Generator, recipe: Recipe
) -> dict[str, float]:
    """Forward and backward of one batch under a freshly drawn pattern; returns the losses as numbers."""
    net.pattern = draw_pattern(net.config.layers, rng, recipe.dense)
    image, depth = torch.from_numpy(images), torch.from_numpy(depths)
    losses = {}
    if net.pattern.layers:
        prediction, _ = net(image)
        loss = losses["selective"] = depth_loss(prediction, depth)
    else:
        with SelectorLoss(net, query_stride=8) as selectors:
            prediction = net(image)
        losses["dense"] = depth_loss(prediction, depth)
        losses["selectors"] = selectors.loss()
        loss = losses["dense"] + losses["selectors"]
    loss.backward()
    return {name: float(value.detach()) for name, value in losses.items()}


def fit(checkpoint: Path, shards: Path, out: Path, recipe: Recipe) -> Path:
    """Trains to the end of the recipe and returns the weights file."""
    torch.set_flush_denormal(True)
    out.mkdir(parents=True, exist_ok=True)
    frames = Shards(shards)
    for refused in frames.refused:
        print(f"left out {refused}", flush=True)
    net = starting_net(checkpoint, recipe).bfloat16().train()
    masters = Masters(net, learning_rates(net, recipe), recipe.weight_decay, recipe.average)
    resume = out / "state.safetensors"
    step = masters.restore(resume) if resume.exists() else 0
    batches = epochs(len(frames), recipe.batch, recipe.seed, step)
    started, first = time.time(), step
    with open(out / "log.jsonl", "a") as log:
        while step < recipe.steps:
            rng = np.random.default_rng((recipe.seed, 1, step))
            images, depths = frames.batch(next(batches))
            pairs = [augment(i, d, rng) for i, d in zip(images, depths, strict=True)]
            images, depths = np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])
            losses = train_step(net, images, depths, rng, recipe)
            norm = masters.step(schedule(step, recipe), step)
            step += 1
            rate = (step - first) / (time.time() - started)
            log.write(
                json.dumps({"step": step, **losses, "norm": norm, "per_second": rate * recipe.batch}) + "\n"
            )
            if step % recipe.checkpoint_every == 0 or step == recipe.steps:
                log.flush()
                masters.save(resume, step)
                save_depth_net(masters.averaged(), out / "weights.safetensors")
                speed = f"{rate * recipe.batch:.1f} frames/s, {(recipe.steps - step) / rate / 60:.0f} min"
                print(f"step {step}/{recipe.steps}  {losses}  {speed} left", flush=True)
    return out / "weights.safetensors"


def main() -> None:
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "checkpoint", type=Path, help="an official encoder, or a model of ours, as safetensors"
    )
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    for name, kind in (("name", str), ("steps", int), ("batch", int), ("encoder_rate", float), ("seed", int)):
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=getattr(Recipe, name))
    args = vars(parser.parse_args())
    checkpoint, shards, out = (args.pop(key) for key in ("checkpoint", "shards", "out"))
    fit(checkpoint, shards, out, Recipe(**args))


if __name__ == "__main__":
    main()
