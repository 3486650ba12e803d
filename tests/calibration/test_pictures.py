"""Where calibration pictures come from, and what is never among them."""

import hashlib

import cv2
import numpy as np
import pytest

from tests import media, tiny
from tosa_edge.calibration.pictures import evenly_spaced, read_pictures
from tosa_edge.errors import TosaEdgeError
from tosa_edge.evaluation import held_out
from tosa_edge.pictures.fit import fit_for
from tosa_edge.runtime.sources.video import VideoSource

SIZE = (28, 42)


def brightness(pictures):
    return pictures.reshape(len(pictures), -1).mean(axis=1)


def test_they_are_spread_evenly():
    assert evenly_spaced(10, 3) == [0, 3, 6]
    assert evenly_spaced(2, 5) == [0, 1]
    assert evenly_spaced(0, 5) == []


def test_they_are_fitted_as_the_runtime_fits_them(tmp_path):
    path = media.write_picture(tmp_path / "0.png", 60, 60)
    picture = tiny.picture(60, 60)
    for fit in ("letterbox", "crop", "stretch"):
        (read,), _ = read_pictures(path, SIZE, 1, fit=fit)
        np.testing.assert_array_equal(read, fit_for((60, 60), SIZE, fit).forward(picture))


def test_a_video_gives_frames_of_all_its_length(tmp_path):
    frames, _ = read_pictures(media.write_video(tmp_path / "v.webm", frames=30), SIZE, 6)
    steps = np.diff(brightness(frames))
    assert len(frames) == 6
    np.testing.assert_allclose(steps, 30, atol=6)  # five frames apart, six levels each


def test_a_video_that_does_not_know_its_length_does_too(tmp_path, monkeypatch):
    path = media.write_video(tmp_path / "v.webm", frames=30)
    known = VideoSource.__init__

    def forgetful(self, spec):
        known(self, spec)
        self.frame_count = None

    monkeypatch.setattr(VideoSource, "__init__", forgetful)
    frames, _ = read_pictures(path, SIZE, 6)
    assert len(frames) == 6
    bright = brightness(frames)
    assert (np.diff(bright) > 8).all()
    assert bright[-1] - bright[0] > 100  # of the 174 there are


def test_every_video_of_a_folder_has_its_share(tmp_path):
    for name in "ab":
        media.write_video(tmp_path / f"{name}.webm", frames=20)
    frames, _ = read_pictures(tmp_path, SIZE, 8)
    bright = brightness(frames)
    assert len(frames) == 8
    np.testing.assert_allclose(bright[:4], bright[4:], atol=1)


@pytest.mark.parametrize("layout", ["beside", "folders"])
def test_the_depth_of_a_data_set_is_no_picture(tmp_path, layout):
    rgb, depth = (tmp_path / "rgb", tmp_path / "depth") if layout == "folders" else (tmp_path, tmp_path)
    for folder in (rgb, depth):
        folder.mkdir(exist_ok=True)
    for name in "abc":
        media.write_picture(rgb / f"{name}.jpg")
        cv2.imwrite(str(depth / f"{name}.png"), np.full((60, 90), 2000, np.uint16))
    pictures, refused = read_pictures(tmp_path, SIZE, 10)
    assert len(pictures) == 3
    assert refused == []


def test_damaged_ones_are_named_and_left_out(photos):
    media.cut(photos / "1.jpg")
    told = []
    pictures, refused = read_pictures(photos, SIZE, 10, on_file=lambda *done: told.append(done))
    assert len(pictures) == 3
    assert len(refused) == 1
    assert "1.jpg" in refused[0]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_evaluation_pictures_are_refused(photos, monkeypatch):
    kept_back = hashlib.sha256((photos / "2.jpg").read_bytes()).hexdigest()
    monkeypatch.setattr(held_out, "digests", lambda: frozenset({kept_back}))
    pictures, refused = read_pictures(photos, SIZE, 10)
    assert len(pictures) == 3
    assert "evaluation picture" in refused[0]


@pytest.mark.parametrize("spoil", ["missing", "empty", "all damaged"])
def test_no_pictures_is_said_with_how_to_give_some(photos, spoil):
    for path in photos.iterdir():
        media.cut(path) if spoil == "all damaged" else path.unlink()
    place = photos / "nowhere" if spoil == "missing" else photos
    with pytest.raises(TosaEdgeError) as error:
        read_pictures(place, SIZE, 4, flag="--data")
    assert error.value.exit_code == 2
    assert error.value.remedy.startswith("Give --data a folder of pictures, or a video")
