import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tosa_edge.training.study.bootstrap import draw, relative_loss


def scores(seed, frames=200):
    return np.random.default_rng(seed).uniform(0.5, 0.95, frames)


def test_identical_scores_lose_nothing_for_sure():
    loss = relative_loss(scores(0), scores(0))
    assert (loss.percent, loss.low, loss.high) == (0, 0, 0)


@given(share=st.floats(0.1, 1.5), seed=st.integers(0, 99), block=st.integers(1, 20))
@settings(max_examples=20, deadline=None)
def test_the_same_share_of_every_frame_is_lost_for_sure(share, seed, block):
    dense = scores(seed, 100)
    loss = relative_loss(dense, share * dense, block, resamples=200)
    for value in (loss.percent, loss.low, loss.high):
        assert value == pytest.approx(100 * (1 - share), abs=1e-9)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    covered = 0
    for seed in range(100):
        dense = scores(seed, 80)
        other = 0.97 * dense + np.random.default_rng(1000 + seed).normal(0, 0.05, 80)
        loss = relative_loss(dense, other, resamples=400)
        assert loss.low < loss.percent < loss.high
        covered += loss.low <= 3 <= loss.high
    assert 88 <= covered <= 99


def test_frames_like_their_neighbours_make_it_less_sure():
    rng = np.random.default_rng(0)
    drift = np.repeat(rng.normal(0, 0.05, 20), 10)
    dense = scores(1)
    alone, together = (relative_loss(dense, dense - 0.03 + drift, block, 2000) for block in (1, 10))
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert together.percent == alone.percent


def test_it_is_seeded():
    dense, other = scores(0), scores(1)
    assert relative_loss(dense, other, seed=3) == relative_loss(dense, other, seed=3)
    assert relative_loss(dense, other, seed=3) != relative_loss(dense, other, seed=4)


@given(frames=st.integers(1, 60), block=st.integers(1, 80), seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_draws_are_runs_within_the_series(frames, block, seed):
    drawn = draw(np.random.default_rng(seed), 7, frames, block)
    assert drawn.shape == (7, frames)
    assert drawn.min() >= 0
    assert drawn.max() < frames
    block = min(block, frames)
    for begin in range(0, frames, block):
        assert (np.diff(drawn[:, begin : begin + block], axis=1) == 1).all()


def test_few_runs_give_no_interval():
    loss = relative_loss(scores(0, 40), 0.9 * scores(0, 40), block=10)
    assert loss.percent == pytest.approx(10)
    assert np.isnan([loss.low, loss.high]).all()


def test_nothing_to_lose_is_not_a_number_and_no_pairs_are_an_error():
    assert np.isnan(relative_loss(np.zeros(5), np.ones(5)).percent)
    with pytest.raises(ValueError, match="no pairs"):
        relative_loss(np.ones(5), np.ones(4))
