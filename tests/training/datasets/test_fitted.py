"""Size, batches, and what happens to frames that cannot be read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.datasets.make import scene
from tosa_edge.errors import TosaEdgeError
from tosa_edge.training.datasets.fitted import FittedFrames
from tosa_edge.training.datasets.frame import DatasetFrame, FoundFrames

SIDES = st.integers(40, 160)


def frames_of(*labelled) -> FoundFrames:
    return FoundFrames([DatasetFrame(str(n), lambda pair=pair: pair) for n, pair in enumerate(labelled)])


def some_damaged(count: int, damaged: dict[int, Exception]) -> FoundFrames:
    """Frame n is grey of level n and n + 1 metres away."""

    def read(n: int):
        if n in damaged:
            raise damaged[n]
        return np.full((4, 6, 3), n, np.uint8), np.full((4, 6), n + 1, np.float32)

    return FoundFrames([DatasetFrame(f"frame {n}", lambda n=n: read(n)) for n in range(count)])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(40, 160), st.integers(40, 160), st.integers(28, 90), st.integers(28, 90), st.integers(1, 3)
)
def test_picture_and_depth_stay_together_at_any_size(height, width, to_height, to_width, finer):
    """`finer`: how many times the picture has the depth's pixels."""
    picture, _, _ = scene(height * finer, width * finer)
    _, across, down = scene(height, width)
    data = FittedFrames(frames_of((picture, across), (picture, down)), (to_height, to_width))
    pictures, depths = data.batch([0, 1])
    assert pictures.shape == (2, to_height, to_width, 3)
    assert depths.shape == (2, to_height, to_width)
    for channel, side in enumerate((width, height)):
        apart = np.abs(depths[channel] - 1 - pictures[channel][..., channel].astype(float) / 255)
        assert apart.max() < 2 / side + 1 / 255  # each crop begins at a whole pixel, each reading is picked


def test_the_middle_is_kept_and_nothing_is_stretched():
    picture, across, _ = scene(60, 180)
    (seen,), (metres,) = FittedFrames(frames_of((picture, across)), (60, 90)).batch([0])
    np.testing.assert_array_equal(seen, picture[:, 45:135])
    np.testing.assert_array_equal(metres, across[:, 45:135])


def test_depth_is_picked_and_never_averaged():
    depth = np.where(np.arange(80) % 3 == 0, 1, 9).astype(np.float32) * np.ones((60, 1), np.float32)
    data = FittedFrames(frames_of((np.zeros((60, 80, 3), np.uint8), depth)), (28, 42))
    assert set(np.unique(data.batch([0])[1])) == {1, 9}


def test_what_is_no_reading_is_0():
    depth = np.array([[np.nan, np.inf, -np.inf], [-1, 0, 2]], np.float64)
    _, (metres,) = FittedFrames(frames_of((np.zeros((2, 3, 3), np.uint8), depth)), (2, 3)).batch([0])
    assert metres.dtype == np.float32
    np.testing.assert_array_equal(metres, [[0, 0, 0], [0, 0, 2]])


def test_another_view_is_refused():
    picture, depth = np.zeros((60, 80, 3), np.uint8), np.ones((60, 60), np.float32)
    good = np.zeros((60, 80, 3), np.uint8), np.ones((30, 40), np.float32)
    data = FittedFrames(frames_of((picture, depth), good), (60, 80))
    assert (data.batch([0])[1] == 1).all()
    assert data.refused == ["0: the picture is 80x60, but its depth is 60x60: not the same view"]


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 7), max_size=7), st.lists(st.integers(0, 7), min_size=1, max_size=12))
def test_the_next_readable_frame_takes_the_place_of_a_damaged_one(damaged, indices):
    found = some_damaged(8, {n: TosaEdgeError(f"{n} is cut short", "Copy it again.") for n in damaged})
    data = FittedFrames(found, (4, 6))
    expected = [next(k % 8 for k in range(i, i + 8) if k % 8 not in damaged) for i in indices]
    for _ in range(2):
        pictures, depths = data.batch(indices)
        assert pictures[:, 0, 0, 0].tolist() == expected
        assert depths[:, 0, 0].tolist() == [k + 1 for k in expected]
    assert len(data) == 8
    met = {int(line.split()[1][:-1]) for line in data.refused}
    assert len(met) == len(data.refused)
    assert met <= damaged
    assert damaged & set(indices) <= met


def test_an_error_of_the_disk_is_a_reason_too():
    data = FittedFrames(some_damaged(2, {1: OSError("Input/output error")}), (4, 6))
    data.batch([1])
    assert data.refused == ["frame 1: Input/output error"]


def test_our_own_mistakes_are_not_taken_for_damage():
    with pytest.raises(ZeroDivisionError):
        FittedFrames(some_damaged(2, {1: ZeroDivisionError()}), (4, 6)).batch([1])


def test_nothing_readable_is_an_error():
    data = FittedFrames(some_damaged(3, {n: OSError("gone") for n in range(3)}), (4, 6))
    for _ in range(2):
        with pytest.raises(TosaEdgeError, match=r"none of the 3 frames can be used.*gone"):
            data.batch([0])
    assert len(data.refused) == 3


def test_frames_that_are_refused_keep_their_own_remedy():
    """A folder of evaluation pictures is no broken disk."""
    refusal = TosaEdgeError("it is an evaluation picture", "Take it out of the folder.")
    data = FittedFrames(some_damaged(2, {0: refusal, 1: refusal}), (4, 6))
    for _ in range(2):
        with pytest.raises(TosaEdgeError, match="it is an evaluation picture") as told:
            data.batch([0])
        assert told.value.remedy == "Take it out of the folder."
