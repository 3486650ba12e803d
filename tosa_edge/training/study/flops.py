"""The encoder's arithmetic under every method, and peers that are given as much of it as a pattern uses.

Counted are the multiply-adds of matrix products and of the patch embedding; softmax, norms and activations
are not, nor is the depth head, which is the same for all. One GFLOP is 1e9 multiplications and additions,
so a multiply-add is two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from tosa_edge.nn.arithmetic import attention_cost, layer_cost, mlp_cost, prefix, rows_by_layer
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.tosa import Pattern
from tosa_edge.training.study.merging_pruning import Merging, Pruning
from tosa_edge.training.study.smaller import Smaller, sizes_of

Method = Pattern | Merging | Pruning | Smaller
M = TypeVar("M", Merging, Pruning, Smaller)
STEPS = 1000  # keep rates are tried in steps of a thousandth


def gflop(multiply_adds: int) -> float:
    return 2 * multiply_adds / 1e9


def multiply_adds(config: ModelConfig, method: Method) -> int:
    """Of the whole encoder, for one picture."""
    if isinstance(method, Smaller):
        return multiply_adds(config.at(*method.size), method.pattern)
    embedding = config.tokens * 3 * config.patch**2 * config.dim
    if isinstance(method, Merging):
        return embedding + _merging(config, method)
    if isinstance(method, Pruning):
        return embedding + _pruning(config, method)
    return embedding + _selecting(config, method)


def selector_cost(config: ModelConfig, pattern: Pattern) -> int:
    """One selection: the sampled rows of the map, and the learned selector's two mixings of its heads."""
    if pattern.selector == "random":
        return 0
    tokens = prefix(config) + config.tokens
    cells = math.ceil(tokens / pattern.query_stride) * tokens
    hidden = 2 * config.heads if pattern.selector == "learned" else 0
    return cells * (config.dim + 2 * config.heads * hidden)


def merging_at(config: ModelConfig, target: int) -> Merging:
    """Merging, as even over the layers as can be, whose multiply-adds are nearest to `target`."""
    layers = config.layers

    def evenly_merged(total: int) -> Merging:
        return Merging(tuple((n + 1) * total // layers - n * total // layers for n in range(layers)))

    # The same number in every layer first, then single patches more or fewer.
    even = _nearest(config, target, [evenly_merged(n * layers) for n in range(config.tokens)])
    total = sum(even.per_layer)
    return _nearest(config, target, [evenly_merged(t) for t in range(max(0, total - layers), total + layers)])


def pruning_at(config: ModelConfig, target: int) -> Pruning:
    """Pruning after a quarter, a half and three quarters of the layers, likewise. In twelve layers these are
    the paper's."""
    layers = tuple(config.layers * n // 4 for n in (1, 2, 3))
    return _nearest(config, target, [Pruning(n / STEPS, layers) for n in range(1, STEPS + 1)])


def smaller_at(config: ModelConfig, target: int) -> Smaller:
    """The size of picture, seen whole by every layer, whose multiply-adds are nearest to `target`."""
    return _nearest(config, target, sizes_of(config))


def _nearest(config: ModelConfig, target: int, methods: Sequence[M]) -> M:
    return min(methods, key=lambda method: abs(multiply_adds(config, method) - target))


def _selecting(config: ModelConfig, pattern: Pattern) -> int:
    everything = prefix(config) + config.tokens
    kept = prefix(config) + pattern.kept(config.tokens)
    if pattern.ways:
        return sum(layer_cost(config, rows) for rows in rows_by_layer(config, pattern.ways))
    selective = set(pattern.layers)
    layers = sum(layer_cost(config, kept if i in selective else everything) for i in range(config.layers))
    return layers + len(pattern.selections()) * selector_cost(config, pattern)


def _merging(config: ModelConfig, merging: Merging) -> int:
    """Attention sees the tokens before, the MLP those after; matching compares half with half."""
    total, patches = 0, config.tokens
    for count in merging.counts(config.tokens):
        total += attention_cost(config, prefix(config) + patches)
        if count:
            total += math.ceil(patches / 2) * (patches // 2) * (config.dim // config.heads)
        patches -= count
        total += mlp_cost(config, prefix(config) + patches)
    return total


def _pruning(config: ModelConfig, pruning: Pruning) -> int:
    """Selection costs nothing: the class token's attention is one row of the layer's own map."""
    total, patches = 0, config.tokens
    counts = pruning.counts(config.tokens)
    for layer in range(config.layers):
        total += layer_cost(config, prefix(config) + patches)
        patches = counts.get(layer, patches)
    return total
