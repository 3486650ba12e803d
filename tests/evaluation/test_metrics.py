"""Metrics that cannot be fooled by scale and shift, and that are right where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tosa_edge.evaluation import metrics

# ONNX Runtime, told to flush subnormals, does so for this whole process: hypothesis must not look for them.
scales = st.floats(1e-3, 1e3, allow_subnormal=False)
shifts = st.floats(-100, 100, allow_subnormal=False)


def scene(seed: int = 0, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Metres, float32, with holes."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j]
    depth = 1 + 4 * (1 - y) + np.sin(5 * x) + generator.uniform(0, 0.2, shape)
    depth[generator.random(shape) < 0.1] = 0
    return depth.astype(np.float32)


def inverse(depth: np.ndarray) -> np.ndarray:
    return 1 / np.where(depth > 0, depth, 1).astype(np.float64)


@settings(max_examples=50, deadline=None)
@given(scale=scales, shift=shifts, seed=st.integers(0, 5))
def test_a_perfect_prediction_is_perfect_at_any_scale_and_shift(scale, shift, seed):
    truth = scene(seed)
    scores = metrics.score_relative(scale * inverse(truth) + shift, truth, metrics.valid_mask(truth))
    assert scores["delta1"] == 1
    assert scores["absrel"] < 1e-4
    assert scores["rmse"] < 1e-3


@settings(max_examples=50, deadline=None)
@given(scale=scales, shift=shifts)
def test_any_prediction_scores_the_same_at_any_scale_and_shift(scale, shift):
    truth = scene()
    guess = inverse(truth) + np.random.default_rng(1).normal(0, 0.05, truth.shape)
    valid = metrics.valid_mask(truth)
    plain, moved = (metrics.score_relative(g, truth, valid) for g in (guess, scale * guess + shift))
    assert moved == pytest.approx(plain, rel=1e-3, abs=1e-3)


def test_the_alignment_is_the_least_squares_one():
    truth = scene()[metrics.valid_mask(scene())]
    guess = np.random.default_rng(2).normal(size=truth.shape)
    scale, shift = metrics.align(guess, truth)
    design = np.stack([guess, np.ones_like(guess)], axis=1)
    np.testing.assert_allclose((scale, shift), np.linalg.lstsq(design, 1 / truth, rcond=None)[0], rtol=1e-6)


def test_known_errors():
    scores = metrics.compare(np.array([1.0, 2.0, 4.0, 9.0]), np.array([1.0, 1.0, 2.0, 9.0]))
    assert scores["absrel"] == pytest.approx((0 + 1 + 1 + 0) / 4)
    assert scores["rmse"] == pytest.approx(np.sqrt((1 + 4) / 4))
    assert (scores["delta1"], scores["delta2"], scores["delta3"]) == (0.5, 0.5, 0.5)
    # 1.25 itself is not within 1.25
    assert metrics.compare(np.array([1.25, 1.3]), np.ones(2))["delta1"] == 0
    assert metrics.compare(np.array([1.25, 1.3]), np.ones(2))["delta2"] == 1


def test_depth_is_clamped_to_the_range():
    depth = metrics.to_depth(np.array([-5.0, 0.0, 1000.0]), 1.0, 0.0)
    np.testing.assert_allclose(depth, [metrics.MAX_EVAL_M, metrics.MAX_EVAL_M, metrics.MIN_EVAL_M])


def test_the_mask_drops_holes_far_points_and_the_border():
    truth = np.full((480, 640), 2, np.float32)
    truth[240, 320], truth[240, 321], truth[240, 322] = 0, 12, np.nan
    valid = metrics.valid_mask(truth)
    assert not valid[240, 320:323].any()
    assert valid.sum() == (471 - 45) * (601 - 41) - 3
    assert not valid[:45].any()
    assert not valid[:, 601:].any()


@settings(max_examples=30, deadline=None)
@given(height=st.integers(12, 300), width=st.integers(12, 300))
def test_the_crop_leaves_its_share_of_any_frame(height, width):
    top, bottom, left, right = metrics.CROP
    rows, columns = (bottom - top) * height, (right - left) * width
    left_over = metrics.valid_mask(np.ones((height, width), np.float32)).sum()
    assert rows * columns <= left_over < (rows + 2) * (columns + 2)
    assert left_over < height * width


def test_a_constant_is_aligned_to_the_best_constant():
    truth = scene()
    valid = metrics.valid_mask(truth)
    expected = metrics.compare(
        np.full(valid.sum(), 1 / np.mean(1 / truth[valid], dtype=np.float64)), truth[valid]
    )
    assert metrics.baselines(truth, valid)["constant"] == pytest.approx(expected, rel=1e-5)


def test_the_ramp_is_perfect_on_a_ramp_and_useless_on_its_side():
    ramp = (1 / np.linspace(0.2, 1, 64, dtype=np.float32))[:, None] * np.ones((1, 64), np.float32)
    upright = metrics.baselines(ramp, metrics.valid_mask(ramp))
    aside = metrics.baselines(ramp.T.copy(), metrics.valid_mask(ramp.T))
    assert upright["ramp"]["delta1"] == 1
    assert aside["ramp"]["absrel"] == pytest.approx(aside["constant"]["absrel"], rel=1e-3)


def test_metric_depth_is_judged_as_it_is():
    truth = scene()
    scores = metrics.score_metric(1.1 * truth, truth, metrics.valid_mask(truth))
    assert scores["absrel"] == pytest.approx(0.1, rel=1e-3)


def test_each_frame_counts_once():
    one, two = (dict.fromkeys(metrics.NAMES, value) for value in (1.0, 2.0))
    assert metrics.mean([one, two]) == dict.fromkeys(metrics.NAMES, 1.5)
