"""Represented bypass: a token that skips takes over the change of the row that stands for it.

In the paper's bypass a token that is not selected waits, and is old when it is read. Here every token has a
row that stands for it, r(i), often the mean of several tokens, and when the run of layers is over

    x_i  <-  x_i + (rows_out[r(i)] - rows_in[r(i)])

so what told a token apart from its row is kept. r(i) = nobody, a change of zero, is the paper's bypass
(`nn/tosa.py`). There are three ways to find the rows:

    windows   In each 2x2 window of patches all four stand for themselves, or two pairs do, or one row for all
              four. Pairs are horizontal or vertical, whichever are more alike. How many windows are of which
              kind is fixed; which they are, the unlikeness within them decides.
    groups    Token merging (ToMe, arXiv 2210.09461) with memory: every second row is compared with all
              between, by its keys, and those most alike are averaged into their partners. A later merging
              goes on from there.
    fused     The patches that the class token attends to least become one row, their mean by that attention,
              as in EViT (arXiv 2202.07800), which is here for comparison. There they are given up, here they
              take over that row's change.

Letters as in `nn/tosa.py`; n windows, K rows, E any width. The last row or column of an odd grid is in no
window: those patches stand for themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tosa_edge.nn.tosa import at_least_float32, with_prefix

Corners = list[Tensor]


@dataclass(frozen=True)
class Rows:
    """The rows that attend for the tokens of x.

    rows      [B, K, D], prefix tokens first
    by        int32 [B, N], the row that stands for each patch, counted without the prefix
    log_size  [1 or B, K], of how many tokens a row is the mean; None where attention is not to know
    """

    rows: Tensor
    by: Tensor
    log_size: Tensor | None

    def restore(self, x: Tensor, rows: Tensor) -> Tensor:
        """The tokens [B, T, D] as they are when their rows have become `rows`."""
        prefix = x.shape[1] - self.by.shape[1]
        return x + take_rows(rows - self.rows, with_prefix(self.by, prefix))


def take_rows(x: Tensor, index: Tensor) -> Tensor:
    """x [B, n, E], index [B, k] -> [B, k, E]; one Gather of whole rows, which costs hosts least."""
    offsets = x.shape[1] * torch.arange(x.shape[0], device=x.device)[:, None]
    return x.flatten(0, 1).index_select(0, (index.long() + offsets).flatten()).unflatten(0, index.shape)


@dataclass(frozen=True)
class Grid:
    """Where the 2x2 windows of a grid are, in tokens of which the first P are a prefix."""

    rows: int
    columns: int
    prefix: int

    @property
    def windows(self) -> int:
        return (self.rows // 2) * (self.columns // 2)

    @property
    def singles(self) -> int:
        """Patches in no window."""
        return self.rows * self.columns - 4 * self.windows

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """The patches of every window, its corners in raster order, [n, 4], and those in none, [singles]."""
        patches = np.arange(self.rows * self.columns).reshape(self.rows, self.columns)
        down, across = self.rows // 2 * 2, self.columns // 2 * 2
        inside = patches[:down, :across].reshape(down // 2, 2, across // 2, 2)
        beside, below = patches[:down, across:], patches[down:]
        return inside.swapaxes(1, 2).reshape(-1, 4), np.concatenate((beside.ravel(), below.ravel()))


def pairing(corners: Corners) -> Tensor:
    """Whether a window's pairs are horizontal: four of [B, n, D] -> bool [B, n].

    By squared distances: those within the vertical pairs less those within the horizontal ones are twice
    this product, because the lengths of the corners cancel.
    """
    a, b, c, d = corners
    return ((a - d) * (b - c)).sum(-1) > 0


def unlikeness(corners: Corners) -> Tensor:
    """The variance within each window as a share of the square of its mean: four of [B, n, D] -> [B, n].

    Layers see tokens normalised: of large ones the same difference matters less. The variance is of the two
    diagonals and of the difference of their sums: three squares instead of four, and no mean.
    """
    a, b, c, d = corners
    falling, rising = a + d, b + c
    variance = (squares(a - d) + squares(b - c)) / 2 + squares(falling - rising) / 4
    return variance / (squares(falling + rising) + torch.finfo(torch.float32).tiny)


def squares(x: Tensor) -> Tensor:
    """[B, n, D] -> [B, n]: for hosts one operator, without a tensor of squares."""
    return torch.linalg.vector_norm(x, dim=-1) ** 2


def share_windows(
    x: Tensor,
    grid: Grid,
    *,
    whole: float = 0.0,
    pairs: float = 1.0,
    score: Callable[[Corners], Tensor] = unlikeness,
) -> Rows:
    """Shares of the windows that stay whole, and that become two pairs; the rest become one row each.

    Patches are put in an order in which those of one row are neighbours: first those in no window, then whole
    windows, pairs, and the rest. Then rows are means of what lies side by side.
    """
    numbers = counts(grid.windows, whole, pairs)
    # Constants of the graph.
    windows, singles = (torch.from_numpy(index).to(x.device) for index in grid.places())
    sizes = [1] * (grid.singles + 4 * numbers[0]) + [2] * (2 * numbers[1]) + [4] * numbers[2]
    row_of = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)).to(x.device)
    log_size = torch.tensor([[0.0] * grid.prefix + [math.log(n) for n in sizes]], device=x.device)

    prefix, patches = x[:, : grid.prefix], x[:, grid.prefix :]
    corners = [at_least_float32(patches.index_select(1, corner)) for corner in windows.unbind(1)]
    order = windows.expand(len(x), -1, -1)
    if numbers[1]:
        order = torch.where(pairing(corners)[..., None], order, windows[:, [0, 2, 1, 3]])
    if max(numbers) < grid.windows:
        ranked = score(corners).topk(grid.windows, dim=1, sorted=True).indices
        order = take_rows(order, ranked)
    order = order.flatten(1)
    if grid.singles:
        order = torch.cat((singles.expand(len(x), -1), order), dim=1)
    lengths = (len(singles) + 4 * numbers[0], 4 * numbers[1], 4 * numbers[2])
    alone, paired, rest = take_rows(patches, order).split(lengths, dim=1)
    rows = [prefix, alone] if lengths[0] else [prefix]
    rows += [part.unflatten(1, (-1, n)).mean(2) for n, part in ((2, paired), (4, rest)) if part.shape[1]]
    by = torch.zeros_like(order).scatter(1, order, row_of.expand(len(x), -1)).to(torch.int32)
    return Rows(torch.cat(rows, dim=1), by, log_size)


def counts(windows: int, whole: float, pairs: float) -> tuple[int, int, int]:
    """How many windows stay whole, become pairs, become one row."""
    first = round(whole * windows)
    second = min(windows - first, round(pairs * windows))
    return first, second, windows - first - second


def group(rows: Tensor, keys: Tensor, log_size: Tensor, by: Tensor, prefix: int, count: int) -> Rows:
    """The `count` rows most like another are averaged into it: every second is compared with all between.

    rows [B, K, D], their keys [B, K, d] and log_size [B, K]; by [B, N], what stood for the patches so far.
    """
    if not count:
        return Rows(rows, by, log_size)
    size = log_size.exp()[:, prefix:, None].to(rows.dtype)
    head, patches, keys = (
        rows[:, :prefix],
        rows[:, prefix:],
        F.normalize(at_least_float32(keys[:, prefix:]), dim=-1),
    )
    likeness, partner = (keys[:, ::2] @ keys[:, 1::2].transpose(1, 2)).max(-1)
    order = likeness.topk(likeness.shape[1], dim=1, sorted=True).indices.to(torch.int32)
    gone, stays = order[:, :count], order[:, count:]
    # A second top-K sorts them: rows stay in raster order, and halves are neighbours again.
    stays = stays.topk(stays.shape[1], dim=1, largest=False, sorted=True).values
    target = partner.gather(1, gone.long())
    even, odd, weight = patches[:, ::2], patches[:, 1::2], size[:, 1::2]
    moved, moved_size = take_rows(even, gone), take_rows(size[:, ::2], gone)
    # A product with ones and zeros adds them up; only the rows that move take part.
    ones = (target[:, None] == torch.arange(odd.shape[1], device=rows.device)[:, None]).to(rows.dtype)
    total = weight + ones @ moved_size
    joined = (odd * weight + ones @ (moved * moved_size)) / total
    left = stays.shape[1]
    index = torch.arange(left, device=rows.device).expand(len(rows), -1)
    into = torch.cat((left + target, index), dim=1)
    into = torch.zeros_like(into).scatter(1, torch.cat((gone, stays), dim=1).long(), into)
    odds = (left + torch.arange(odd.shape[1], device=rows.device)).expand(len(rows), -1)
    place = interleave(into, odds)
    by = place.gather(1, by.long()).to(torch.int32)
    sizes = torch.cat((take_rows(size[:, ::2], stays), total), dim=1)[..., 0]
    new = torch.cat((head, take_rows(even, stays), joined), dim=1)
    return Rows(new, by, F.pad(sizes.float().log(), (prefix, 0)))


def fuse(rows: Tensor, attended: Tensor, by: Tensor, prefix: int, count: int) -> Rows:
    """The `count` rows least attended to become one, the last: rows [B, K, D], attended [B, K], by [B, N]."""
    patches, weights = rows[:, prefix:], at_least_float32(attended[:, prefix:])
    order = weights.topk(weights.shape[1], dim=1, sorted=True).indices.to(torch.int32)
    left = order.shape[1] - count
    stays = order[:, :left].topk(left, dim=1, largest=False, sorted=True).values  # in raster order
    gone = order[:, left:]
    share = take_rows(weights[..., None], gone)
    share = (share / share.sum(1, keepdim=True)).to(rows.dtype)
    fused = (take_rows(patches, gone) * share).sum(1, keepdim=True)
    places = torch.arange(left + 1, device=rows.device).expand(len(rows), -1)
    into = torch.cat((places[:, :left], places[:, left:].expand(-1, count)), dim=1)
    place = torch.zeros_like(into).scatter(1, torch.cat((stays, gone), dim=1).long(), into)
    by = place.gather(1, by.long()).to(torch.int32)
    return Rows(torch.cat((rows[:, :prefix], take_rows(patches, stays), fused), dim=1), by, None)


def interleave(even: Tensor, odd: Tensor) -> Tensor:
    """[B, ceil(k / 2)] and [B, floor(k / 2)] -> [B, k]."""
    pairs = torch.stack((even[:, : odd.shape[1]], odd), dim=2).flatten(1)
    return pairs if even.shape == odd.shape else torch.cat((pairs, even[:, -1:]), dim=1)
