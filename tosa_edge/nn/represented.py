"""Represented bypass: a token that skips takes over the change of the row that stands for it.

In the paper's bypass a token that is not selected waits, and is old when it is read. Here every token has a
row that stands for it, r(i), often the mean of several tokens, and when the run of layers is over

    x_i  <-  x_i + (rows_out[r(i)] - rows_in[r(i)])

so what told a token apart from its row is kept. r(i) = nobody, a change of zero, is the paper's bypass
(`nn/tosa.py`). There are two ways to find the rows:

    windows   In each 2x2 window of patches all four stand for themselves, or two pairs do, or one row for all
              four. Pairs are horizontal or vertical, whichever are more alike. How many windows are of which
              kind is fixed; which they are, the unlikeness within them decides.
    groups    Token merging (ToMe, arXiv 2210.09461) with memory: every second row is compared with all
              between, by its keys, and those most alike are averaged into their partners. A later merging
              goes on from there.

Letters as in `nn/tosa.py`; n windows, K rows, E any width. The last row or column of an odd grid is in no
window: those patches stand for themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tosa_edge.nn.tosa import at_least_float32

Corners = list[Tensor]


@dataclass(frozen=True)
class Rows:
    """The rows that attend for the tokens of x.

    rows      [B, K, D], prefix tokens first
    by        int32 [B, N], the row that stands for each patch, counted without the prefix
    log_size  [1 or B, K], of how many tokens a row is the mean
    spread    brings a change of the rows [B, K, E] to the tokens [B, T, E]
    """

    rows: Tensor
    by: Tensor
    log_size: Tensor
    spread: Callable[[Tensor], Tensor]

    def restore(self, x: Tensor, rows: Tensor) -> Tensor:
        """The tokens [B, T, D] as they are when their rows have become `rows`."""
        return x + self.spread(rows - self.rows)


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

    def split(self, x: Tensor) -> tuple[Tensor, Corners, Tensor | None]:
        """x [B, T, E] -> prefix [B, P, E], the windows' corners, four of [B, n, E], and the rest, or None."""
        down, across = self.rows // 2, self.columns // 2
        patches = x[:, self.prefix :].unflatten(1, (self.rows, self.columns))
        even = patches[:, : 2 * down, : 2 * across].unflatten(2, (across, 2)).unflatten(1, (down, 2))
        corners = [even[:, :, i, :, j].flatten(1, 2) for i in (0, 1) for j in (0, 1)]
        right, bottom = patches[:, : 2 * down, 2 * across :], patches[:, 2 * down :]
        alone = [part.flatten(1, 2) for part in (right, bottom) if part.numel()]
        return x[:, : self.prefix], corners, torch.cat(alone, dim=1) if alone else None

    def join(self, prefix: Tensor, corners: Corners, singles: Tensor | None) -> Tensor:
        """The inverse of `split`."""
        if not self.windows:
            return prefix if singles is None else torch.cat((prefix, singles), dim=1)
        down, across = self.rows // 2, self.columns // 2
        lines = [
            torch.cat(pair, dim=-1).unflatten(1, (down, across)).flatten(2)  # [B, r, C * E]: lines of patches
            for pair in (corners[:2], corners[2:])
        ]
        patches = torch.cat(lines, dim=2).view(len(prefix), 2 * down, 2 * across, -1)
        if singles is None:
            return torch.cat((prefix, patches.flatten(1, 2)), dim=1)
        beside = 2 * down * (self.columns % 2)
        if beside:
            patches = torch.cat((patches, singles[:, :beside].unflatten(1, (2 * down, 1))), dim=2)
        return torch.cat((prefix, patches.flatten(1, 2), singles[:, beside:]), dim=1)


def pairing(corners: Corners) -> Tensor:
    """Whether a window's pairs are horizontal: four of [B, n, D] -> bool [B, n, 1].

    By squared distances: those within the vertical pairs less those within the horizontal ones are twice
    this product, because the lengths of the corners cancel.
    """
    a, b, c, d = corners
    return (at_least_float32(a - d) * at_least_float32(b - c)).sum(-1, keepdim=True) > 0


