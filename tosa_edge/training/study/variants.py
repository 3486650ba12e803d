"""What the study compares: ways through one encoder, each under a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from tosa_edge.find_model import DEFAULT_SPREAD
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.net import VisionNet, answer_at
from tosa_edge.nn.tosa import Pattern, grouped
from tosa_edge.row_sharing import parse_ways
from tosa_edge.training.study.flops import Method, merging_at, multiply_adds, pruning_at, smaller_at
from tosa_edge.training.study.merging_pruning import Merging, Pruning, merged_features, pruned_features
from tosa_edge.training.study.smaller import Smaller, at_share
from tosa_edge.tuning.candidates import sharing_specs

DENSE = "dense"
GROUPS = (1, 3)
KEEP, STRIDE = 0.5, 8
SWEEP = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
OTHER_STRIDES = (1, 32)
OTHER_SPREADS = (0.0, 2.0, 64.0)
OTHER_SELECTORS = ("previous", "random")
SHARES = (0.89, 0.78, 2 / 3, 1 / 2)  # of the picture's sides
SKIPPED_TOO = SHARES[2:]
MERGED = (0.04, 0.055, 0.07)  # of the patches, in every layer: token merging as published
SHARING_TOO = (0.89, 0.74)  # pictures on which tokens share rows as well: `fast` and `faster` are among them


@dataclass(frozen=True)
class Variant:
    """A row of the table: a `sweep` row takes part of the frames, a `core` row is for every checkpoint, and a
    `is_baseline`: another method at the arithmetic of one of ours."""

    name: str
    method: Method
    sweep: bool = False
    core: bool = False
    is_baseline: bool = False


def study_variants(config: ModelConfig) -> list[Variant]:
    """All rows of the main checkpoint, in the order of the table."""
    rows = [Variant(DENSE, Pattern(), core=True)]
    for group in GROUPS:
        layers = grouped(config.layers, group)
        rows += [
            Variant(f"g{group}@{keep}", selecting(layers, keep), sweep=keep != KEEP, core=keep == KEEP)
            for keep in SWEEP
        ]
    for group in GROUPS:
        name, layers = f"g{group}@{KEEP}", grouped(config.layers, group)
        rows += [Variant(f"{name} stride {s}", selecting(layers, stride=s)) for s in OTHER_STRIDES]
        rows += [Variant(f"{name} spread {s:g}", selecting(layers, spread=s)) for s in OTHER_SPREADS]
        rows += [
            Variant(f"{name} {s}", selecting(layers, selector=s), core=s == "previous")
            for s in OTHER_SELECTORS
        ]
        budget = multiply_adds(config, selecting(layers))
        rows.append(Variant(f"ToMe at {name}", merging_at(config, budget), is_baseline=True))
        rows.append(Variant(f"pruning at {name}", pruning_at(config, budget), is_baseline=True))
        rows.append(Variant(f"smaller picture at {name}", smaller_at(config, budget), is_baseline=True))
    for share in MERGED:
        merging = Merging((round(share * config.tokens),) * config.layers)
        rows.append(Variant(f"ToMe {share:g}", merging, is_baseline=True))
    for spec in sharing_specs(config.layers):
        pattern = Pattern(ways=parse_ways(spec, config.layers))
        rows.append(Variant(spec, pattern))
        smaller = [replace(at_share(config, share), pattern=pattern) for share in SHARING_TOO]
        rows += [Variant(f"{one.name} {spec}", one) for one in smaller]
    for share in SHARES:
        small = at_share(config, share)
        rows.append(Variant(small.name, small))
        for group in GROUPS if share in SKIPPED_TOO else ():
            both = replace(small, pattern=selecting(grouped(config.layers, group)))
            rows.append(Variant(f"{small.name} g{group}@{KEEP}", both))
    return rows


def selecting(
    layers: tuple[int, ...],
    keep: float = KEEP,
    *,
    stride: int = STRIDE,
    selector: str = "learned",
    spread: float = DEFAULT_SPREAD,
) -> Pattern:
    """What ships, but for what is said otherwise."""
    return Pattern(layers, keep, stride, selector, spread)


def predict(net: VisionNet, pictures: Tensor, method: Method, seeds: Sequence[int]) -> Tensor:
    """uint8 [B, H, W, 3] -> the model's output [B, H, W], along that way; `seeds`, one a picture, are for
    the random selector."""
    pixels = net.normalise(pictures)
    if isinstance(method, Merging):
        features = merged_features(net.encoder, pixels, method)
    elif isinstance(method, Pruning):
        features = pruned_features(net.encoder, pixels, method)
    elif isinstance(method, Smaller):
        return answer_at(net, pictures, method.size, method.pattern)
    else:
        kept = None
        if method.selector == "random":
            kept = random_kept(method, net.config.tokens, seeds).to(pictures.device)
        features, _ = net.encoder(pixels, method, kept)
    return net.head(features, pixels)


def random_kept(pattern: Pattern, patches: int, seeds: Sequence[int]) -> Tensor:
    """Patches chosen by lot, anew for every selection: int32 [B, G, K], ascending.

    The lot depends on the seed alone, so a picture keeps the same patches in whatever batch it comes.
    """
    kept, selections = pattern.kept(patches), len(pattern.selections())
    chosen = np.empty((len(seeds), selections, kept), np.int32)
    for row, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        for selection in range(selections):
            chosen[row, selection] = np.sort(rng.permutation(patches)[:kept])
    return torch.from_numpy(chosen)
