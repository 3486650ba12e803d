"""A vision transformer whose layers may be token-selective; parameters under DINOv2's public names."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.positions import resample_positions
from tosa_edge.nn.stack import LOT, Stack, choose_patches, drawn_by_lot
from tosa_edge.nn.tosa import (
    Pattern,
    dither_lattice,
    layer_norm,
    learned_importance,
    previous_importance,
)


class LayerNorm(nn.LayerNorm):
    """Statistics in float32, whatever the model's precision."""

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, self.weight, self.bias, self.eps)


class LayerScale(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Attention(nn.Module):
    """Only the projections: what happens between them differs between standard and selective layers."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)


class Mlp(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(gelu(self.fc1(x)))


def gelu(x: Tensor) -> Tensor:
    """Exact GELU. Opset 18 has no such operator, and hosts recognise it only when it is spelt like this."""
    if not torch.compiler.is_exporting():
        return F.gelu(x)
    return x * (1 + torch.erf(x / 2**0.5)) * 0.5


class Block(nn.Module):
    """One transformer layer."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, epsilon: float, scaled: bool) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim, eps=epsilon)
        self.attn = Attention(dim, num_heads)
        self.ls1 = LayerScale(dim) if scaled else nn.Identity()
        self.norm2 = LayerNorm(dim, eps=epsilon)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.ls2 = LayerScale(dim) if scaled else nn.Identity()


class Selector(nn.Module):
    """Two pointwise convolutions across heads; starts as the identity, which is selector `previous`."""

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        eye = torch.eye(num_heads)
        self.w1 = nn.Parameter(torch.cat((eye, -eye)))
        self.b1 = nn.Parameter(torch.zeros(2 * num_heads))
        self.w2 = nn.Parameter(torch.cat((eye, -eye), dim=1))


class Encoder(nn.Module):
    """Pictures [B, 3, H, W] to the features of the layers the head reads, each [B, N, D]; for a head that
    classifies [B, P + N, D], with class token and registers.

    H and W are the configuration's, or any other multiples of the patch: then positions are resampled.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.register_tokens = (
            nn.Parameter(torch.zeros(1, config.registers, dim)) if config.registers else None
        )
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + math.prod(config.stored_grid), dim))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, dim, config.patch, config.patch)})
        shape = (dim, config.heads, config.mlp_ratio, config.epsilon, config.layer_scale)
        self.blocks = nn.ModuleList(Block(*shape) for _ in range(config.layers))
        self.norm = LayerNorm(dim, eps=config.epsilon)
        self.lattice: Tensor
        self.register_buffer("lattice", dither_lattice(*config.grid), persistent=False)
        self.selectors = nn.ModuleDict({str(i): Selector(config.heads) for i in range(0, config.layers - 1)})

    @property
    def prefix(self) -> int:
        return 1 + self.config.registers

    def block(self, layer: int) -> Block:
        return cast(Block, self.blocks[layer])

    def selector(self, layer: int) -> Selector:
        """The selector that listens to this layer."""
        return cast(Selector, self.selectors[str(layer)])

    def embed(self, image: Tensor) -> Tensor:
        """[B, 3, H, W] -> tokens [B, P + N, D]."""
        stored, rule = self.config.stored_grid, self.config.positions
        positions = resample_positions(self.pos_embed, stored, self.config.grid_of(image), rule)
        patches = self.patch_embed["proj"](image).flatten(2).transpose(1, 2) + positions[:, 1:]
        head = (self.cls_token + positions[:, :1]).expand(image.shape[0], -1, -1)
        if self.register_tokens is not None:
            head = torch.cat((head, self.register_tokens.expand(image.shape[0], -1, -1)), dim=1)
        return torch.cat((head, patches), dim=1)

    def select(self, layer: int, qkv: Tensor, pattern: Pattern, grid: tuple[int, int]) -> Tensor:
        """The patches that the run after this standard layer keeps: [B, T, 3D] -> [B, K] int32."""
        attn = self.block(layer).attn
        settings = {"num_heads": attn.num_heads, "query_stride": pattern.query_stride, "scale": attn.scale}
        if pattern.selector == LOT:
            patches = grid[0] * grid[1]
            lot = drawn_by_lot(patches, pattern.kept(patches), layer)
            return lot.to(qkv.device).expand(len(qkv), -1)
        if pattern.selector == "learned":
            s = self.selector(layer)
            importance = learned_importance(qkv, s.w1, s.b1, s.w2, **settings)
        else:
            importance = previous_importance(qkv, **settings)
        own = grid == self.config.grid  # a constant of the graph
        lattice = self.lattice if own else dither_lattice(*grid).to(importance.device)
        return choose_patches(importance[:, self.prefix :], pattern, lattice)

    def forward(
        self, image: Tensor, pattern: Pattern, kept: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor | None]:
        """Features of the head's layers, and what `Stack.run` says of the patches."""
        grid = self.config.grid_of(image)
        layers = [self.block(layer) for layer in range(self.config.layers)]
        stack = Stack(layers, grid, self.prefix, lambda layer, qkv: self.select(layer, qkv, pattern, grid))
        tapped, found = stack.run(self.embed(image), pattern, self.config.head_layers, kept)
        first = 0 if self.config.classifies else self.prefix
        return [self.norm(x)[:, first:] for x in tapped], found
