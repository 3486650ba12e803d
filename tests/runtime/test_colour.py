"""Colours stay still while the scene does, and follow it when it changes."""

from __future__ import annotations

import numpy as np
import pytest

from tosa_edge.runtime.colour import HIGH, LOW, ColourScale, colour

SCENE = np.linspace(1, 3, 120 * 160, dtype=np.float32).reshape(120, 160)


def noisy(seed: int) -> np.ndarray:
    """The still scene under another gain and offset each frame, as a relative model gives it, and noise."""
    generator = np.random.default_rng(seed)
    gain, offset = generator.normal(1, 0.05), generator.normal(0, 0.05)
    return (SCENE * gain + offset + generator.normal(0, 0.02, SCENE.shape)).astype(np.float32)


def test_a_still_surface_changes_by_no_more_than_the_smoothing_allows():
    scale = ColourScale(smoothing=0.06)
    scale.update(SCENE)
    probe = SCENE.copy()
    previous, ends = scale.levels(probe).astype(int), [np.percentile(SCENE, (LOW, HIGH))]
    for seed in range(60):
        frame = noisy(seed)
        ends.append(np.percentile(frame, (LOW, HIGH)))
        scale.update(frame)
        levels = scale.levels(probe).astype(int)
        # Each end moves by at most smoothing * jitter; a level by at most the larger move of the two, in
        # 255ths of the range, and one for rounding.
        jitter = np.ptp(np.array(ends), axis=0).max()
        bound = 255 * 0.06 * jitter / (scale.range[1] - scale.range[0]) + 1
        assert np.abs(levels - previous).max() <= bound
        previous = levels


def test_it_flickers_less_than_a_range_for_each_frame():
    running = ColourScale()
    running.update(SCENE)
    moves, own_moves, last, own_last = [], [], running.levels(SCENE).astype(int), None
    for seed in range(40):
        frame = noisy(seed)
        running.update(frame)
        alone = ColourScale()
        alone.update(frame)
        levels, own = running.levels(SCENE).astype(int), alone.levels(SCENE).astype(int)
        moves.append(np.abs(levels - last).mean())
        if own_last is not None:
            own_moves.append(np.abs(own - own_last).mean())
        last, own_last = levels, own
    assert np.mean(moves) < 0.15 * np.mean(own_moves)


def test_it_follows_a_change_in_the_end():
    scale = ColourScale()
    scale.update(SCENE)
    for _ in range(100):
        scale.update(SCENE * 5)
    np.testing.assert_allclose(scale.range, np.percentile(SCENE * 5, (LOW, HIGH)), rtol=0.02)


@pytest.mark.parametrize("depth", [np.full((4, 4), 2, np.float32), np.full((4, 4), np.nan, np.float32)])
def test_flat_and_missing_depth_give_a_picture(depth):
    picture = ColourScale()(depth)
    assert picture.shape == (4, 4, 3)
    assert picture.dtype == np.uint8


def test_near_is_bright_in_both_kinds_of_output():
    relative, metric = ColourScale("relative_inverse_depth"), ColourScale("metric_depth")
    for scale, near_first in ((relative, SCENE[::-1]), (metric, SCENE)):
        scale.update(near_first)
        levels = scale.levels(near_first)
        assert levels[0].mean() > levels[-1].mean()


def test_brighter_levels_are_brighter_colours():
    brightness = colour(np.arange(256, dtype=np.uint8)[None]).astype(int).sum(axis=2)[0]
    assert (np.diff(brightness[::16]) > 0).all()
