"""Kept patches stay as they are, bypassed ones go dark, in the right places."""

from __future__ import annotations

import numpy as np
import pytest

from tosa_edge.pictures.fit import fit_for
from tosa_edge.runtime.overlay import DARKEST, OUTLINE, kept_share, outlines, overlay


def test_share_counts_the_selections_that_kept_a_patch():
    share = kept_share(np.array([[0, 5], [0, 1]], np.int32), (2, 3))
    np.testing.assert_array_equal(share, [[1, 0.5, 0], [0, 0, 0.5]])


def test_kept_is_untouched_and_bypassed_is_dark_grey():
    picture = np.full((28, 42, 3), (200, 100, 0), np.uint8)
    drawn = overlay(
        picture, np.array([[1, 0, 0], [0, 0, 0.5]], np.float32), fit_for((28, 42), (28, 42), "stretch")
    )
    assert (drawn[:14, :14] == picture[:14, :14]).all()
    grey = 100 * DARKEST
    assert (drawn[:14, 14:] == grey).all()
    np.testing.assert_allclose(drawn[20, 35], (picture[20, 35] + grey) / 2, atol=0.51)


def test_it_undoes_the_fit():
    picture = np.full((100, 200, 3), 100, np.uint8)
    for mode, bright in (("letterbox", slice(0, 100)), ("crop", slice(50, 100))):
        left_half = np.tile(np.array([1, 1, 0, 0], np.float32), (4, 1))
        drawn = overlay(picture, left_half, fit_for((100, 200), (56, 56), mode))
        assert (drawn[:, bright] == 100).all()
        assert (drawn[:, 100:] == 25).all()
    assert (drawn[:, :50] == 25).all(), "what a crop leaves out was never looked at"


@pytest.mark.parametrize("scale", [1, 4])
def test_what_shares_a_row_is_outlined(scale):
    """Two pairs, one above the other: a line between them and none within."""
    rows = np.array([[0, 0], [1, 1]], np.int32)
    size = (28 * scale, 28 * scale)
    picture = np.zeros((*size, 3), np.uint8)
    drawn = outlines(picture, rows, fit_for(size, (28, 28), "stretch"))
    lines = (drawn == OUTLINE).all(-1)
    assert lines[14 * scale].all()
    assert not lines[: 14 * scale - scale].any()
    assert not lines[14 * scale + scale :].any()
    assert not picture.any()
