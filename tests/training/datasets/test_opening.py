"""Finding out what a path holds, and saying so when it is nothing."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests import media
from tests.training.datasets.make import write_colour, write_depth, write_pair
from tosa_edge.errors import TosaEdgeError
from tosa_edge.training.datasets import FORMATS, open_dataset
from tosa_edge.training.shard_batches import Shards

SIZE = (60, 90)


def write_shard(folder, n, height=60, width=90):
    image, depth = np.zeros((2, height, width, 3), np.uint8), np.full((2, height, width), 2000, np.uint16)
    save_file({"image": image, "depth": depth}, folder / f"shard-{n:05d}.safetensors")


def test_shards_are_what_they_were(tmp_path):
    write_shard(tmp_path, 0)
    (tmp_path / "shard-00001.safetensors").write_bytes(b"")
    data = open_dataset(str(tmp_path), SIZE)
    assert isinstance(data, Shards)
    assert len(data) == 2
    assert len(data.refused) == 1
    assert (data.batch([1])[1] == 2).all()


def test_shards_of_another_size_are_refused(tmp_path):
    write_shard(tmp_path, 0)
    write_shard(tmp_path, 1, height=56)
    with pytest.raises(TosaEdgeError, match=r"shard-00001.safetensors holds frames of 56x90.*60x90"):
        open_dataset(tmp_path, SIZE)


def nothing(folder):
    pass


def notes(folder):
    (folder / "notes.txt").write_text("nothing to see")


def pictures_alone(folder):
    write_colour(folder / "a.jpg")
    write_colour(folder / "b.png")


def hidden(folder):
    write_pair(folder / ".trash" / "rgb_1.jpg", folder / ".trash" / "sync_depth_1.png")


@pytest.mark.parametrize("fill", [nothing, notes, pictures_alone, hidden])
def test_a_folder_of_nothing_known_is_told_what_is_known(tmp_path, fill):
    fill(tmp_path)
    with pytest.raises(TosaEdgeError, match="no labelled data of a known layout") as error:
        open_dataset(tmp_path, SIZE)
    for word in ("shard", "NYU", "KITTI", "DIODE", "TUM", "7-Scenes", "plain"):
        assert word in error.value.remedy
    assert len(str(error.value).splitlines()) == 2


def test_paths_that_are_not_data(tmp_path):
    with pytest.raises(TosaEdgeError, match="there is no"):
        open_dataset(tmp_path / "nothing", SIZE)
    (tmp_path / "film.mp4").write_bytes(b"film")
    with pytest.raises(TosaEdgeError, match="no labelled data"):
        open_dataset(tmp_path / "film.mp4", SIZE)


def test_no_two_formats_claim_one_folder(tmp_path):
    marked = {
        "nyu_depth_v2_labeled.mat": ["nyu_depth_v2_labeled.mat"],
        "rooms": ["rgb_1.jpg", "sync_depth_1.png"],
        "diode": ["a.png", "a_depth.npy"],
        "tum": ["depth.txt", "rgb.txt"],
        "seven": ["frame-000000.color.png", "frame-000000.depth.png"],
    }
    for names in marked.values():
        assert sum(kind.marks(tmp_path, names) for kind in FORMATS) == 1


def test_damaged_and_incomplete_frames_are_named(tmp_path):
    room = tmp_path / "den_0001"
    for n in range(6):
        write_pair(room / f"rgb_{n}.jpg", room / f"sync_depth_{n}.png", 1000 * (n + 1))
    media.cut(room / "rgb_1.jpg")
    media.cut(room / "sync_depth_2.png")
    (room / "sync_depth_3.png").unlink()
    (room / "sync_depth_5.png").unlink()
    data = open_dataset(tmp_path, SIZE)
    assert data.refused == ["den_0001/sync_depth_3.png: it is not there, nor 1 more of its folder"]
    depths = data.batch(list(range(len(data))))[1]
    np.testing.assert_allclose(depths[:, 0, 0], [1, 5, 5, 5])
    assert [line.split(":")[0] for line in data.refused[1:]] == ["den_0001/rgb_1.jpg", "den_0001/rgb_2.jpg"]
    assert "rgb_1.jpg is cut short" in data.refused[1]
    assert "sync_depth_2.png is cut short" in data.refused[2]


def test_8_bit_depth_is_never_taken_for_millimetres(tmp_path):
    write_pair(tmp_path / "rgb_1.jpg", tmp_path / "sync_depth_1.png")
    write_colour(tmp_path / "rgb_2.jpg")
    write_colour(tmp_path / "sync_depth_2.png")
    data = open_dataset(tmp_path, SIZE)
    data.batch([1])
    assert "colour picture, not depth" in data.refused[0]


def test_links_are_followed_and_loops_end(tmp_path):
    elsewhere = tmp_path / "other disk" / "den_0001"
    write_pair(elsewhere / "rgb_1.jpg", elsewhere / "sync_depth_1.png")
    root = tmp_path / "data"
    root.mkdir()
    (root / "den").symlink_to(elsewhere)
    (elsewhere / "up").symlink_to(root)
    data = open_dataset(root, SIZE)
    assert [frame.name for frame in data.frames] == ["den/rgb_1.jpg"]


def test_the_working_directory_is_a_path_like_any_other(tmp_path, monkeypatch):
    drive = "2011_09_26_drive_0001_sync"
    write_colour(tmp_path / drive / "image_02" / "data" / "0.png")
    write_depth(tmp_path / drive / "proj_depth" / "groundtruth" / "image_02" / "0.png", 512)
    monkeypatch.chdir(tmp_path / drive)
    assert (open_dataset(".", SIZE).batch([0])[1] == 2).all()
