"""Token Selective Attention (ToSA, arXiv 2406.08816): the method, in pure functions.

A vision transformer looks at every patch in every layer, also where a picture is a blank wall. ToSA pairs
the layers: a *standard* layer attends as ever, and its own attention scores tell which tokens the next,
*token-selective* layer is going to look at. Only those pass through that layer; the others bypass it
whole, attention and MLP, and are there again unchanged when it is done. So a dense prediction still has a
feature for every patch.

    x ─ standard layer ─┬───────────────────────────────────────────────┬─ x
                qkv     │ bypass: the other N - K tokens                │
                 └─ importance ─ top K ─ gather ─ m selective layers ─ scatter

Three choices of ours. Two turn saved arithmetic into saved time: `query_stride` s reads only every s-th row
of the score map (its column sums hardly change, and the map costs what the bypass saves); `group` m lets one
selection serve m selective layers in a row. One keeps a dense prediction whole: `spread` puts the kept tokens
all over the picture, denser where they matter. With strides and groups of 1 and no spread this is the
paper's method.

Letters: B pictures, N patches, P prefix tokens (class and registers, always kept), T = P + N tokens,
K = round(keep N) kept patches, D width, h heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tosa_edge.nn.operators import exported_as
from tosa_edge.plugins import (
    SELECTIVE_ATTENTION,
    TOKEN_GATHER,
    TOKEN_IMPORTANCE,
    TOKEN_IMPORTANCE_PREVIOUS,
    TOKEN_SCATTER,
)
from tosa_edge.row_sharing import Way

EPSILON = 1e-6


@dataclass(frozen=True)
class Pattern:
    """Which layers are selective, and how; or `ways` to represent tokens (`nn/represented.py`).

    Consecutive selective layers are a run, which shares one selection; layer 0 is always standard."""

    layers: tuple[int, ...] = ()
    keep: float = 1.0
    query_stride: int = 1
    selector: str = "learned"
    spread: float = 0.0
    ways: tuple[Way, ...] = ()

    def runs(self) -> list[range]:
        """The runs of consecutive selective layers: (1, 2, 3, 5) -> [1..3, 5..5]."""
        runs: list[range] = []
        for layer in self.layers:
            if runs and runs[-1].stop == layer:
                runs[-1] = range(runs[-1].start, layer + 1)
            else:
                runs.append(range(layer, layer + 1))
        return runs

    def selections(self) -> tuple[int, ...]:
        """The standard layers after which a selection is made."""
        return tuple(run.start - 1 for run in self.runs())

    def kept(self, patches: int) -> int:
        """K of N patches."""
        return max(1, round(self.keep * patches))


def grouped(depth: int, group: int) -> tuple[int, ...]:
    """One standard layer, then `group` selective ones, and again: the paper's pairing for group 1."""
    return tuple(layer for layer in range(depth) if layer % (group + 1))


@exported_as(TOKEN_IMPORTANCE)
def learned_importance(
    qkv: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, *, num_heads: int, query_stride: int, scale: float
) -> Tensor:
    """How much the next layer is predicted to look at each token: qkv [B, T, 3D] -> [B, T], float32.

    The paper's selector is two pointwise convolutions across heads over the score map of the standard
    layer, trained so that its softmax is the next layer's attention map.
    w1 [hidden, h], b1 [hidden], w2 [h, hidden].
    """
    scores = score_map(qkv, num_heads=num_heads, query_stride=query_stride, scale=scale)
    return predicted_attention(scores, w1, b1, w2).sum((1, 2))


@exported_as(TOKEN_IMPORTANCE_PREVIOUS)
def previous_importance(qkv: Tensor, *, num_heads: int, query_stride: int, scale: float) -> Tensor:
    """The training-free selector: the standard layer's own map stands for the next. [B, T, 3D] -> [B, T]."""
    return score_map(qkv, num_heads=num_heads, query_stride=query_stride, scale=scale).softmax(-1).sum((1, 2))


def score_map(qkv: Tensor, *, num_heads: int, query_stride: int, scale: float) -> Tensor:
    """Un-normalised attention of every s-th query: [B, T, 3D] -> [B, h, ceil(T / s), T], float32 at least."""
    q, k, _ = split_heads(qkv, num_heads)
    q, k = at_least_float32(q[:, :, ::query_stride]), at_least_float32(k)
    return (q * scale) @ k.transpose(-2, -1)


def predicted_attention(scores: Tensor, w1: Tensor, b1: Tensor, w2: Tensor) -> Tensor:
    """The next layer's attention map, as two pointwise convolutions see it: [B, h, Q, T] -> the same."""
    flat = scores.flatten(2)
    hidden = F.relu(w1.to(flat.dtype) @ flat + b1.to(flat.dtype)[:, None])
    return (w2.to(flat.dtype) @ hidden).view(scores.shape).softmax(-1)


