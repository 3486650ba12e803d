"""The names and shapes of a model's parameters, without PyTorch: what a file is held against, before any of
its bytes are read."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tosa_edge.nn.config import ModelConfig

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
LAST_WIDTH = 32  # of a DPT head, before its single channel


def parameter_shapes(config: ModelConfig) -> Shapes:
    """Those of `VisionNet(config)`."""
    head = {"dpt": _dpt, "linear": _linear, "tosa": _light}[config.head]
    return {
        **{f"encoder.{name}": shape for name, shape in encoder_shapes(config).items()},
        **{f"encoder.selectors.{name}": shape for name, shape in _selectors(config)},
        **{f"head.{name}": shape for name, shape in head(config)},
    }


def encoder_shapes(config: ModelConfig) -> Shapes:
    """Those of the encoder without its selectors, under DINOv2's names."""
    dim = config.dim
    hidden = int(dim * config.mlp_ratio)
    found: Shapes = {"cls_token": (1, 1, dim), "pos_embed": (1, 1 + math.prod(config.stored_grid), dim)}
    if config.registers:
        found["register_tokens"] = (1, config.registers, dim)
    found |= _layer("patch_embed.proj", dim, 3, config.patch, config.patch)
    for i in range(config.layers):
        block = f"blocks.{i}"
        found |= _layer(f"{block}.norm1", dim) | _layer(f"{block}.norm2", dim)
        found |= _layer(f"{block}.attn.qkv", 3 * dim, dim) | _layer(f"{block}.attn.proj", dim, dim)
        found |= _layer(f"{block}.mlp.fc1", hidden, dim) | _layer(f"{block}.mlp.fc2", dim, hidden)
        if config.layer_scale:
            found |= {f"{block}.ls1.gamma": (dim,), f"{block}.ls2.gamma": (dim,)}
    return found | _layer("norm", dim)


def _layer(name: str, outputs: int, *inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, *inputs), f"{name}.bias": (outputs,)}


def _selectors(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    heads = config.heads
    for i in range(config.layers - 1):
        yield from (
            (f"{i}.w1", (2 * heads, heads)),
            (f"{i}.b1", (2 * heads,)),
            (f"{i}.w2", (heads, 2 * heads)),
        )


def _light(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    dim = config.head_dim
    half, quarter = dim // 2, dim // 4
    for number in range(len(config.head_layers)):
        yield from _layer(f"project.{number}", dim, config.dim).items()
    for name, width in (("patches", dim), ("quarter", half)):
        yield from _layer(f"{name}.conv1", width, width, 3, 3).items()
        yield from _layer(f"{name}.conv2", width, width, 3, 3).items()
    yield from _layer("edges_half", quarter, 3, 3, 3).items()
    yield from _layer("edges_quarter", half, quarter, 3, 3).items()
    yield from _layer("to_quarter", half, dim, 1, 1).items()
    yield from _layer("to_half", quarter, half, 1, 1).items()
    yield from _layer("half_res", quarter, quarter, 3, 3).items()
    yield from _layer("out", 4, quarter, 3, 3).items()


def _linear(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    yield from _layer("classes", config.classes, len(config.head_reads) * config.dim).items()


def _dpt(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    dim, channels = config.head_dim, config.head_channels
    for number, c in enumerate(channels):
        yield from _layer(f"projects.{number}", c, config.dim, 1, 1).items()
        if number != 2:  # the map of the patch grid's own size
            kernel = (4, 2, 0, 3)[number]
            yield from _layer(f"resize_layers.{number}", c, c, kernel, kernel).items()
        yield f"scratch.layer{number + 1}_rn.weight", (dim, c, 3, 3)
        for unit in (1, 2) if number < 3 else (2,):
            for conv in (1, 2):
                name = f"scratch.refinenet{number + 1}.resConfUnit{unit}.conv{conv}"
                yield from _layer(name, dim, dim, 3, 3).items()
        yield from _layer(f"scratch.refinenet{number + 1}.out_conv", dim, dim, 1, 1).items()
    yield from _layer("scratch.output_conv1", dim // 2, dim, 3, 3).items()
    yield from _layer("scratch.output_conv2.0", LAST_WIDTH, dim // 2, 3, 3).items()
    yield from _layer("scratch.output_conv2.2", 1, LAST_WIDTH, 1, 1).items()
