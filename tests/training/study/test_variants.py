import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nets import TINY, random_image, tiny_net, tiny_pattern
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.tosa import Pattern
from tosa_edge.training.study.flops import multiply_adds
from tosa_edge.training.study.smaller import Smaller
from tosa_edge.training.study.variants import DENSE, predict, random_kept, study_variants


@given(keep=st.floats(0.05, 1), patches=st.integers(1, 200), seed=st.integers(0, 2**60))
@settings(max_examples=50, deadline=None)
def test_random_patches_are_distinct_ascending_and_seeded(keep, patches, seed):
    pattern = Pattern((1, 3, 5), keep, selector="random")
    kept = random_kept(pattern, patches, [seed, seed + 1])
    assert kept.shape == (2, 3, pattern.kept(patches))
    assert kept.dtype == torch.int32
    assert (kept.diff(dim=-1) > 0).all()
    assert (kept >= 0).all()
    assert (kept < patches).all()
    assert torch.equal(kept[1:], random_kept(pattern, patches, [seed + 1]))


def test_random_patches_are_others_for_every_picture_and_selection():
    kept = random_kept(Pattern((1, 3), 0.5), 100, [0, 1])
    sets = {tuple(row.tolist()) for picture in kept for row in picture}
    assert len(sets) == 4


@pytest.mark.parametrize("variant", study_variants(TINY), ids=lambda v: v.name)
@torch.no_grad()
def test_every_variant_gives_depth_that_does_not_depend_on_the_batch(variant):
    net, image = tiny_net().double(), random_image(3)
    depth = predict(net, image, variant.method, [5, 6, 7])
    assert depth.shape == (3, TINY.height, TINY.width)
    assert depth.isfinite().all()
    torch.testing.assert_close(depth[1:2], predict(net, image[1:2], variant.method, [6]))


@torch.no_grad()
def test_patterns_are_those_of_the_model_itself():
    net, image = tiny_net(), random_image(2)
    assert torch.equal(predict(net, image, Pattern(), [0, 0]), net(image))
    net.pattern = tiny_pattern(1, 0.4, query_stride=3, selector="previous")
    assert torch.equal(predict(net, image, net.pattern, [0, 0]), net(image)[0])


def test_the_study_has_its_rows():
    config = ModelConfig()
    variants = study_variants(config)
    names = [v.name for v in variants]
    assert names[0] == DENSE
    assert len(set(names)) == len(names) == 67
    assert sum(v.sweep for v in variants) == 12
    core = {v.name for v in variants if v.core}
    assert core == {DENSE, "g1@0.5", "g3@0.5", "g1@0.5 previous", "g3@0.5 previous"}
    costs = {v.name: multiply_adds(config, v.method) for v in variants}
    for name in ("g1@0.5", "g3@0.5"):
        for peer in ("ToMe", "pruning"):
            assert costs[f"{peer} at {name}"] == pytest.approx(costs[name], rel=0.01)
        assert costs[f"smaller picture at {name}"] == pytest.approx(costs[name], rel=0.05)


@torch.no_grad()
def test_a_smaller_picture_is_the_model_for_that_size_enlarged():
    net, image = tiny_net(), random_image(2)
    assert torch.equal(predict(net, image, Smaller(TINY.height, TINY.width), [0, 0]), net(image))
    flat = torch.full_like(image, 90)
    small = predict(net, flat, Smaller(28, 42), [0, 0])
    alone = net(flat[:, :28, :42])
    assert small.amin() >= alone.amin() - 1e-5
    assert small.amax() <= alone.amax() + 1e-5
    assert (small.mean() - alone.mean()).abs() < 0.05 * alone.std()
