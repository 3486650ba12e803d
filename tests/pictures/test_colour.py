"""Colours stay still while the scene does, and follow it when it changes."""

from __future__ import annotations

import numpy as np
import pytest

from tosa_edge.pictures.colour import COLOUR_MAPS, HIGH, LOW, ColourScale, colour

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


def test_a_fixed_range_is_shown_while_the_running_one_goes_on():
    scale = ColourScale()
    scale.update(SCENE)
    scale.fix(near=3, far=2)
    assert scale.levels(np.array([[1.9, 2.0, 2.5, 3.0, 3.1]], np.float32)).tolist() == [[0, 0, 128, 255, 255]]
    scale.update(SCENE + 1)
    low, high = np.percentile(SCENE, (LOW, HIGH))
    np.testing.assert_allclose(scale.ends(), (high + 0.06, low + 0.06), rtol=1e-4)
    scale.fixed = None
    assert scale.levels(SCENE + 1)[-1, -1] == 255
    assert scale.levels(np.full((1, 1), 2.5, np.float32)) != 128


def test_ends_and_a_fixed_range_of_metres_are_in_metres():
    scale = ColourScale("metric_depth")
    assert scale.ends() is None
    metres = np.linspace(0.5, 8, 10_000, dtype=np.float32).reshape(100, 100)
    scale.update(metres)
    np.testing.assert_allclose(scale.ends(), np.percentile(metres, (LOW, HIGH)), rtol=0.01)
    scale.fix(near=1, far=4)
    assert scale.levels(np.array([[0.5, 1, 4, 9]], np.float32)).tolist() == [[255, 255, 0, 0]]
    with pytest.raises(ValueError, match="nearer"):
        scale.fix(near=4, far=1)
    assert scale.fixed == (0.25, 1)


def test_colour_maps_are_different_and_grey_is_grey():
    levels = np.arange(256, dtype=np.uint8)[None]
    painted = {name: colour(levels, name) for name in COLOUR_MAPS}
    assert len({p.tobytes() for p in painted.values()}) == len(COLOUR_MAPS)
    np.testing.assert_array_equal(painted["grey"], np.repeat(levels[..., None], 3, axis=2))
    np.testing.assert_array_equal(painted["inferno"], colour(levels))
