"""The geometry is undone: sizes come back, and things land where they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.fit import BARS, MODES, fit_for, resample

sides = st.integers(1, 400)
model_sides = st.integers(1, 20).map(lambda n: 14 * n)
modes = st.sampled_from(MODES)


@settings(max_examples=200, deadline=None)
@given(frame=st.tuples(sides, sides), size=st.tuples(model_sides, model_sides), mode=modes)
def test_there_and_back_has_the_right_sizes(frame, size, mode):
    fit = fit_for(frame, size, mode)
    there = fit.forward(np.zeros((*frame, 3), np.uint8))
    assert there.shape == (*size, 3)
    assert there.dtype == np.uint8
    for nearest in (False, True):
        back = fit.backward(np.ones(size, np.float32), nearest=nearest)
        assert back.shape == frame
        np.testing.assert_allclose(back, 1, atol=1e-4)


@settings(max_examples=200, deadline=None)
@given(
    frame=st.tuples(st.integers(20, 400), st.integers(20, 400)),
    size=st.tuples(st.integers(2, 20).map(lambda n: 14 * n), st.integers(2, 20).map(lambda n: 14 * n)),
    mode=modes,
    across=st.booleans(),
)
def test_a_gradient_lands_where_it_was(frame, size, mode, across):
    """A ramp goes through the graph's size and back: off by half of the larger pixel at its ends at most."""
    H, W = frame
    y, x = np.mgrid[0:H, 0:W].astype(np.float32) + 0.5
    ramp = x if across else y
    fit = fit_for(frame, size, mode)
    there = resample(ramp[fit.source.slices], (fit.target.height, fit.target.width))
    canvas = np.full(size, -1e6, np.float32)  # what lies in the bars must not leak in
    canvas[fit.target.slices] = there
    back = fit.backward(canvas)[fit.source.slices]
    pixel = max(1, fit.source.width / fit.target.width if across else fit.source.height / fit.target.height)
    assert np.abs(back - ramp[fit.source.slices]).max() <= 0.51 * pixel + 1e-3
    inner = np.abs(back - ramp[fit.source.slices])
    middle = inner[inner.shape[0] // 2, inner.shape[1] // 2]
    assert middle <= 0.26 * pixel + 0.02


@settings(max_examples=100, deadline=None)
@given(frame=st.tuples(sides, sides), size=st.tuples(model_sides, model_sides))
def test_letterbox_sees_all_and_crop_fills_all(frame, size):
    letterbox, crop = fit_for(frame, size, "letterbox"), fit_for(frame, size, "crop")
    assert (letterbox.source.height, letterbox.source.width) == frame
    assert letterbox.target.height == size[0] or letterbox.target.width == size[1]
    assert (crop.target.height, crop.target.width) == size
    assert crop.source.height == frame[0] or crop.source.width == frame[1]


def test_letterbox_keeps_the_aspect_ratio_and_paints_bars():
    there = fit_for((100, 200), (200, 200), "letterbox").forward(np.full((100, 200, 3), 9, np.uint8))
    assert (there[:50] == BARS).all()
    assert (there[50:150] == 9).all()
    assert (there[150:] == BARS).all()


def test_outside_of_a_crop_is_the_nearest_value_or_what_is_asked_for():
    fit = fit_for((100, 200), (56, 56), "crop")
    assert (fit.source.left, fit.source.width) == (50, 100)
    field = np.tile(np.linspace(1, 2, 56, dtype=np.float32), (56, 1))
    back = fit.backward(field)
    np.testing.assert_allclose(back[:, :50], 1, atol=1e-3)
    np.testing.assert_allclose(back[:, 150:], 2, atol=1e-3)
    assert (fit.backward(field, outside=0.0)[:, :50] == 0).all()


def test_an_unknown_mode_names_the_known():
    with pytest.raises(TosaEdgeError, match="'tile'") as error:
        fit_for((1, 1), (14, 14), "tile")
    assert "letterbox, stretch, crop" in error.value.remedy
