"""Multiply-adds of matrix products, layer by layer."""

from __future__ import annotations

from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.represented import counts
from tosa_edge.row_sharing import ONGOING, Way, fused_rows


def attention_cost(config: ModelConfig, tokens: int) -> int:
    """Projections to queries, keys and values, the map, its product with the values, projection back."""
    return 4 * tokens * config.dim**2 + 2 * tokens**2 * config.dim


def mlp_cost(config: ModelConfig, tokens: int) -> int:
    return 2 * tokens * config.dim * int(config.dim * config.mlp_ratio)


def layer_cost(config: ModelConfig, tokens: int) -> int:
    return attention_cost(config, tokens) + mlp_cost(config, tokens)


def prefix(config: ModelConfig) -> int:
    """The class token and the registers."""
    return 1 + config.registers


def rows_by_layer(config: ModelConfig, ways: tuple[Way, ...]) -> list[int]:
    """How many rows attend in each layer."""
    everything = prefix(config) + config.tokens
    rows = [everything] * config.layers
    for way in ways:
        left = config.tokens
        for layer in way.layers:
            if way.way not in ONGOING:
                windows = (config.grid[0] // 2) * (config.grid[1] // 2)
                _, pairs, one = counts(windows, way.whole, way.pairs)
                rows[layer] = everything - 2 * pairs - 3 * one
            elif layer in way.starts and way.way == "fused":
                left -= fused_rows(way.merged, left) - 1
            elif layer in way.starts:
                left -= min(left // 2, round(way.merged * config.tokens))
            if way.way in ONGOING:
                rows[layer] = prefix(config) + left
    return rows


def encoder_cost(config: ModelConfig, ways: tuple[Way, ...]) -> int:
    """Of the whole encoder, for one picture; without `ways` of the dense one."""
    embedding = config.tokens * 3 * config.patch**2 * config.dim
    return embedding + sum(layer_cost(config, rows) for rows in rows_by_layer(config, ways))
