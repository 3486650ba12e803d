"""Merging and pruning: nothing when they remove nothing, and right about what they do remove."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nets import TINY, random_image, tiny_net
from tosa_edge.nn.tosa import Pattern, attention
from tosa_edge.training.study.merging_pruning import (
    Merging,
    Pruning,
    match,
    merge,
    merged_features,
    proportional_attention,
    pruned_features,
    unmerge,
)

REGISTERS = replace(TINY, registers=2)


def dense_features(net, pixels):
    return net.encoder(pixels, Pattern())[0]


def normal(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("config", [TINY, REGISTERS])
@torch.no_grad()
def test_removing_nothing_is_dense_bit_for_bit(config):
    net = tiny_net(config=config)
    pixels = net.normalise(random_image(2))
    dense = dense_features(net, pixels)
    merged = merged_features(net.encoder, pixels, Merging((0,) * config.layers))
    pruned = pruned_features(net.encoder, pixels, Pruning(1.0, (1, 2, 3)))
    for one, two, three in zip(dense, merged, pruned, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)


@given(seed=st.integers(0, 99), prefix=st.integers(1, 3), patches=st.integers(2, 40), data=st.data())
@settings(max_examples=50, deadline=None)
def test_merged_tokens_find_a_place_and_the_others_keep_their_order(seed, prefix, patches, data):
    count = data.draw(st.integers(1, patches // 2))
    into = match(normal(seed, 2, prefix + patches, 4), prefix, count)
    for places in into:
        assert places[:prefix].tolist() == list(range(prefix))
        assert sorted(set(places.tolist())) == list(range(prefix + patches - count))
        odd = places[prefix + 1 :: 2]
        assert (odd.diff() > 0).all()  # only the patches between them leave
        left = [p for p in places[prefix::2].tolist() if p not in odd.tolist()]
        assert left == sorted(left)
        assert len(left) == len(places[prefix::2]) - count


def test_the_pair_most_alike_is_merged():
    keys = torch.zeros(1, 5, 4)
    keys[0, 1:] = torch.eye(4)
    keys[0, 3] = keys[0, 2] + 0.01  # the third patch, an even one, is like the second
    assert match(keys, prefix=1, count=1).tolist() == [[0, 1, 2, 2, 3]]


@given(seed=st.integers(0, 99), patches=st.integers(2, 30), data=st.data())
@settings(max_examples=50, deadline=None)
def test_every_token_gets_the_mean_of_its_group_back(seed, patches, data):
    count = data.draw(st.integers(0, patches // 2))
    x, size = normal(seed, 2, 1 + patches, 4), normal(seed + 1, 2, 1 + patches).abs() + 0.5
    into = match(x, 1, count)
    merged, sizes = merge(x, size, into)
    back = unmerge(merged, into)
    assert merged.shape[1] == 1 + patches - count
    torch.testing.assert_close(sizes.sum(1), size.sum(1))
    weights = (into[:, :, None] == into[:, None, :]) * size[:, None, :]
    torch.testing.assert_close(back, weights @ x / weights.sum(2, keepdim=True))


@given(seed=st.integers(0, 99), sizes=st.lists(st.integers(1, 5), min_size=1, max_size=12))
@settings(max_examples=50, deadline=None)
def test_a_token_of_size_n_attends_and_is_attended_to_as_n_tokens(seed, sizes):
    few, repeats = normal(seed, 1, len(sizes), 24), torch.tensor(sizes)
    many = attention(few.repeat_interleave(repeats, dim=1), 2, 0.5)
    merged = proportional_attention(few, repeats.double()[None], 2, 0.5)
    torch.testing.assert_close(merged.repeat_interleave(repeats, dim=1), many)


@torch.no_grad()
def test_merging_identical_patches_changes_nothing():
    net = tiny_net().double()
    net.encoder.pos_embed[:, 1:] = 0
    pixels = net.normalise(torch.full((1, TINY.height, TINY.width, 3), 90, dtype=torch.uint8))
    merged = merged_features(net.encoder, pixels, Merging((5, 4, 3, 2)))
    for one, two in zip(dense_features(net, pixels), merged, strict=True):
        assert two.shape == one.shape
        torch.testing.assert_close(one, two)


@torch.no_grad()
def test_merged_patches_share_a_feature_and_the_others_have_their_own():
    net = tiny_net().double()
    features = merged_features(net.encoder, net.normalise(random_image()), Merging((6, 0, 0, 6)))
    different = [len(f[0].unique(dim=0)) for f in features]
    assert different == [TINY.tokens - 6] * 3 + [TINY.tokens - 12]


@torch.no_grad()
def test_pruned_patches_keep_the_feature_they_left_with():
    net = tiny_net().double()
    pixels = net.normalise(random_image(2))
    dense = dense_features(net, pixels)
    features = pruned_features(net.encoder, pixels, Pruning(0.5, (1, 2)))
    for one, two in zip(dense[:2], features[:2], strict=True):  # all were there up to layer 1
        torch.testing.assert_close(one, two)
    for layer, left in ((2, 12), (3, 6)):
        same = (features[layer] == features[layer - 1]).all(-1).sum(1)
        assert same.tolist() == [TINY.tokens - left] * 2


def test_counts_never_remove_what_is_not_there():
    assert Merging((9, 9, 9, 9)).counts(10) == [5, 2, 1, 1]
    assert Pruning(0.5, (3, 6, 9)).counts(432) == {3: 216, 6: 108, 9: 54}
    assert Pruning(0.01, (1, 2)).counts(24) == {1: 1, 2: 1}
