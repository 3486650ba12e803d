import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tosa_edge.training.losses import (
    attention_divergence,
    canonical,
    class_divergence,
    depth_loss,
    gradient_matching,
    inverse_depth,
    scale_and_shift_invariant,
    standardise,
)


def depth_of(seed, holes=0.2):
    g = torch.Generator().manual_seed(seed)
    depth = 0.5 + 5 * torch.rand(2, 24, 32, generator=g)
    depth[torch.rand(depth.shape, generator=g) < holes] = 0
    return depth


@given(st.integers(0, 99), st.floats(0.01, 100), st.floats(-50, 50))
@settings(max_examples=40, deadline=None)
def test_scale_and_shift_cost_nothing(seed, scale, shift):
    depth = depth_of(seed).double()
    truth = inverse_depth(depth)
    assert scale_and_shift_invariant(scale * truth + shift, depth) < 1e-3


@given(st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_what_has_no_reading_has_no_say(seed):
    depth, prediction = depth_of(seed), torch.rand(2, 24, 32)
    scribbled = torch.where(depth > 0, prediction, torch.full_like(prediction, 1e3))
    torch.testing.assert_close(
        scale_and_shift_invariant(scribbled, depth), scale_and_shift_invariant(prediction, depth)
    )


def test_classes_are_taught_by_their_probabilities():
    """Nothing where they are alike, whatever is added to all logits; else the Kullback-Leibler divergence."""
    target = torch.tensor([[1.0, 0.0, -1.0], [0.0, 0.0, 3.0]])
    assert class_divergence(target + 5, target).item() == pytest.approx(0, abs=1e-6)
    logits = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    p = target[0].softmax(0)
    expected = float((p * (p.log() - torch.full((3,), 1 / 3).log())).sum()) / 2
    assert class_divergence(logits, target).item() == pytest.approx(expected)


def test_a_picture_without_readings_gives_no_gradient():
    prediction = torch.rand(1, 24, 32, requires_grad=True)
    scale_and_shift_invariant(prediction, torch.zeros(1, 24, 32)).backward()
    assert torch.equal(prediction.grad, torch.zeros(1, 24, 32))


def test_a_worse_prediction_costs_more():
    depth = depth_of(1, holes=0)
    truth, noise = inverse_depth(depth), torch.randn(2, 24, 32, generator=torch.Generator().manual_seed(2))
    costs = [scale_and_shift_invariant(truth + level * noise, depth) for level in (0, 0.1, 0.3, 1.0)]
    assert costs == sorted(costs)
    assert costs[0] < 1e-5


def test_canonical_loss_is_least_for_the_standardised_truth():
    depth = depth_of(3)
    best = standardise(inverse_depth(depth), depth > 0)
    assert canonical(best, depth) < 1e-5
    assert canonical(2 * best, depth) > 0.1
    positive = standardise(inverse_depth(depth), depth > 0, shifted=False)
    assert positive.min() >= 0
    assert canonical(positive, depth, positive=True) < 1e-5
    assert depth_loss(best, depth) < 1e-5
    assert depth_loss(best, depth) < depth_loss(2 * best, depth) < canonical(2 * best, depth)


def test_standardise_is_robust():
    x = torch.rand(3, 10, 10)
    out = standardise(x, torch.ones_like(x, dtype=torch.bool))
    torch.testing.assert_close(out.abs().mean((1, 2)), torch.ones(3))
    assert out.flatten(1).median(1).values.abs().max() < 1e-6


def test_gradient_matching_ignores_constants_and_sees_edges():
    valid = torch.ones(1, 16, 16, dtype=torch.bool)
    step = torch.zeros(1, 16, 16)
    step[:, :, 8:] = 1
    assert gradient_matching(torch.full((1, 16, 16), 7.0), valid) == 0
    assert gradient_matching(step, valid) > 0


@pytest.mark.parametrize("sharp", [1.0, 5.0])
def test_divergence_is_least_for_the_true_map(sharp):
    g = torch.Generator().manual_seed(0)
    target = (sharp * torch.randn(2, 3, 5, 7, generator=g)).softmax(-1)
    other = (sharp * torch.randn(2, 3, 5, 7, generator=g)).softmax(-1)
    assert attention_divergence(target, target).abs() < 1e-6
    assert attention_divergence(other, target) > 0.1
