"""Each public format, as its makers lay it out: values, axes, scale, and what is no reading."""

import sys

import cv2
import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import media
from tests.training.datasets.make import scene, write_colour, write_depth, write_pair
from tosa_edge.errors import TosaEdgeError
from tosa_edge.training.datasets import open_dataset
from tosa_edge.training.datasets.tum import CLOSEST, associate

SIZE = (60, 90)


def whole(path):
    """All frames at the size they were written in, none of them left out."""
    data = open_dataset(path, SIZE)
    pictures, depths = data.batch(list(range(len(data))))
    assert data.refused == []
    assert (pictures.dtype, depths.dtype) == (np.uint8, np.float32)
    return [frame.name for frame in data.frames], pictures, depths


def write_mat(path, count=3):
    """As MATLAB writes it: the axes of `images` [H, W, 3, N] and `depths` [H, W, N] in reverse."""
    picture, across, _ = scene(*SIZE)
    with h5py.File(path, "w", userblock_size=512) as file:
        file["images"] = np.stack([picture // (n + 1) for n in range(count)], -1).T
        file["depths"] = np.stack([across + n for n in range(count)], -1).T
    return picture, across


@pytest.mark.parametrize("give", ["file", "folder", "renamed"])
def test_the_labelled_part_of_nyu(tmp_path, give):
    path = tmp_path / "nyu_depth_v2_labeled.mat"
    picture, depth = write_mat(path)
    if give == "renamed":
        path = path.rename(tmp_path / "nyu.mat")
    names, pictures, depths = whole(tmp_path if give == "folder" else path)
    assert names == [f"{path.name}[{n}]" for n in range(3)]
    for n in range(3):
        np.testing.assert_array_equal(pictures[n], picture // (n + 1))
        np.testing.assert_allclose(depths[n], depth + n)


def test_a_broken_mat_says_what_is_wrong(tmp_path):
    path = tmp_path / "nyu_depth_v2_labeled.mat"
    write_mat(path)
    media.cut(path)
    with pytest.raises(TosaEdgeError, match="cut short, or is not a MATLAB"):
        open_dataset(path, SIZE)
    with h5py.File(path, "w") as file:
        file["labels"] = np.zeros(3)
    with pytest.raises(TosaEdgeError, match="no arrays `images` and `depths`"):
        open_dataset(path, SIZE)
    with h5py.File(path, "w") as file:
        file["images"], file["depths"] = np.zeros((2, 60, 90, 3), np.uint8), np.zeros((2, 60, 90))
    with pytest.raises(TosaEdgeError, match="not uint8"):
        open_dataset(path, SIZE)


def test_a_damaged_frame_of_a_mat_is_named(tmp_path):
    path = tmp_path / "nyu_depth_v2_labeled.mat"
    with h5py.File(path, "w") as file:
        noise = np.random.default_rng(0).integers(0, 256, (2, 3, 90, 60), np.uint8)
        images = file.create_dataset("images", data=noise, chunks=(1, 3, 90, 60), compression="gzip")
        file["depths"] = np.ones((2, 90, 60), np.float32)
        where = images.id.get_chunk_info(0).byte_offset
    data = bytearray(path.read_bytes())
    data[where : where + 64] = bytes(64)
    path.write_bytes(data)
    frames = open_dataset(path, SIZE)
    np.testing.assert_array_equal(frames.batch([0])[0][0], noise[1].transpose(2, 1, 0))
    assert [line.split(":")[0] for line in frames.refused] == [f"{path.name}[0]"]


def test_without_h5py_we_say_how_to_get_it(tmp_path, monkeypatch):
    write_mat(tmp_path / "nyu_depth_v2_labeled.mat")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(TosaEdgeError, match="h5py") as error:
        open_dataset(tmp_path, SIZE)
    assert "pip install 'tosa-edge[train]'" in error.value.remedy
    assert len(str(error.value).splitlines()) == 2


def test_nyu_rooms_are_in_millimetres(tmp_path):
    for n, room in enumerate(("basement_0001a", "study_0003")):
        write_pair(tmp_path / room / f"rgb_0004{n}.jpg", tmp_path / room / f"sync_depth_0004{n}.png", 1234)
    write_pair(tmp_path / "test" / "00000_colors.png", tmp_path / "test" / "00000_depth.png", 5678)
    names, pictures, depths = whole(tmp_path)
    assert names == ["basement_0001a/rgb_00040.jpg", "study_0003/rgb_00041.jpg", "test/00000_colors.png"]
    np.testing.assert_allclose(depths[:, 0, 0], [1.234, 1.234, 5.678], rtol=1e-6)
    expected = cv2.imread(str(tmp_path / "test" / "00000_colors.png"))[..., ::-1]
    np.testing.assert_array_equal(pictures[2], expected)


def test_nyu_rooms_of_8_bits_end_at_10_metres(tmp_path):
    room = tmp_path / "nyu2_train" / "kitchen_0001_out"
    write_colour(room / "1.jpg")
    levels = np.resize(np.arange(256, dtype=np.uint8), SIZE)
    cv2.imwrite(str(room / "1.png"), levels)
    _, _, (depth,) = whole(tmp_path)
    np.testing.assert_allclose(depth, levels / 25.5, rtol=1e-6)
    write_pair(room / "2.jpg", room / "2.png")
    data = open_dataset(tmp_path, SIZE)
    data.batch([1])
    assert [line.split(":")[0] for line in data.refused] == ["nyu2_train/kitchen_0001_out/2.jpg"]
    assert "not an 8-bit grey PNG" in data.refused[0]


def test_a_plain_folder_may_end_in_out(tmp_path):
    write_pair(tmp_path / "my_out" / "1.jpg", tmp_path / "my_out" / "1.png", 2500)
    _, _, depths = whole(tmp_path / "my_out")
    assert (depths == 2.5).all()


DRIVE = "2011_09_26_drive_0001_sync"
KITTI_DEPTH = "proj_depth/groundtruth/image_02"


@pytest.mark.parametrize(
    ("raw", "depth"),
    [
        (f"2011_09_26/{DRIVE}", f"train/{DRIVE}"),
        (f"raw/2011_09_26/{DRIVE}", f"data_depth_annotated/val/{DRIVE}"),
        (f"2011_09_26/{DRIVE}", f"2011_09_26/{DRIVE}"),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_kitti_brings_its_two_downloads_together(tmp_path, raw, depth, suffix):
    laser = np.zeros(SIZE, np.uint16)
    laser[::7, ::5] = 256 * 20 + 64
    for n in range(4):
        write_colour(tmp_path / raw / "image_02" / "data" / f"{n:010}.{suffix}", seed=n)
    write_depth(tmp_path / depth / KITTI_DEPTH / "0000000002.png", laser)
    names, pictures, (metres,) = whole(tmp_path)
    assert names == [f"{raw}/image_02/data/0000000002.{suffix}"]
    expected = cv2.imread(str(tmp_path / raw / f"image_02/data/0000000002.{suffix}"))[..., ::-1]
    np.testing.assert_array_equal(pictures[0], expected)
    np.testing.assert_allclose(metres, np.where(laser > 0, 20.25, 0), rtol=1e-6)


def test_kitti_without_the_raw_data_says_what_to_put_where(tmp_path):
    for n in range(3):
        write_depth(tmp_path / "train" / DRIVE / KITTI_DEPTH / f"{n:010}.png", 256)
    with pytest.raises(TosaEdgeError) as error:
        open_dataset(tmp_path, SIZE)
    assert f"2011_09_26/{DRIVE}/image_02/data/0000000000.png: it is not there, nor 2 more" in error.value.what


def write_diode(folder, name, depth, mask):
    write_colour(folder / f"{name}.png")
    np.save(folder / f"{name}_depth.npy", depth[..., None].astype(np.float32))
    np.save(folder / f"{name}_depth_mask.npy", mask.astype(np.float64))


def test_diode_believes_its_mask(tmp_path):
    _, across, _ = scene(*SIZE)
    mask = np.random.default_rng(0).random(SIZE) > 0.3
    write_diode(tmp_path / "train" / "indoors" / "scene_00000" / "scan_00000", "00000_indoors", across, mask)
    names, _, (depth,) = whole(tmp_path)
    assert names == ["train/indoors/scene_00000/scan_00000/00000_indoors.png"]
    np.testing.assert_array_equal(depth, np.where(mask, across, 0))


def test_diode_names_what_is_missing_or_damaged(tmp_path):
    for name in "abcdef":
        write_diode(tmp_path, name, np.full(SIZE, ord(name)), np.ones(SIZE))
    (tmp_path / "a_depth_mask.npy").unlink()
    media.cut(tmp_path / "b_depth.npy")
    (tmp_path / "c_depth.npy").write_bytes(b"")
    np.save(tmp_path / "d_depth.npy", np.array([{"not": "depth"}]), allow_pickle=True)
    np.save(tmp_path / "e_depth_mask.npy", np.ones((3, 4)))
    data = open_dataset(tmp_path, SIZE)
    assert data.refused == ["a_depth_mask.npy: it is not there"]
    assert (data.batch([0, 4])[1] == ord("f")).all()
    assert [line.split(":")[0] for line in data.refused[1:]] == ["b.png", "c.png", "d.png", "e.png"]
    for line, what in zip(data.refused[1:], ["cut short", "empty", "damaged", "mask is"], strict=True):
        assert what in line


def write_tum(folder, pictures, depths):
    """`pictures` and `depths` are times; depth n is n + 1 metres."""
    lines = {"rgb": ["# color images", "# timestamp filename"], "depth": ["# depth maps"]}
    for n, time in enumerate(pictures):
        write_colour(folder / "rgb" / f"{time:.6f}.png", seed=n)
        lines["rgb"].append(f"{time:.6f} rgb/{time:.6f}.png")
    for n, time in enumerate(depths):
        write_depth(folder / "depth" / f"{time:.6f}.png", 5000 * (n + 1))
        lines["depth"].append(f"{time:.6f} depth/{time:.6f}.png")
    for kind, text in lines.items():
        (folder / f"{kind}.txt").write_text("\n".join(text) + "\n")


def test_tum_pairs_by_time(tmp_path):
    start = 1305031102.175304
    times = [start + n / 30 for n in range(4)]
    write_tum(tmp_path / "freiburg1_desk", times, [times[1] + 0.012, times[2] - 0.004, times[3] + 0.05])
    data = open_dataset(tmp_path, SIZE)
    pictures, depths = data.batch(list(range(len(data))))
    assert data.refused == ["freiburg1_desk: 2 pictures have no depth within 0.02 s"]
    np.testing.assert_allclose(depths[:, 0, 0], [1, 2], rtol=1e-6)
    assert [frame.name for frame in data.frames] == [f"freiburg1_desk/rgb/{t:.6f}.png" for t in times[1:3]]
    expected = cv2.imread(str(tmp_path / "freiburg1_desk" / "rgb" / f"{times[2]:.6f}.png"))[..., ::-1]
    np.testing.assert_array_equal(pictures[1], expected)


def test_tum_lists_that_make_no_sense(tmp_path):
    write_tum(tmp_path, [1.0], [1.0])
    for line in ("soon rgb/1.png", "1.0", "nan rgb/1.png"):
        (tmp_path / "rgb.txt").write_text(f"# times\n{line}\n")
        with pytest.raises(TosaEdgeError, match=r"line 2 of .*rgb.txt"):
            open_dataset(tmp_path, SIZE)


TIMES = st.lists(st.integers(0, 200).map(lambda ms: 1305031102.0 + ms / 1000), max_size=12)


@given(TIMES, TIMES)
def test_association_takes_the_closest_first(first, second):
    left, right = set(range(len(first))), set(range(len(second)))
    expected = []
    while near := [(g, i, j) for i in left for j in right if (g := abs(first[i] - second[j])) < CLOSEST]:
        _, i, j = min(near)
        expected.append((i, j))
        left.remove(i)
        right.remove(j)
    assert associate(first, second) == sorted(expected)


def test_7_scenes_has_two_marks_for_no_reading(tmp_path):
    counts = np.full(SIZE, 2500, np.uint16)
    counts[0], counts[1] = 0, 65535
    for seq in ("seq-01", "seq-02"):
        write_colour(tmp_path / "chess" / seq / "frame-000000.color.png")
        write_depth(tmp_path / "chess" / seq / "frame-000000.depth.png", counts)
        (tmp_path / "chess" / seq / "frame-000000.pose.txt").write_text("1 0 0 0\n")
    names, _, depths = whole(tmp_path)
    assert names == [f"chess/{seq}/frame-000000.color.png" for seq in ("seq-01", "seq-02")]
    assert (depths[:, :2] == 0).all()
    assert (depths[:, 2:] == 2.5).all()


def test_plain_folders(tmp_path):
    write_pair(tmp_path / "flat" / "a.jpg", tmp_path / "flat" / "a.png", 1500)
    write_pair(tmp_path / "two" / "rgb" / "a.png", tmp_path / "two" / "depth" / "a.png", 1500)
    for layout in ("flat", "two"):
        _, _, depths = whole(tmp_path / layout)
        assert (depths == 1.5).all()
    write_colour(tmp_path / "flat" / "b.jpg")
    with pytest.raises(TosaEdgeError, match=r"b.jpg has no depth"):
        open_dataset(tmp_path / "flat", SIZE)
