import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from tosa_edge.training.render.__main__ import main
from tosa_edge.training.render.frames import load_assets, scene_frames
from tosa_edge.training.render.shards import Job, is_complete, render_all, shard_path

JOB = Job(frames=7, seed=5, height=24, width=32, shard_frames=3, scene_frames=2)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def rendered(made_assets, tmp_path):
    folder = tmp_path / "one worker"
    assert sorted(render_all(JOB, folder, made_assets, workers=1)) == [0, 1, 2]
    return folder


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_number_of_workers(rendered, made_assets, tmp_path):
    list(render_all(JOB, tmp_path / "two workers", made_assets, workers=2))
    assert contents(tmp_path / "two workers") == contents(rendered)


def test_a_broken_off_job_goes_on_where_it_was(rendered, made_assets):
    whole = contents(rendered)
    shard_path(rendered, 0).unlink()
    shard_path(rendered, 1).write_bytes(whole["shard-00001.safetensors"][:-100])
    kept = shard_path(rendered, 2).stat().st_mtime_ns
    assert not is_complete(shard_path(rendered, 1), JOB, 1)
    assert sorted(render_all(JOB, rendered, made_assets, workers=1)) == [0, 1, 2]
    assert contents(rendered) == whole
    assert shard_path(rendered, 2).stat().st_mtime_ns == kept


def test_shards_of_another_job_are_not_taken_for_done(rendered):
    other = Job(frames=7, seed=6, height=24, width=32, shard_frames=3, scene_frames=2)
    assert is_complete(shard_path(rendered, 0), JOB, 0)
    assert not is_complete(shard_path(rendered, 0), other, 0)


def test_a_shard_holds_what_it_says(rendered):
    shard = load_file(shard_path(rendered, 2))
    assert (shard["image"].shape, shard["image"].dtype) == ((1, 24, 32, 3), np.uint8)
    assert (shard["depth"].shape, shard["depth"].dtype) == ((1, 24, 32), np.uint16)
    assert 100 < shard["depth"].min() <= shard["depth"].max() <= 20_000
    with safe_open(shard_path(rendered, 2), "numpy") as file:
        about = json.loads(file.metadata()["about"])
    assert (about["seed"], about["shard"], about["scenes"]) == (5, 2, [4])


def test_scenes_are_numbered_once():
    scenes = [scene for shard in range(JOB.shards) for scene in JOB.scenes_in(shard)]
    assert len(scenes) == len(set(scenes))
    assert sum(JOB.frames_in(shard) for shard in range(JOB.shards)) == JOB.frames


def test_seeds_and_scenes_differ(made_assets):
    assets = load_assets(made_assets)
    first, other_seed, other_scene = (
        next(scene_frames(assets, seed, scene, 1, (24, 32)))[1] for seed, scene in ((0, 0), (1, 0), (0, 1))
    )
    assert not np.array_equal(first, other_seed)
    assert not np.array_equal(first, other_scene)


def test_frames_of_a_path_are_near_each_other(made_assets):
    frames = scene_frames(load_assets(made_assets), 2, 0, 4, (24, 32), consecutive=2)
    depth = np.stack([1000 / depth for _, depth in frames])
    steps = np.abs(np.diff(depth, axis=0)).mean(axis=(1, 2))
    assert steps[[0, 2]].max() < 0.5 * steps[1]  # within a path, then from one path to the next


def test_command_line(made_assets, tmp_path):
    options = ["--frames", "2", "--size", "24x32", "--workers", "1", "--assets", str(made_assets)]
    assert main(["--out", str(tmp_path / "out"), *options]) == 0
    assert load_file(tmp_path / "out" / "shard-00000.safetensors")["image"].shape == (2, 24, 32, 3)


def test_where_assets_lack_nothing_is_made(made_assets, tmp_path, capfd):
    (made_assets / "Scopia.sh3f").unlink()
    assert main(["--out", str(tmp_path / "out"), "--assets", str(made_assets)]) == 3
    assert "rendering" not in (told := capfd.readouterr().err)
    assert "sweethome3d-furniture" in told
    assert {path.name for path in tmp_path.iterdir()} == {"assets"}
