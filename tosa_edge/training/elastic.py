"""One set of weights for every graph: each step trains another pattern of skipping, dense included."""

from __future__ import annotations

import torch
from numpy.random import Generator
from torch import Tensor, nn

from tosa_edge.find_model import DEFAULT_SPREAD
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.encoder import Encoder
from tosa_edge.nn.net import VisionNet
from tosa_edge.nn.tosa import Pattern, predicted_attention, score_map
from tosa_edge.row_sharing import Way, split_layers
from tosa_edge.training.losses import attention_divergence

STRIDES = (1, 8, 8, 8, 8, 8, 8, 32)
GROUPS = (1, 3)
# A grid: of shapes that never repeat, a process never gets its memory back (30 MB a step, measured).
KEEPS = tuple(k / 20 for k in range(6, 21))
# Windows whole and in pairs, from 82 % of the rows down to 38 %.
WINDOWS = ((0.7, 0.2), (0.6, 0.3), (0.5, 0.3), (0.4, 0.4), (0.3, 0.4), (0.2, 0.4), (0.1, 0.4), (0.05, 0.35))
GROUPED = 0.15  # of the draws with represented tokens: merging, which windows gain nothing from
MERGED = (0.1, 0.15, 0.2)  # of all patches, three times


def draw_pattern(
    config: ModelConfig, rng: Generator, dense: float = 0.0, represented: float = 0.0
) -> Pattern:
    """Dense with probability `dense`, else any group, query stride and keep; often the ones that ship.

    Or, with probability `represented`, rows that stand for several tokens.
    """
    if rng.random() < dense:
        return Pattern()
    if represented and rng.random() < represented:
        return Pattern(ways=draw_ways(config.layers, rng))
    keep = 0.5 if rng.random() < 0.4 else float(rng.choice(KEEPS))
    group, stride = int(rng.choice(GROUPS)), int(rng.choice(STRIDES))
    return Pattern(config.selective_layers(group), keep, stride, spread=DEFAULT_SPREAD)


def draw_ways(layers: int, rng: Generator) -> tuple[Way, ...]:
    """One to three runs of windows, from an early layer to the last, each with fewer rows than before; or,
    seldom, merging."""
    first = int(rng.integers(max(1, layers // 6), max(2, layers // 3)))
    if rng.random() < GROUPED:
        run = tuple(range(first, layers))
        return (Way(run, "groups", max(1, -(-len(run) // 3)), merged=float(rng.choice(MERGED))),)
    runs = min(int(rng.integers(1, 4)), layers - first)
    shares = sorted(rng.choice(len(WINDOWS), runs, replace=False))
    return tuple(
        Way(tuple(run), "windows", len(run), *WINDOWS[share])
        for run, share in zip(split_layers(range(first, layers), runs), shares, strict=True)
    )


class SelectorLoss:
    """Teaches every selector the next layer's attention, while a dense step runs.

    It listens to the projections of all layers; nothing flows back from it into the encoder.

    Example:
        >>> with SelectorLoss(net, query_stride=8) as selectors:
        ...     depth = net(image)
        >>> loss = loss + selectors.loss()
    """

    def __init__(self, net: VisionNet, query_stride: int) -> None:
        self.encoder: Encoder = net.encoder
        self.query_stride = query_stride
        self.projections: list[Tensor] = []

    def __enter__(self) -> SelectorLoss:
        self.hooks = [
            self.encoder.block(layer).attn.qkv.register_forward_hook(self._listen)
            for layer in range(self.encoder.config.layers)
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def _listen(self, _module: nn.Module, _inputs: object, projections: Tensor) -> None:
        self.projections.append(projections.detach())

    def loss(self) -> Tensor:
        """Mean divergence over the selectors that any group uses."""
        ours = self.encoder.config
        used = sorted({i for group in GROUPS for i in Pattern(ours.selective_layers(group)).selections()})
        losses = []
        for layer in used:
            attn, s = self.encoder.block(layer).attn, self.encoder.selector(layer)
            now, then = (
                score_map(q, num_heads=attn.num_heads, query_stride=self.query_stride, scale=attn.scale)
                for q in self.projections[layer : layer + 2]
            )
            losses.append(attention_divergence(predicted_attention(now, s.w1, s.b1, s.w2), then.softmax(-1)))
        return torch.stack(losses).mean()
