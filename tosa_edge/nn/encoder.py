"""A vision transformer whose layers may be token-selective; parameters under DINOv2's public names."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.positions import resample_positions
from tosa_edge.nn.represented import Grid, Rows, group, share_windows
from tosa_edge.nn.tosa import (
    Pattern,
    attention,
    dither_importance,
    dither_lattice,
    gather_tokens,
    layer_norm,
    learned_importance,
    previous_importance,
    scatter_tokens,
    select_patches,
    selective_attention,
    split_heads,
    with_prefix,
)
from tosa_edge.row_sharing import Way


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

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, epsilon: float) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim, eps=epsilon)
        self.attn = Attention(dim, num_heads)
        self.ls1 = LayerScale(dim)
        self.norm2 = LayerNorm(dim, eps=epsilon)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.ls2 = LayerScale(dim)

    def standard(self, x: Tensor, log_size: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, T, D] -> x [B, T, D] and qkv [B, T, 3D], from which the next tokens are chosen."""
        qkv = self.attn.qkv(self.norm1(x))
        mixed = attention(qkv, self.attn.num_heads, self.attn.scale, log_size)
        x = x + self.ls1(self.attn.proj(mixed))
        return x + self.ls2(self.mlp(self.norm2(x))), qkv


class Selector(nn.Module):
    """Two pointwise convolutions across heads; starts as the identity, which is selector `previous`."""

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        eye = torch.eye(num_heads)
        self.w1 = nn.Parameter(torch.cat((eye, -eye)))
        self.b1 = nn.Parameter(torch.zeros(2 * num_heads))
        self.w2 = nn.Parameter(torch.cat((eye, -eye), dim=1))


def selective_run(x: Tensor, index: Tensor, blocks: list[Block]) -> Tensor:
    """A run of selective layers: gather once, m layers on K tokens, scatter once. x [B, T, D] -> the same."""
    first, last = blocks[0], blocks[-1]
    norm = first.norm1
    rows, normed = gather_tokens(x, index, norm.weight, norm.bias, epsilon=norm.eps)
    for block in blocks:
        if block is not first:
            normed = block.norm1(rows)
        attn = block.attn
        mixed = selective_attention(attn.qkv(normed), num_heads=attn.num_heads, scale=attn.scale)
        rows = rows + block.ls1(attn.proj(mixed))
        update = block.mlp(block.norm2(rows))
        if block is not last:
            rows = rows + block.ls2(update)
    return scatter_tokens(x, index, rows, update, last.ls2.gamma)


class Encoder(nn.Module):
    """Pictures [B, 3, H, W] to the features of the layers the head reads, each [B, N, D].

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
        shape = (dim, config.heads, config.mlp_ratio, config.epsilon)
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
        if pattern.selector == "learned":
            s = self.selector(layer)
            importance = learned_importance(qkv, s.w1, s.b1, s.w2, **settings)
        else:
            importance = previous_importance(qkv, **settings)
        importance = importance[:, self.prefix :]
        if pattern.spread:
            own = grid == self.config.grid  # a constant of the graph
            lattice = self.lattice if own else dither_lattice(*grid).to(importance.device)
            importance = dither_importance(importance, lattice.float(), pattern.spread)
        return select_patches(importance, pattern.kept(grid[0] * grid[1]))

    def forward(
        self, image: Tensor, pattern: Pattern, kept: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor | None]:
        """Features of the head's layers, and the kept patches [B, G, K] (None when dense).

        With `kept` given nothing is selected: those patches are used again. A head layer that lies inside
        a run is read when the run has put its tokens back.
        """
        if pattern.ways:
            return self.represented(image, pattern.ways)
        runs = {run.start: run for run in pattern.runs()}
        wanted = list(self.config.head_layers)
        features: list[Tensor] = []
        selections: list[Tensor] = []
        x, layer, grid = self.embed(image), 0, self.config.grid_of(image)
        qkv = x  # layer 0 is standard: there are projections before anything is selected
        while layer < len(self.blocks):
            if run := runs.get(layer):
                if kept is not None:
                    patches = kept[:, len(selections)]
                else:
                    patches = self.select(layer - 1, qkv, pattern, grid)
                selections.append(patches)
                x = selective_run(x, with_prefix(patches, self.prefix), [self.block(i) for i in run])
                layer = run.stop
            else:
                x, qkv = self.block(layer).standard(x)
                layer += 1
            while wanted and wanted[0] < layer:
                features.append(self.norm(x)[:, self.prefix :])
                wanted.pop(0)
        return features, torch.stack(selections, dim=1) if selections else None

    def represented(self, image: Tensor, ways: tuple[Way, ...]) -> tuple[list[Tensor], Tensor]:
        """The same, and of each finding of rows which stood for every patch, int32 [B, G, N]."""
        starts = {layer: way for way in ways for layer in way.starts}
        ends = {way.stop for way in ways}
        features: list[Tensor] = []
        found: list[Tensor] = []
        x, share = self.embed(image), None
        rows = qkv = x
        for layer in range(len(self.blocks)):
            if way := starts.get(layer):
                share = self.find_rows(way, x, rows, qkv, share, self.config.grid_of(image))
                rows = share.rows
                found.append(share.by)
            rows, qkv = self.block(layer).standard(rows, share.log_size if share else None)
            restored = layer + 1 in starts or layer + 1 in ends or layer in self.config.head_layers
            whole = share.restore(x, rows) if share and restored else rows
            if layer in self.config.head_layers:
                features.append(self.norm(whole)[:, self.prefix :])
            if layer + 1 in ends:
                share, rows = None, whole
            if layer + 1 in starts:
                x = whole
        return features, torch.stack(found, dim=1)

    def find_rows(
        self, way: Way, x: Tensor, rows: Tensor, qkv: Tensor, share: Rows | None, grid: tuple[int, int]
    ) -> Rows:
        """Rows for all tokens x; a merging goes on from the rows that there are."""
        if way.way != "groups":
            return share_windows(x, Grid(*grid, self.prefix), whole=way.whole, pairs=way.pairs)
        patches = grid[0] * grid[1]
        keys = split_heads(qkv, self.config.heads)[1].mean(1)
        if share is None:
            by = torch.arange(patches, device=x.device).expand(len(x), -1)
            log_size = x.new_zeros(x.shape[:2], dtype=torch.float32)
        else:
            by, log_size = share.by, share.log_size
        most = (rows.shape[1] - self.prefix) // 2
        return group(rows, keys, log_size, by, self.prefix, min(most, round(way.merged * patches)))
