"""The layers of a vision transformer one after another, dense or along a pattern: whoever's they are.

A layer is whatever has DINOv2's public names, as `nn/encoder.py`'s and timm's have: norm1, attn (qkv, proj,
num_heads, scale), ls1, norm2, mlp, ls2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tosa_edge.nn.represented import Grid, Rows, fuse, group, share_windows
from tosa_edge.nn.tosa import (
    Pattern,
    attention,
    dither_importance,
    gather_tokens,
    previous_importance,
    scatter_tokens,
    select_patches,
    selective_attention,
    split_heads,
    with_prefix,
)
from tosa_edge.row_sharing import ONGOING, Way, fused_rows

Layer = Any
LOT = "lot"
SELECTORS = ("learned", "previous", LOT)
Select = Callable[[int, Tensor], Tensor]


@dataclass(frozen=True)
class Stack:
    """Layers, and the tokens that go through them: the first `prefix`, and a grid of patches.

    select: the patches [B, K] that the run after a standard layer keeps, from its number and its qkv.
    """

    layers: Sequence[Layer]
    grid: tuple[int, int]
    prefix: int
    select: Select

    def run(
        self, x: Tensor, pattern: Pattern, taps: Sequence[int], kept: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor | None]:
        """Tokens [B, T, D] after each of the layers `taps`, in order, and the kept patches [B, G, K] or what
        stood for every patch [B, G, N] (None when dense).

        With `kept` given nothing is selected: those patches are used again. A tap that lies inside a run is
        read when the run has put its tokens back.
        """
        if pattern.ways:
            return self._represented(x, pattern.ways, taps)
        runs = {run.start: run for run in pattern.runs()}
        wanted = sorted(taps)
        tapped: list[Tensor] = []
        selections: list[Tensor] = []
        layer, qkv = 0, x  # layer 0 is standard: there are projections before anything is selected
        while layer < len(self.layers):
            if run := runs.get(layer):
                patches = self.select(layer - 1, qkv) if kept is None else kept[:, len(selections)]
                selections.append(patches)
                x = selective_run(x, with_prefix(patches, self.prefix), [self.layers[i] for i in run])
                layer = run.stop
            else:
                x, qkv = standard_layer(self.layers[layer], x)
                layer += 1
            while wanted and wanted[0] < layer:
                tapped.append(x)
                wanted.pop(0)
        return tapped, torch.stack(selections, dim=1) if selections else None

    def _represented(
        self, x: Tensor, ways: tuple[Way, ...], taps: Sequence[int]
    ) -> tuple[list[Tensor], Tensor]:
        starts = {layer: way for way in ways for layer in way.starts}
        ends = {way.stop for way in ways}
        tapped: list[Tensor] = []
        found: list[Tensor] = []
        share: Rows | None = None
        rows = qkv = x
        for number, layer in enumerate(self.layers):
            if way := starts.get(number):
                share = self._find_rows(way, x, rows, qkv, share)
                rows = share.rows
                found.append(share.by)
            rows, qkv = standard_layer(layer, rows, share.log_size if share else None)
            restored = number + 1 in starts or number + 1 in ends or number in taps
            whole = share.restore(x, rows) if share and restored else rows
            tapped += [whole] * taps.count(number)
            if number + 1 in ends:
                share, rows = None, whole
            if number + 1 in starts:
                x = whole
        return tapped, torch.stack(found, dim=1)

    def _find_rows(self, way: Way, x: Tensor, rows: Tensor, qkv: Tensor, share: Rows | None) -> Rows:
        """Rows for all tokens x; a merging goes on from the rows that there are."""
        if way.way not in ONGOING:
            return share_windows(x, Grid(*self.grid, self.prefix), whole=way.whole, pairs=way.pairs)
        patches, attn = self.grid[0] * self.grid[1], self.layers[0].attn
        by = share.by if share else torch.arange(patches, device=x.device).expand(len(x), -1)
        if way.way == "fused":
            # The first query alone, the class token's.
            attended = previous_importance(
                qkv, num_heads=attn.num_heads, query_stride=qkv.shape[1], scale=attn.scale
            )
            count = fused_rows(way.merged, rows.shape[1] - self.prefix)
            return fuse(rows, attended, by, self.prefix, count)
        keys = split_heads(qkv, attn.num_heads)[1].mean(1)
        known = share.log_size if share else None
        log_size = x.new_zeros(x.shape[:2], dtype=torch.float32) if known is None else known
        most = (rows.shape[1] - self.prefix) // 2
        return group(rows, keys, log_size, by, self.prefix, min(most, round(way.merged * patches)))


def drawn_by_lot(patches: int, count: int, layer: int) -> Tensor:
    """Patches [1, K] that nothing speaks for, which a selection has to beat; the same for every picture."""
    drawn = torch.from_numpy(np.random.default_rng(layer).permutation(patches)[:count])
    return drawn.sort().values.to(torch.int32)[None]


def choose_patches(importance: Tensor, pattern: Pattern, lattice: Tensor) -> Tensor:
    """The patches [B, K] that a pattern keeps, by importance [B, N] and the lattice [N] of its spread."""
    if pattern.spread:
        importance = dither_importance(importance, lattice.float(), pattern.spread)
    return select_patches(importance, pattern.kept(importance.shape[1]))


def standard_layer(layer: Layer, x: Tensor, log_size: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """x [B, T, D] -> x [B, T, D] and qkv [B, T, 3D], from which the next tokens are chosen."""
    attn = layer.attn
    qkv = attn.qkv(layer.norm1(x))
    x = x + layer.ls1(attn.proj(attention(qkv, attn.num_heads, attn.scale, log_size)))
    return x + layer.ls2(layer.mlp(layer.norm2(x))), qkv


def selective_run(x: Tensor, index: Tensor, layers: Sequence[Layer]) -> Tensor:
    """A run of selective layers: gather once, m layers on K tokens, scatter once. x [B, T, D] -> the same."""
    first, last = layers[0], layers[-1]
    norm = first.norm1
    rows, normed = gather_tokens(x, index, norm.weight, norm.bias, epsilon=norm.eps)
    for layer in layers:
        if layer is not first:
            normed = layer.norm1(rows)
        attn = layer.attn
        mixed = selective_attention(attn.qkv(normed), num_heads=attn.num_heads, scale=attn.scale)
        rows = rows + layer.ls1(attn.proj(mixed))
        update = layer.mlp(layer.norm2(rows))
        if layer is not last:
            rows = rows + layer.ls2(update)
    return scatter_tokens(x, index, rows, update, scale_of(last.ls2, x))


def scale_of(layer_scale: Layer, x: Tensor) -> Tensor:
    """What a branch is multiplied by before it is added, [D]; ones where a model has no such scale."""
    return layer_scale.gamma if hasattr(layer_scale, "gamma") else x.new_ones(x.shape[-1])
