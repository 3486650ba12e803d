"""The measures themselves, on arrays whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny
from tosa_edge.validate import checks


def test_kept_patches_are_sets_for_each_picture_and_selection():
    some = [np.array([[[0, 1], [2, 3]], [[4, 5], [0, 1]]])]  # [2 pictures, 2 selections, 2]
    exact = [np.array([[[1, 0], [3, 9]], [[4, 5], [8, 9]]])]
    np.testing.assert_array_equal(checks.overlaps(some, exact), [[1, 0.5], [1, 0]])


@pytest.mark.parametrize(
    ("row", "wrong"),
    [([0, 3, 5], 0), ([5, 3, 0], 0), ([0, 0, 5], 1), ([0, 3, 6], 1), ([-1, 3, 5], 1), ([7, 7, 7], 3)],
)
def test_what_is_no_set_of_patches(row, wrong):
    assert checks.wrong_patches([np.array([[row]])], tokens=6) == wrong


def test_one_flipped_patch_too_many_fails_on_the_worst_picture_alone():
    assert checks.at_least("kept_overlap_worst", 0.98, checks.LEAST_OVERLAP["fp16"]).passed
    assert not checks.at_least("kept_overlap_worst", 0.979, checks.LEAST_OVERLAP["fp16"]).passed
    assert checks.at_least("kept_overlap_worst", 0.5, checks.LEAST_OVERLAP.get("int8")).passed


def test_error_is_a_share_of_the_spread():
    exact = [np.array([0.0, 2.0]), np.array([4.0, 6.0])]
    assert checks.relative_rms([e + 1 for e in exact], exact) == pytest.approx(1 / np.std([0, 2, 4, 6]))
    assert (
        checks.relative_rms([np.float16([3])], [np.float32([3])]) == 0
    )  # no spread, and nothing divided by it


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_never_passes(value):
    arrays = [np.array([1.0, value])]
    assert checks.not_finite(arrays) == 1
    found = checks.at_most("depth_error", checks.relative_rms(arrays, [np.array([1.0, 2.0])]), 1e9)
    assert (found.value, found.passed) == (None, False)
    assert not checks.at_most("depth_error", float(value), None).passed


def test_a_peer_that_is_not_finite_excuses_nothing():
    assert checks.error_limit(float("nan"), 1e-6) == 1e-6
    assert checks.error_limit(float("inf"), 1e-6) == 1e-6
    assert checks.error_limit(1e-3, 1e-6) == 2e-3
    assert checks.error_limit(0.0, 1e-6) == 1e-6
    assert checks.error_limit(None, 1e-6) is None


def test_the_floor_is_that_of_a_random_walk_of_roundings():
    """Summing n numbers in another order stays below it, and not by much."""
    generator = np.random.default_rng(0)
    n = 4096
    terms = generator.normal(1, 1, (500, n)).astype(np.float32)
    forth, back = np.cumsum(terms, axis=1)[:, -1], np.cumsum(terms[:, ::-1], axis=1)[:, -1]
    found = checks.relative_rms([forth], [back])
    floor = checks.rounding_floor([back], n)
    assert floor / 100 < found < floor


def test_roundings_are_counted_in_the_graph():
    assert checks.roundings_of(tiny.model()) == 3
