import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tosa_edge.evaluation.metrics import align
from tosa_edge.training.study.flicker import align_all, flicker


def clip(seed=0, frames=5):
    """A tilted wall that comes nearer, and where it can be read."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:1:20j, 0:1:30j]
    truth = [(3 - 0.1 * t + y + 0.5 * x).astype(np.float32) for t in range(frames)]
    return truth, [rng.random(y.shape) < 0.8 for _ in truth]


@given(seed=st.integers(0, 50), data=st.data())
@settings(max_examples=20, deadline=None)
def test_the_truth_does_not_flicker_whatever_its_scale_and_shift(seed, data):
    truth, valid = clip(seed)
    number = st.floats(0.1, 10)
    relative = [data.draw(number) / t.astype(np.float64) + data.draw(number) for t in truth]
    assert max(flicker(relative, truth, valid)) < 1e-6


def test_aligned_once_a_depth_that_breathes_flickers():
    truth, valid = clip()
    still = [2 / t + 1 for t in truth]
    assert max(flicker(still, truth, valid, once=True)) < 1e-6
    breathing = [(1 + 0.1 * (n % 2)) / t for n, t in enumerate(truth)]
    assert max(flicker(breathing, truth, valid)) < 1e-6
    assert min(flicker(breathing, truth, valid, once=True)) > 0.05


def test_a_known_change_is_measured():
    truth, valid = [np.full((10, 10), 2.0)] * 2, [np.ones((10, 10), bool)] * 2
    truth = [t * np.linspace(1, 1.5, 10) for t in truth]
    away = [truth[0], truth[1] * np.where(np.arange(10) % 2, 1.02, 1 / 1.02)[:, None]]
    (measured,) = flicker([1 / d for d in away], truth, valid)
    assert measured == pytest.approx(np.log(1.02), rel=0.05)  # the alignment takes up a little of it


def test_more_noise_flickers_more_and_pixels_without_readings_have_no_say():
    truth, valid = clip()
    rng = np.random.default_rng(1)
    noise = [rng.normal(0, 0.002, t.shape) for t in truth]
    little, much = ([1 / t + k * n for t, n in zip(truth, noise, strict=True)] for k in (1, 3))
    assert np.mean(flicker(much, truth, valid)) > 2 * np.mean(flicker(little, truth, valid))
    scribbled = [np.where(v, r, 99.0) for r, v in zip(little, valid, strict=True)]
    holes = [np.where(v, t, 0).astype(np.float32) for t, v in zip(truth, valid, strict=True)]
    assert flicker(scribbled, holes, valid) == pytest.approx(flicker(little, truth, valid))


def test_pairs_without_a_common_reading_are_left_out():
    truth, _ = clip(frames=4)
    top, below = np.zeros((20, 30), bool), np.zeros((20, 30), bool)
    top[:10] = True
    below[10:] = True
    relative = [1 / t for t in truth]
    assert len(flicker(relative, truth, [top, top, below, below])) == 2


def test_the_clips_alignment_is_that_of_all_its_pixels():
    truth, valid = clip()
    rng = np.random.default_rng(2)
    relative = [3 / t - 1 + rng.normal(0, 0.1, t.shape) for t in truth]
    everything = [np.concatenate([a[v] for a, v in zip(x, valid, strict=True)]) for x in (relative, truth)]
    assert align_all(relative, truth, valid) == pytest.approx(align(*everything))
    assert align_all([np.ones_like(t) for t in truth], truth, valid)[0] == 0
