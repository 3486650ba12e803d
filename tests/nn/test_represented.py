from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nets import TINY, random_image, tiny_net
from tosa_edge.nn.represented import Grid, counts, fuse, group, pairing, share_windows, unlikeness
from tosa_edge.nn.tosa import Pattern, attention
from tosa_edge.row_sharing import parse_ways

GRIDS = st.builds(Grid, st.integers(1, 9), st.integers(1, 9), st.integers(0, 3))
SHARES = st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda s: sum(s) <= 1)


def tokens(grid, width=6, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    number = grid.prefix + grid.rows * grid.columns
    return torch.randn(batch, number, width, generator=generator, dtype=torch.float64)


def members(share, grid):
    """[B, N, K]: one where a row stands for a patch."""
    return torch.nn.functional.one_hot(share.by.long(), share.rows.shape[1] - grid.prefix).double()


def assert_rows_stand_for_their_tokens(share, x, grid):
    stands, prefix = members(share, grid), grid.prefix
    number = stands.sum(1)
    assert (number > 0).all()  # no row stands for nobody
    means = stands.transpose(1, 2) @ x[:, prefix:] / number[..., None]
    torch.testing.assert_close(share.rows[:, prefix:], means)
    assert torch.equal(share.rows[:, :prefix], x[:, :prefix])
    sizes = share.log_size.exp().double().expand(len(x), -1)
    torch.testing.assert_close(sizes[:, prefix:], number, rtol=1e-5, atol=0)
    assert (sizes[:, :prefix] == 1).all()
    changed = share.rows + torch.randn_like(share.rows)
    restored = share.restore(x, changed)
    torch.testing.assert_close(
        restored[:, prefix:], x[:, prefix:] + stands @ (changed - share.rows)[:, prefix:]
    )
    torch.testing.assert_close(restored[:, :prefix], changed[:, :prefix])


def corners_of(x, grid):
    windows, _ = grid.places()
    return [x[:, grid.prefix + corner] for corner in windows.T]


@given(grid=GRIDS)
@settings(max_examples=60, deadline=None)
def test_every_patch_is_in_one_window_or_in_none(grid):
    windows, singles = grid.places()
    assert windows.shape == (grid.windows, 4)
    assert singles.shape == (grid.singles,)
    assert sorted([*windows.flatten().tolist(), *singles.tolist()]) == list(range(grid.rows * grid.columns))
    assert (windows - windows[:, :1] == [0, 1, grid.columns, grid.columns + 1]).all()


@given(grid=GRIDS, shares=SHARES, seed=st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_every_patch_has_a_row_that_is_the_mean_of_those_it_stands_for(grid, shares, seed):
    x = tokens(grid, seed=seed)
    share = share_windows(x, grid, whole=shares[0], pairs=shares[1])
    assert_rows_stand_for_their_tokens(share, x, grid)
    kinds = counts(grid.windows, *shares)
    assert share.rows.shape[1] == grid.prefix + grid.singles + 4 * kinds[0] + 2 * kinds[1] + kinds[2]


@given(grid=GRIDS.filter(lambda grid: grid.windows > 0), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_pairs_are_neighbours_and_the_more_alike_ones(grid, seed):
    corners = corners_of(tokens(grid, seed=seed), grid)
    a, b, c, d = corners
    across = ((a - b) ** 2 + (c - d) ** 2).sum(-1)
    down = ((a - c) ** 2 + (b - d) ** 2).sum(-1)
    assert torch.equal(pairing(corners), across < down)


@given(grid=GRIDS.filter(lambda grid: grid.windows > 2), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_windows_that_stay_whole_are_the_most_unlike(grid, seed):
    x = tokens(grid, seed=seed)
    share = share_windows(x, grid, whole=0.4, pairs=0.3)
    number = members(share, grid)
    size = (number @ number.sum(1)[..., None])[..., 0]  # [B, N]: how many share the row of a patch
    windows, _ = grid.places()
    kind, score = size[:, windows[:, 0]], unlikeness(corners_of(x, grid))
    for one, scores in zip(kind, score, strict=True):
        limits = [scores[one == size] for size in (1, 2, 4)]
        ordered = [part for part in limits if len(part)]
        for more, less in pairwise(ordered):
            assert more.min() >= less.max()


@given(grid=GRIDS.filter(lambda grid: grid.rows * grid.columns > 1), data=st.data())
@settings(max_examples=60, deadline=None)
def test_groups_are_merged_from_groups(grid, data):
    x = tokens(grid, seed=data.draw(st.integers(0, 99)))
    patches = grid.rows * grid.columns
    by, log_size, rows = torch.arange(patches).expand(len(x), -1), torch.zeros(x.shape[:2]), x
    for _ in range(2):
        left = rows.shape[1] - grid.prefix
        merged = data.draw(st.integers(0, left // 2))
        share = group(rows, torch.randn_like(rows[..., :4]), log_size, by, grid.prefix, merged)
        assert share.rows.shape[1] == rows.shape[1] - merged
        rows, by, log_size = share.rows, share.by, share.log_size
    assert_rows_stand_for_their_tokens(share, x, grid)


@given(grid=GRIDS.filter(lambda g: g.rows * g.columns > 2), data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_least_attended_to_is_fused_by_how_much_it_is(grid, data):
    """And fused again, the row that there is already among the others."""
    x, patches = tokens(grid), grid.rows * grid.columns
    by = torch.arange(patches).expand(len(x), -1)
    rows = x
    for seed in (1, 2):
        left = rows.shape[1] - grid.prefix
        if left < 3:
            break
        attended = torch.rand(
            rows.shape[:2], generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        count = data.draw(st.integers(1, left - 1))
        share = fuse(rows, attended, by, grid.prefix, count)
        assert share.rows.shape[1] == rows.shape[1] - count + 1
        limit = attended[:, grid.prefix :].sort(1).values[:, count - 1, None]
        gone = attended[:, grid.prefix :] <= limit
        weight = torch.where(gone, attended[:, grid.prefix :], 0)
        expected = (weight[..., None] * rows[:, grid.prefix :]).sum(1) / weight.sum(1, keepdim=True)
        torch.testing.assert_close(share.rows[:, -1], expected)
        was_gone = gone.gather(1, by.long())
        assert torch.equal(share.by == share.rows.shape[1] - grid.prefix - 1, was_gone)
        kept = [row[grid.prefix :][~lost] for row, lost in zip(rows, gone, strict=True)]
        torch.testing.assert_close(share.rows[:, grid.prefix : -1], torch.stack(kept))
        rows, by = share.rows, share.by


def test_the_rows_most_alike_are_merged():
    keys = torch.eye(4, dtype=torch.float64)[
        None, [0, 1, 2, 2, 3, 0]
    ]  # third and fourth alike, first and last
    x = torch.arange(6.0, dtype=torch.float64)[None, :, None]
    share = group(x, keys, torch.zeros(1, 6), torch.arange(6)[None], 0, 2)
    assert share.by.tolist() == [[3, 1, 2, 2, 0, 3]]  # evens that stay first, then the odd ones
    assert share.rows[0, :, 0].tolist() == [4.0, 1.0, 2.5, 2.5]


def test_a_row_is_attended_to_as_often_as_it_stands_for_tokens():
    """Of tokens that are alike in pairs, the mean is each: attention is what it was."""
    rows = torch.randn(1, 5, 3 * 8, dtype=torch.float64)
    whole = rows.repeat_interleave(torch.tensor([1, 2, 4, 1, 2]), dim=1)
    log_size = torch.tensor([[1.0, 2, 4, 1, 2]]).log().double()
    shared = attention(rows, 2, 0.5, log_size)
    torch.testing.assert_close(attention(whole, 2, 0.5)[:, [0, 1, 3, 7, 8]], shared)


@pytest.mark.parametrize("spec", ["windows=1,0:1-3", "groups=0:1-3/1"])
def test_where_nothing_is_shared_the_model_is_dense(spec):
    net, image = tiny_net().double(), random_image(2)
    with torch.no_grad():
        dense = net(image)
        net.pattern = Pattern(ways=parse_ways(spec, TINY.layers))
        depth, by = net(image)
    torch.testing.assert_close(depth, dense)
    assert all(sorted(row.tolist()) == list(range(TINY.tokens)) for row in by.flatten(0, 1))


def test_the_bypass_of_the_paper_is_the_same_equation_with_nobody():
    """Rows that change, tokens that get the change of no row."""
    from tosa_edge.nn.stack import selective_run, standard_layer
    from tosa_edge.nn.tosa import with_prefix

    net = tiny_net().double().eval()
    x = torch.randn(1, 1 + TINY.tokens, TINY.dim, dtype=torch.float64)
    index = with_prefix(torch.tensor([[1, 4, 9]], dtype=torch.int32), 1)
    with torch.no_grad():
        rows = before = x[:, index[0].long()]
        for layer in (1, 2):
            rows, _ = standard_layer(net.encoder.block(layer), rows)
        change = torch.zeros_like(x).index_copy(1, index[0].long(), rows - before)
        theirs = selective_run(x, index, [net.encoder.block(1), net.encoder.block(2)])
    torch.testing.assert_close(theirs, x + change)


def test_a_run_ends_and_begins_anew():
    """Features are read in the middle of a run as the tokens are by then."""
    net, image = tiny_net().double(), random_image(1)
    pixels = net.normalise(image)
    with torch.no_grad():
        once, by_once = net.encoder(pixels, Pattern(ways=parse_ways("pairs:1-3/3")))
        anew, by_anew = net.encoder(pixels, Pattern(ways=parse_ways("pairs:1-3/1")))
        twice, by_twice = net.encoder(pixels, Pattern(ways=parse_ways("pairs:1+pairs:2-3/1")))
    assert (by_once.shape[1], by_anew.shape[1], by_twice.shape[1]) == (1, 3, 3)
    for one, other in zip(anew, twice, strict=True):
        torch.testing.assert_close(one, other)
    assert torch.equal(by_anew, by_twice)
    first = sum(layer < 2 for layer in TINY.head_layers)
    for one, other in zip(once[:first], anew[:first], strict=True):
        torch.testing.assert_close(one, other)