def dither_importance(importance: Tensor, lattice: Tensor, spread: float) -> Tensor:
    """Importance [B, N] as ordered dithering would print it: still a ranking, but an even one.

    The most important tokens huddle, and what lies between them misses every selective layer. Printers had
    the same trouble with grey; a lattice of thresholds, added to the grey value, keeps some dots everywhere
    and more where it is dark. Importance has a long tail; I / (I + mean) brings it between 0 and 1.
    """
    return importance / (importance + importance.mean(1, keepdim=True)) + spread * lattice


def dither_lattice(rows: int, columns: int) -> Tensor:
    """Bayer's 8x8 thresholds over the patches: [rows * columns], k/64, like ones far apart."""
    down, across = torch.arange(rows)[:, None], torch.arange(columns)
    thresholds = torch.zeros(rows, columns)
    for bit in range(3):
        x, y = across >> bit & 1, down >> bit & 1
        thresholds += (2 * (x ^ y) + y) / 4 ** (bit + 1)
    return thresholds.flatten()


def select_patches(importance: Tensor, kept: int) -> Tensor:
    """The K most important patches: [B, N] -> [B, K] int32, ascending, so that rows stay in raster order."""
    chosen = importance.topk(kept, dim=1, sorted=False).indices
    # A second top-K sorts them; unlike `sort` it is an operator that every backend has.
    return chosen.to(torch.int32).topk(kept, dim=1, largest=False, sorted=True).values


def with_prefix(patches: Tensor, prefix: int) -> Tensor:
    """Patch indices [B, K] to token indices [B, P + K]: the prefix tokens always attend."""
    head = torch.arange(prefix, dtype=torch.int32, device=patches.device).expand(patches.shape[0], -1)
    return torch.cat((head, patches + prefix), dim=1)


@exported_as(TOKEN_GATHER)
def gather_tokens(
    x: Tensor, index: Tensor, weight: Tensor, bias: Tensor, *, epsilon: float
) -> tuple[Tensor, Tensor]:
    """The chosen rows and their LayerNorm: x [B, T, D], index [B, K] -> two of [B, K, D]."""
    rows = x.gather(1, _row_index(index, x))
    return rows, layer_norm(rows, weight, bias, epsilon)


@exported_as(SELECTIVE_ATTENTION)
def selective_attention(qkv: Tensor, *, num_heads: int, scale: float) -> Tensor:
    """Attention among the tokens that are there: [B, K, 3D] -> [B, K, D]."""
    return attention(qkv, num_heads, scale)


@exported_as(TOKEN_SCATTER)
def scatter_tokens(x: Tensor, index: Tensor, rows: Tensor, update: Tensor, gamma: Tensor) -> Tensor:
    """Puts `rows + gamma update` [B, K, D] back to their places in x [B, T, D]; the others are untouched."""
    return x.scatter(1, _row_index(index, x), (rows + gamma * update).to(x.dtype))


def attention(qkv: Tensor, num_heads: int, scale: float, log_size: Tensor | None = None) -> Tensor:
    """Self-attention, heads merged: [B, T, 3D] -> [B, T, D]; a row of several tokens counts as many."""
    q, k, v = split_heads(qkv, num_heads)
    scores = (q * scale) @ k.transpose(-2, -1)
    if log_size is not None:
        scores = scores + log_size[:, None, None].to(scores.dtype)
    # bfloat16 (training only) has float32's range and needs no float32 cast here; float16 does.
    weights = (scores.float() if scores.dtype == torch.float16 else scores).softmax(-1).to(v.dtype)
    return (weights @ v).transpose(1, 2).flatten(2)


def split_heads(qkv: Tensor, num_heads: int) -> Sequence[Tensor]:
    """[B, T, 3D] -> q, k and v, each [B, h, T, D / h]."""
    return [part.unflatten(-1, (num_heads, -1)).transpose(1, 2) for part in qkv.chunk(3, dim=-1)]


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float = EPSILON) -> Tensor:
    """LayerNorm over the last axis, with float32 statistics."""
    wide = at_least_float32(x)
    normed = F.layer_norm(wide, x.shape[-1:], weight.to(wide.dtype), bias.to(wide.dtype), epsilon)
    return normed.to(x.dtype)


def at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _row_index(index: Tensor, x: Tensor) -> Tensor:
    """[B, K] -> [B, K, D] int64, as `gather` and `scatter` want it."""
    return index.long().unsqueeze(-1).expand(-1, -1, x.shape[-1])
