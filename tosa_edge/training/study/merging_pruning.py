"""Two peers of token selection on the same encoder and head, for inference: merging and pruning.

Merging follows "Token Merging: Your ViT But Faster" (ToMe, arXiv 2210.09461): in every layer, between
attention and MLP, the r patches most like a neighbour are averaged into it. Pruning follows "Not All Patches
are What You Need" (EViT, arXiv 2202.07800): at three layers the patches that the class token attends to least
leave for good. Both are written from the papers' descriptions. The head wants a feature for every patch:
merged patches share one, pruned ones keep the feature they left with.

Letters as in `nn/tosa.py`; T is the number of tokens that are still there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tosa_edge.nn.encoder import Encoder
from tosa_edge.nn.stack import standard_layer
from tosa_edge.nn.tosa import select_patches, split_heads, with_prefix


@dataclass(frozen=True)
class Merging:
    """How many patches each layer merges away: the paper's r, one number for each layer."""

    per_layer: tuple[int, ...]

    def counts(self, patches: int) -> list[int]:
        """The same, where a layer can merge at most half of the patches that are left."""
        counts = []
        for wanted in self.per_layer:
            counts.append(min(wanted, patches // 2))
            patches -= counts[-1]
        return counts


@dataclass(frozen=True)
class Pruning:
    """After each of `layers` the share `keep` of the patches that are left stays.

    The paper drops them between that layer's attention and its MLP; here they finish the layer first, which
    is kinder to them: the feature that they leave with is one that a layer has completed. The paper's fused
    token, one more token made of those that left, is not there.
    """

    keep: float
    layers: tuple[int, ...]

    def counts(self, patches: int) -> dict[int, int]:
        """The patches left after each of the layers."""
        return {layer: max(1, round(self.keep**n * patches)) for n, layer in enumerate(self.layers, 1)}


def merged_features(encoder: Encoder, pixels: Tensor, merging: Merging) -> list[Tensor]:
    """Pictures [B, 3, H, W] to the features of the head's layers, each unmerged to [B, N, D]."""
    x = encoder.embed(pixels)
    size = torch.ones(x.shape[:2], dtype=_wide(x), device=x.device)
    place = torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1)
    features = []
    for layer, count in enumerate(merging.counts(encoder.config.tokens)):
        block = encoder.block(layer)
        qkv = block.attn.qkv(block.norm1(x))
        mixed = proportional_attention(qkv, size, block.attn.num_heads, block.attn.scale)
        x = x + block.ls1(block.attn.proj(mixed))
        if count:
            keys = split_heads(qkv, block.attn.num_heads)[1].mean(1)
            into = match(keys, encoder.prefix, count)
            x, size = merge(x, size, into)
            place = into.gather(1, place)
        x = x + block.ls2(block.mlp(block.norm2(x)))
        if layer in encoder.config.head_layers:
            features.append(unmerge(encoder.norm(x), place)[:, encoder.prefix :])
    return features


def proportional_attention(qkv: Tensor, size: Tensor, num_heads: int, scale: float) -> Tensor:
    """Attention in which a token stands for as many as were merged into it: [B, T, 3D] -> [B, T, D]."""
    q, k, v = split_heads(qkv, num_heads)
    scores = (q * scale) @ k.transpose(-2, -1) + size.log()[:, None, None].to(q.dtype)
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


def match(keys: Tensor, prefix: int, count: int) -> Tensor:
    """Which token each token becomes: keys [B, T, d] -> places [B, T] among the T - count that are left.

    Every second patch is compared with all between; the `count` pairs most alike become one token each.
    Prefix tokens never merge. Remaining tokens keep their order, so the next layer again compares neighbours.
    """
    patches = F.normalize(keys[:, prefix:], dim=-1)
    likeness, partner = (patches[:, ::2] @ patches[:, 1::2].transpose(1, 2)).max(-1)
    merged = likeness.topk(count, dim=1).indices
    gone, target = prefix + 2 * merged, prefix + 2 * partner.gather(1, merged) + 1
    stays = torch.ones(keys.shape[:2], dtype=torch.long, device=keys.device).scatter(1, gone, 0)
    places = stays.cumsum(1) - 1
    return places.scatter(1, gone, places.gather(1, target))


def merge(x: Tensor, size: Tensor, into: Tensor) -> tuple[Tensor, Tensor]:
    """Means weighted by size: x [B, T, D], size [B, T] -> [B, T', D] and the new sizes [B, T']."""
    left = int(into.max()) + 1
    sizes = size.new_zeros(len(x), left).scatter_add(1, into, size)
    total = size.new_zeros(len(x), left, x.shape[2])
    total = total.scatter_add(1, _rows(into, x), x * size.unsqueeze(-1))
    return (total / sizes.unsqueeze(-1)).to(x.dtype), sizes


def unmerge(x: Tensor, place: Tensor) -> Tensor:
    """Every token gets the feature of the token that it became: [B, T', D], place [B, T] -> [B, T, D]."""
    return x.gather(1, _rows(place, x))


def pruned_features(encoder: Encoder, pixels: Tensor, pruning: Pruning) -> list[Tensor]:
    """Pictures [B, 3, H, W] to the features of the head's layers, each [B, N, D]."""
    rows = whole = encoder.embed(pixels)
    index = torch.arange(rows.shape[1], device=rows.device).expand(rows.shape[0], -1)
    counts, features = pruning.counts(encoder.config.tokens), []
    for layer in range(encoder.config.layers):
        block = encoder.block(layer)
        rows, qkv = standard_layer(block, rows)
        whole = whole.scatter(1, _rows(index, rows), rows)
        if layer in counts:
            attended = class_attention(qkv, block.attn.num_heads, block.attn.scale)
            patches = select_patches(attended[:, encoder.prefix :], counts[layer])
            kept = with_prefix(patches, encoder.prefix).long()
            rows, index = rows.gather(1, _rows(kept, rows)), index.gather(1, kept)
        if layer in encoder.config.head_layers:
            features.append(encoder.norm(whole)[:, encoder.prefix :])
    return features


def class_attention(qkv: Tensor, num_heads: int, scale: float) -> Tensor:
    """What the class token attends to, mean over heads: [B, T, 3D] -> [B, T]."""
    q, k, _ = split_heads(qkv, num_heads)
    scores = (q[:, :, :1] * scale) @ k.transpose(-2, -1)
    return scores.to(_wide(scores)).softmax(-1).mean(1).squeeze(1)


def _wide(x: Tensor) -> torch.dtype:
    """At least float32: sizes and means of many tokens need its mantissa."""
    return torch.promote_types(x.dtype, torch.float32)


def _rows(index: Tensor, x: Tensor) -> Tensor:
    """[B, K] -> [B, K, D], as `gather` and `scatter` want it."""
    return index.unsqueeze(-1).expand(-1, -1, x.shape[-1])