def unlikeness(corners: Corners) -> Tensor:
    """The variance within each window: four of [B, n, D] -> [B, n], float32 at least."""
    a, b, c, d = (at_least_float32(corner) for corner in corners)
    mean = (a + b + c + d) / 4
    return ((a - mean) ** 2 + (b - mean) ** 2 + (c - mean) ** 2 + (d - mean) ** 2).sum(-1)


def _whole(corners: Corners) -> tuple[Corners, Callable[[Corners], Corners]]:
    return corners, lambda rows: rows


def _pairs(corners: Corners) -> tuple[Corners, Callable[[Corners], Corners]]:
    """Two rows: the mean of the first corner and its neighbour, and that of the other two."""
    a, b, c, d = corners
    horizontal = pairing(corners)
    rows = [(a + torch.where(horizontal, b, c)) / 2, (d + torch.where(horizontal, c, b)) / 2]

    def spread(rows: Corners) -> Corners:
        first, last = rows
        return [first, torch.where(horizontal, first, last), torch.where(horizontal, last, first), last]

    return rows, spread


def _one(corners: Corners) -> tuple[Corners, Callable[[Corners], Corners]]:
    return [sum(corners[1:], corners[0]) / 4], lambda rows: 4 * rows


KINDS = ((_whole, 1), (_pairs, 2), (_one, 4))  # and of how many tokens a row is the mean


def share_windows(
    x: Tensor,
    grid: Grid,
    *,
    whole: float = 0.0,
    pairs: float = 1.0,
    score: Callable[[Corners], Tensor] = unlikeness,
) -> Rows:
    """Shares of the windows that stay whole, and that become two pairs; the rest become one row each."""
    numbers = counts(grid.windows, whole, pairs)
    prefix, corners, singles = grid.split(x)
    rank = None
    if max(numbers) < grid.windows:
        order = score(corners).topk(grid.windows, dim=1, sorted=True).indices.to(torch.int32)
        rank = order.topk(grid.windows, dim=1, largest=False, sorted=True).indices  # where each window went
        corners = list(take_rows(torch.cat(corners, dim=-1), order).chunk(4, dim=-1))
    rows = [prefix] if singles is None else [prefix, singles]
    sizes, spreads = [0.0] * (grid.prefix + grid.singles), []
    start = 0
    for (share, size), number in zip(KINDS, numbers, strict=True):
        if number:
            some, spread = share([corner.narrow(1, start, number) for corner in corners])
            rows += some
            sizes += [math.log(size)] * number * len(some)
            spreads.append((len(some), spread))
            start += number
    lengths = [part.shape[1] for part in rows]

    def spread_all(change: Tensor) -> Tensor:
        head, *parts = change.split(lengths, dim=1)
        alone = parts.pop(0) if grid.singles else None
        shared = []
        for many, spread in spreads:
            shared.append(spread(parts[:many]))
            parts = parts[many:]
        corners = [
            torch.cat(kinds, dim=1) if len(kinds) > 1 else kinds[0] for kinds in zip(*shared, strict=True)
        ]
        if rank is not None:
            corners = list(take_rows(torch.cat(corners, dim=-1), rank).chunk(4, dim=-1))
        return grid.join(head, corners, alone)

    count = torch.arange(sum(lengths) - grid.prefix, dtype=torch.float32, device=x.device)
    numbered = F.pad(count, (grid.prefix, 0)).expand(len(x), -1).unsqueeze(-1)
    by = spread_all(numbered)[:, grid.prefix :, 0].to(torch.int32)
    return Rows(torch.cat(rows, dim=1), by, torch.tensor([sizes], device=x.device), spread_all)


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
        return Rows(rows, by, log_size, _spread_by(by, prefix))
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
    return Rows(new, by, F.pad(sizes.float().log(), (prefix, 0)), _spread_by(by, prefix))


def _spread_by(by: Tensor, prefix: int) -> Callable[[Tensor], Tensor]:
    return lambda change: torch.cat((change[:, :prefix], take_rows(change[:, prefix:], by)), dim=1)


def interleave(even: Tensor, odd: Tensor) -> Tensor:
    """[B, ceil(k / 2)] and [B, floor(k / 2)] -> [B, k]."""
    pairs = torch.stack((even[:, : odd.shape[1]], odd), dim=2).flatten(1)
    return pairs if even.shape == odd.shape else torch.cat((pairs, even[:, -1:]), dim=1)
