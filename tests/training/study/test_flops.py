import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nets import TINY
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.tosa import Pattern, grouped
from tosa_edge.training.study.flops import (
    gflop,
    merging_at,
    multiply_adds,
    pruning_at,
    selector_cost,
    smaller_at,
)
from tosa_edge.training.study.merging_pruning import Merging, Pruning
from tosa_edge.training.study.smaller import Smaller, sizes_of

SHIPPED = ModelConfig()
N, T, D = 432, 433, 384
DENSE = N * 3 * 14 * 14 * D + 12 * (12 * T * D * D + 2 * T * T * D)


def layer(tokens):
    return 12 * tokens * D * D + 2 * tokens * tokens * D


def test_dense_is_its_closed_form():
    assert multiply_adds(SHIPPED, Pattern()) == DENSE
    assert multiply_adds(SHIPPED, Merging((0,) * 12)) == DENSE
    assert multiply_adds(SHIPPED, Pruning(1.0, (3, 6, 9))) == DENSE
    assert gflop(DENSE) == pytest.approx(22.04, abs=0.01)


@pytest.mark.parametrize(("group", "selective", "selections"), [(1, 6, 6), (3, 9, 3)])
@pytest.mark.parametrize(("selector", "cell"), [("learned", D + 4 * 6 * 6), ("previous", D), ("random", 0)])
def test_a_pattern_is_its_closed_form(group, selective, selections, selector, cell):
    pattern = Pattern(grouped(12, group), 0.5, 8, selector)
    expected = DENSE - selective * (layer(T) - layer(217)) + selections * 55 * T * cell
    assert multiply_adds(SHIPPED, pattern) == expected


def test_keeping_all_costs_dense_and_the_selectors():
    pattern = Pattern(grouped(12, 1), 1.0, 8)
    assert multiply_adds(SHIPPED, pattern) == DENSE + 6 * selector_cost(SHIPPED, pattern)


def test_merging_saves_in_the_mlp_of_its_layer_and_all_of_the_next():
    after = 422
    mlp = 8 * D * D
    one_layer = layer(T) - 10 * mlp + 216 * 216 * 64
    expected = DENSE - 12 * layer(T) + one_layer + 11 * layer(after + 1)
    assert multiply_adds(SHIPPED, Merging((10, *[0] * 11))) == expected


def test_pruning_saves_from_the_next_layer_on():
    expected = DENSE - 12 * layer(T) + 4 * layer(T) + 3 * layer(217) + 3 * layer(109) + 2 * layer(55)
    assert multiply_adds(SHIPPED, Pruning(0.5, (3, 6, 9))) == expected


def test_a_smaller_picture_costs_what_the_model_for_it_does():
    pattern = Pattern(grouped(12, 1), 0.5, 8)
    small = Smaller(168, 224, pattern)
    assert multiply_adds(SHIPPED, small) == multiply_adds(SHIPPED.at(168, 224), pattern)
    assert multiply_adds(SHIPPED, Smaller(252, 336)) == DENSE
    costs = [multiply_adds(SHIPPED, size) for size in sizes_of(SHIPPED)]
    for target in range(min(costs), DENSE, DENSE // 50):
        best = multiply_adds(SHIPPED, smaller_at(SHIPPED, target))
        assert abs(best - target) == min(abs(cost - target) for cost in costs)
        assert abs(best - target) < 0.06 * DENSE


@given(group=st.sampled_from((1, 3)), keep=st.floats(0.3, 0.95), stride=st.sampled_from((1, 8, 32)))
@settings(max_examples=20, deadline=None)
def test_peers_cost_what_the_pattern_costs_within_one_percent(group, keep, stride):
    target = multiply_adds(SHIPPED, Pattern(grouped(12, group), keep, stride))
    # Keeping nearly all, the selectors alone cost more than skipping saves; no peer costs more than dense.
    within = min(target, DENSE)
    for peer in (merging_at(SHIPPED, target), pruning_at(SHIPPED, target)):
        assert abs(multiply_adds(SHIPPED, peer) - within) < 0.01 * within


def test_small_models_have_peers_too():
    target = multiply_adds(TINY, Pattern(grouped(TINY.layers, 1), 0.5, 8))
    for peer in (merging_at(TINY, target), pruning_at(TINY, target)):
        assert abs(multiply_adds(TINY, peer) - target) < 0.05 * target  # a token is a twenty-fifth
