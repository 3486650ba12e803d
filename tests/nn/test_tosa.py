from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nets import TINY, random_image, tiny_net, tiny_pattern
from tosa_edge.nn.tosa import (
    Pattern,
    dither_importance,
    dither_lattice,
    gather_tokens,
    grouped,
    learned_importance,
    previous_importance,
    scatter_tokens,
    select_patches,
    with_prefix,
)


@pytest.mark.parametrize(
    ("layers", "runs", "selections"),
    [
        ((), [], ()),
        (grouped(12, 1), [range(i, i + 1) for i in (1, 3, 5, 7, 9, 11)], (0, 2, 4, 6, 8, 10)),
        (grouped(12, 3), [range(1, 4), range(5, 8), range(9, 12)], (0, 4, 8)),
        (grouped(12, 4), [range(1, 5), range(6, 10), range(11, 12)], (0, 5, 10)),  # a shorter last run
        ((2, 3, 7), [range(2, 4), range(7, 8)], (1, 6)),  # any layers at all
    ],
)
def test_runs_share_one_selection(layers, runs, selections):
    pattern = Pattern(layers)
    assert pattern.runs() == runs
    assert pattern.selections() == selections


@given(data=st.data(), patches=st.integers(1, 300), batch=st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_selected_patches_are_the_most_important_in_raster_order(data, patches, batch):
    kept = data.draw(st.integers(1, patches))
    importance = torch.rand(batch, patches, generator=torch.Generator().manual_seed(kept))
    chosen = select_patches(importance, kept)
    assert chosen.dtype == torch.int32
    assert chosen.shape == (batch, kept)
    assert (chosen.diff(dim=1) > 0).all()
    threshold = importance.sort(dim=1, descending=True).values[:, kept - 1 : kept]
    assert (importance.gather(1, chosen.long()) >= threshold).all()


def test_the_lattice_is_ordered_dithering():
    lattice = dither_lattice(16, 24).view(16, 24)
    tile = lattice[:8, :8]
    assert sorted((64 * tile).flatten().tolist()) == list(range(64))
    assert torch.equal(lattice, tile.tile(2, 3))
    # Half of the dots are a chequerboard, a quarter is one dot in every square of four.
    down, across = torch.arange(16)[:, None], torch.arange(24)
    assert torch.equal(lattice >= 0.5, (down + across) % 2 == 1)
    assert torch.equal((lattice >= 0.75).unfold(0, 2, 2).unfold(1, 2, 2).sum((2, 3)), torch.ones(8, 12))


@given(seed=st.integers(0, 999), kept=st.integers(1, 95), spread=st.sampled_from((0.0, 0.5, 1.0, 4.0)))
@settings(max_examples=80, deadline=None)
def test_spread_is_fair_among_like_thresholds_and_bounded_among_others(seed, kept, spread):
    importance = torch.rand(1, 96, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) ** 8
    lattice = dither_lattice(8, 12).double()
    chosen = select_patches(dither_importance(importance, lattice, spread), kept).long()[0]
    left = torch.ones(96, dtype=torch.bool).index_fill(0, chosen, False).nonzero()[:, 0]
    more = importance[0, left][None] > importance[0, chosen][:, None]
    ahead = lattice[left][None] - lattice[chosen][:, None]
    assert not (more & (ahead >= 0)).any()  # whoever is more important and no worse placed was kept as well
    assert not (spread * ahead >= 1).any()  # and no importance makes up for so much


def test_spread_leaves_no_part_of_the_picture_out():
    # All that is important lies in the left half of the picture.
    importance = torch.cat((torch.full((18, 12), 9.0), torch.full((18, 12), 0.1)), dim=1).flatten()[None]
    huddled = select_patches(importance, 216)[0]
    spread = select_patches(dither_importance(importance, dither_lattice(18, 24), 1.0), 216)[0]
    assert (huddled % 24 < 12).all()
    right = int((spread % 24 >= 12).sum())
    assert 0 < right < 108


@given(tokens=st.integers(2, 80), batch=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_bypassed_tokens_are_untouched_bit_for_bit(tokens, batch, seed):
    g = torch.Generator().manual_seed(seed)
    x, gamma = torch.randn(batch, tokens, 8, generator=g), torch.randn(8, generator=g)
    kept = int(torch.randint(1, tokens, (1,), generator=g))
    index = select_patches(torch.rand(batch, tokens, generator=g), kept)
    rows, _ = gather_tokens(x, index, torch.ones(8), torch.zeros(8), epsilon=1e-6)
    update = torch.randn(batch, kept, 8, generator=g)
    out = scatter_tokens(x, index, rows, update, gamma)
    chosen = torch.zeros(batch, tokens, dtype=torch.bool).scatter(1, index.long(), True)
    assert torch.equal(out[~chosen], x[~chosen])
    assert torch.equal(out[chosen].view(rows.shape), rows + gamma * update)
    assert torch.equal(rows, x[chosen].view(rows.shape))


def test_prefix_tokens_are_always_among_the_kept():
    patches = torch.tensor([[0, 4, 7]], dtype=torch.int32)
    assert with_prefix(patches, 5).tolist() == [[0, 1, 2, 3, 4, 5, 9, 12]]


def test_the_selector_starts_as_the_training_free_one():
    net = tiny_net()
    fresh = type(net.encoder.selectors["0"])(TINY.heads)
    qkv = torch.randn(2, 25, 3 * TINY.dim, generator=torch.Generator().manual_seed(1)).double()
    attributes = {"num_heads": TINY.heads, "query_stride": 3, "scale": 0.25}
    learned = learned_importance(qkv, fresh.w1.double(), fresh.b1.double(), fresh.w2.double(), **attributes)
    torch.testing.assert_close(learned, previous_importance(qkv, **attributes))


def test_importance_counts_the_sampled_queries():
    # Every sampled row of every head spends one unit of attention.
    qkv = torch.randn(2, 25, 3 * TINY.dim)
    total = previous_importance(qkv, num_heads=2, query_stride=8, scale=0.25).sum(1)
    torch.testing.assert_close(total, torch.full((2,), 2 * 4.0))


@pytest.mark.parametrize("group", [1, 2, 3])
def test_keeping_every_token_is_the_dense_model(group):
    # The head reads no layer inside a run here: there it would be read where the run ends.
    image, config = random_image(2), replace(TINY, head_layers=(0, 0, 3, 3))
    dense, everything = tiny_net(None, config), tiny_net(tiny_pattern(group, keep=1.0), config)
    with torch.no_grad():
        exact = tiny_net(None, config).double()(image)
        noise = (dense(image) - exact).abs().max()
        assert (everything(image)[0] - exact).abs().max() <= 2 * noise


@pytest.mark.parametrize("spread", [0.0, 1.0])
@pytest.mark.parametrize("selector", ["learned", "previous"])
@pytest.mark.parametrize("group", [1, 3])
def test_training_and_inference_keep_the_same_patches(group, selector, spread):
    net = tiny_net(tiny_pattern(group, keep=0.4, query_stride=4, selector=selector, spread=spread))
    image = random_image(2)
    _, training = net.train()(image)
    with torch.no_grad():
        _, inference = net.eval()(image)
    assert torch.equal(training, inference)
    assert training.shape == (2, len(net.pattern.selections()), round(0.4 * TINY.tokens))


def test_given_patches_are_used_and_nothing_is_selected():
    net = tiny_net(tiny_pattern(1, keep=0.5))
    image = random_image()
    with torch.no_grad():
        depth, kept = net(image)
        again, same = net(image, kept)
        other, _ = net(image, torch.arange(12, dtype=torch.int32).expand(1, 2, -1))
    assert torch.equal(depth, again)
    assert torch.equal(kept, same)
    assert not torch.equal(depth, other)


def test_gradients_reach_every_weight_that_is_used():
    net = tiny_net(tiny_pattern(3)).train()
    net(random_image(2))[0].sum().backward()
    silent = [n for n, p in net.named_parameters() if p.grad is None and "selectors" not in n]
    assert silent == []
