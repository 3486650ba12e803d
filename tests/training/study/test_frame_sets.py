import numpy as np
import pytest

from tests.nets import TINY
from tests.training.study.conftest import write_frames
from tosa_edge.calibration.pictures import evenly_spaced
from tosa_edge.errors import TosaEdgeError
from tosa_edge.training.study.frame_sets import read_folder, read_renders

SIZE = (TINY.height, TINY.width)


def test_frames_are_fitted_once_and_restored_to_the_truths_size(data):
    frames = read_folder("kitchen", data / "kitchen", SIZE).frames
    assert [f.name for f in frames] == ["a_0", "a_1", "b_0"]
    for frame in frames:
        assert frame.picture.shape == (*SIZE, 3)
        assert frame.truth.shape == frame.valid.shape == (90, 120)
        assert frame.restore(np.zeros(SIZE, np.float32)).shape == (90, 120)


def test_a_beginning_takes_a_part_of_a_folder(data):
    assert [f.name for f in read_folder("a", data / "kitchen" / "a_", SIZE).frames] == ["a_0", "a_1"]
    with pytest.raises(TosaEdgeError, match="begins with 'c_'"):
        read_folder("c", data / "kitchen" / "c_", SIZE)


def test_the_same_frame_has_the_same_digest_in_any_set(data):
    kitchen, clip = (read_folder(name, data / name, SIZE) for name in ("kitchen", "clip"))
    assert kitchen.frames[0].digest == clip.frames[0].digest
    assert len({f.digest for f in [*kitchen.frames, *clip.frames]}) == 8
    before = kitchen.digest
    write_frames(data / "kitchen", ["a_1"], first_seed=99)
    assert read_folder("kitchen", data / "kitchen", SIZE).digest != before


def test_renders_are_spread_and_those_out_of_range_left_out(data):
    assert [f.name for f in read_renders("r", data / "shards", SIZE, 4).frames] == [
        f"{n:06d}" for n in (0, 2, 4, 6)
    ]
    assert len(read_renders("r", data / "shards", SIZE, 100).frames) == 7


def test_frames_of_a_folder_without_depth_are_an_error(data):
    import cv2

    cv2.imwrite(str(data / "clip" / "000002.png"), np.zeros((90, 120), np.uint16))
    with pytest.raises(TosaEdgeError, match="000002 has 0 readings"):
        read_folder("clip", data / "clip", SIZE)


def test_evenly_spread():
    assert evenly_spaced(10, 4) == [0, 2, 5, 7]
    assert evenly_spaced(3, 9) == [0, 1, 2]
