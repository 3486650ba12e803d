import json

import cv2
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from typer.testing import CliRunner

from tests import media
from tests.nets import TINY, random_image, tiny_checkpoint, tiny_pattern
from tosa_edge.calibration.pictures import read_pictures
from tosa_edge.cli import app
from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import load_net, read_checkpoint
from tosa_edge.row_sharing import parse_ways
from tosa_edge.training.distill import Recipe, depth_distance, distill, feature_distance
from tosa_edge.training.shard_batches import Shards

SIZE = (TINY.height, TINY.width)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def pictures():
    """Smooth blobs: like pictures, neighbours are alike."""
    rng = np.random.default_rng(0)
    return np.stack([cv2.resize(rng.integers(0, 256, (4, 6, 3), np.uint8), SIZE[::-1]) for _ in range(12)])


def selective_error(weights, teacher, pictures, keep=0.4):
    """How far the skipping student's features are from the dense teacher's."""
    with torch.no_grad():
        dense, student = load_net(teacher), load_net(weights)
        image = dense.normalise(torch.from_numpy(pictures))
        target, _ = dense.encoder(image, dense.pattern)
        features, _ = student.encoder(image, tiny_pattern(1, keep))
    return float(feature_distance(features, target))


def test_the_student_comes_nearer_to_the_teacher(checkpoint, pictures, tmp_path):
    recipe = Recipe(selector_steps=10, steps=80, batch=4, rate=1e-3)
    student = distill(checkpoint, pictures, tmp_path, recipe)
    assert selective_error(student, checkpoint, pictures) < 0.8 * selective_error(
        checkpoint, checkpoint, pictures
    )
    lines = [json.loads(x) for x in (tmp_path / "selectors" / "log.jsonl").read_text().splitlines()]
    assert np.mean([x["selectors"] for x in lines[-3:]]) < np.mean([x["selectors"] for x in lines[:3]])


def test_stage_one_moves_the_selectors_and_nothing_else(checkpoint, pictures, tmp_path):
    distill(checkpoint, pictures, tmp_path, Recipe(selector_steps=4, steps=1, batch=4))
    before, _ = read_checkpoint(checkpoint)
    after, _ = read_checkpoint(tmp_path / "selectors" / "weights.safetensors")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith(("encoder.selectors.0.", "encoder.selectors.2.")) for name in moved)


def test_a_broken_distillation_ends_in_the_same_place(checkpoint, pictures, tmp_path):
    recipe = Recipe(selector_steps=4, steps=6, batch=4, checkpoint_every=2)
    whole = distill(checkpoint, pictures, tmp_path / "whole", recipe)

    def stop_at_7(step):
        if step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distill(checkpoint, pictures, tmp_path / "broken", recipe, stop_at_7)
    again = distill(checkpoint, pictures, tmp_path / "broken", recipe)
    expected, got = read_checkpoint(whole)[0], read_checkpoint(again)[0]
    assert all(torch.equal(expected[name], got[name]) for name in expected)


def error_along(weights, teacher, pictures, spec):
    """How far the depth along one way of sharing rows is from the dense teacher's."""
    with torch.no_grad():
        dense, student = (
            load_net(teacher),
            load_net(weights, pattern=Pattern(ways=parse_ways(spec))),
        )
        image = torch.from_numpy(pictures)
        return float(depth_distance(student(image)[0], dense(image)))


def test_a_student_learns_the_one_way_it_is_trained_for(checkpoint, pictures, tmp_path):
    spec = "pairs:1-3/3"
    recipe = Recipe(steps=60, batch=4, rate=5e-4, represented=1.0, ways=spec)
    assert recipe.all_steps == 60  # there are no selectors to train
    student = distill(checkpoint, pictures, tmp_path, recipe)
    assert error_along(student, checkpoint, pictures, spec) < 0.8 * error_along(
        checkpoint, checkpoint, pictures, spec
    )


def test_distance_is_a_share_of_the_variance():
    x = torch.randn(2, 20, 8, generator=torch.Generator().manual_seed(0))
    assert feature_distance([x], [x]) == 0
    torch.testing.assert_close(
        feature_distance([torch.zeros_like(x) + x.mean()], [x]), torch.tensor(1.0), rtol=0.01, atol=0
    )


def test_pictures_come_from_folders_and_videos_and_bad_ones_are_named(tmp_path):
    deep = tmp_path / "photos" / "deep"
    deep.mkdir(parents=True)
    media.write_picture(tmp_path / "photos" / "0.jpg")
    for n in range(1, 5):
        media.write_picture(deep / f"{n}.png")
    media.cut(deep / "3.png")
    pictures, refused = read_pictures(tmp_path / "photos", SIZE, most=100)
    assert pictures.shape == (4, *SIZE, 3)
    assert len(refused) == 1
    assert "3.png" in refused[0]
    media.write_video(tmp_path / "drive.webm", frames=20)
    assert len(read_pictures(tmp_path / "drive.webm", SIZE, most=7)[0]) == 7
    assert len(read_pictures(tmp_path / "photos", SIZE, most=2)[0]) == 2


def test_the_pictures_of_rendered_shards_are_taken_without_their_labels(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, *SIZE, 3), np.uint8)
    depth = np.full(images.shape[:3], 1000, np.uint16)
    save_file({"image": images, "depth": depth}, tmp_path / "shard-00000.safetensors")
    assert np.array_equal(Shards(tmp_path).pictures(SIZE, most=3), images[::2])
    assert Shards(tmp_path).pictures((28, 42), most=9).shape == (6, 28, 42, 3)


def test_no_pictures_is_said_in_words(tmp_path):
    with pytest.raises(TosaEdgeError, match="holds no pictures"):
        read_pictures(tmp_path, SIZE, most=5)
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(TosaEdgeError):
        read_pictures(tmp_path, SIZE, most=5)


def test_the_verb(checkpoint, tmp_path):
    media.write_video(tmp_path / "v.webm", frames=8)
    out = tmp_path / "student"
    arguments = [
        "distill",
        checkpoint,
        "--images",
        tmp_path / "v.webm",
        "-o",
        out,
        "--steps",
        2,
        "--selector-steps",
        2,
    ]
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == {
        "weights": str(out / "weights.safetensors"),
        "pictures": 8,
        "refused": [],
    }
    assert load_net(out / "weights.safetensors")(random_image()).shape == (1, *SIZE)


def test_the_verb_trains_for_a_way_and_for_several_sizes(checkpoint, tmp_path):
    media.write_video(tmp_path / "v.webm", frames=8)
    arguments = ["distill", checkpoint, "--images", tmp_path / "v.webm", "--steps", 2, "--json"]
    sharing = ["--ways", "pairs:1-3", "--sizes", "56x84,28x42"]
    result = CliRunner().invoke(app, [*map(str, arguments), *sharing, "-o", str(tmp_path / "one")])
    assert result.exit_code == 0, result.stderr
    assert not (tmp_path / "one" / "selectors").exists()
    record = json.loads((tmp_path / "one" / "record.json").read_text())["settings"]
    assert (record["ways"], record["sizes"]) == ("pairs:1-3", [[56, 84], [28, 42]])
    for wrong in (
        ["--ways", "pears:1-3"],
        ["--ways", "pairs:1-9"],
        ["--sizes", "57x84"],
        ["--sizes", "small"],
    ):
        result = CliRunner().invoke(app, [*map(str, arguments), *wrong, "-o", str(tmp_path / "none")])
        assert result.exit_code == 2
        assert "do: " in result.stderr
        assert not (tmp_path / "none").exists()
