import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from torch.distributed.run import parse_args
from typer.testing import CliRunner

from tests.nets import TINY, tiny_checkpoint
from tosa_edge.cli import app
from tosa_edge.evaluation import held_out
from tosa_edge.files import sha256_of
from tosa_edge.nn.weights import load_net
from tosa_edge.training.loop import read_log

RECIPE = f"""
name = "tiny"
start = "no such model"
height = {TINY.height}
width = {TINY.width}
batch = 2
checkpoint_every = 2

[[stages]]
name = "elastic"
steps = 4
warmup = 1
"""


@pytest.fixture
def here(tmp_path):
    (tmp_path / "tiny.toml").write_text(RECIPE)
    (tmp_path / "frames").mkdir()
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (4, TINY.height, TINY.width, 3), np.uint8)
    depth = rng.integers(500, 5000, image.shape[:3]).astype(np.uint16)
    save_file({"image": image, "depth": depth}, tmp_path / "frames" / "shard-00000.safetensors")
    (tmp_path / "frames" / "shard-00001.safetensors").write_bytes(b"torn")
    return tmp_path


def train(here, *more):
    recipe, data, out = (str(here / name) for name in ("tiny.toml", "frames", "run"))
    return CliRunner().invoke(app, ["train", recipe, "--data", data, "-o", out, *more])


def test_train_makes_weights_a_record_and_curves(here):
    start = str(tiny_checkpoint(here))
    first = train(here, "--start", start, "--json")
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert load_net(told["weights"]).config.name == "tiny"
    assert told["frames"] == 4
    assert "starting from" in first.stderr
    assert "shard-00001" in first.stderr
    assert {p.name for p in (here / "run").iterdir()} == {"elastic", "record.json", "curves.svg"}
    made = {path: path.stat().st_mtime_ns for path in (here / "run").rglob("*")}
    again = train(here, "--start", start, "--json")
    assert again.exit_code == 0, again.output
    assert "run is complete already" in again.stderr
    assert json.loads(again.stdout) == told
    assert {path: path.stat().st_mtime_ns for path in (here / "run").rglob("*")} == made


def test_a_run_that_was_killed_goes_on(here):
    start = str(tiny_checkpoint(here))
    whole = train(here, "--start", start)
    assert whole.exit_code == 0, whole.output
    state, run = here / "run" / "elastic" / "state.safetensors", here / "run" / "elastic"
    tensors = load_file(state)
    tensors["step"] = np.array(2)
    save_file(tensors, state)
    again = train(here, "--start", start)
    assert "going on with stage elastic at step 2" in " ".join(again.stderr.split())
    assert [entry["step"] for entry in read_log(run / "log.jsonl")] == [1, 2, 3, 4]


def test_a_start_that_is_not_there_is_told_in_two_lines(here):
    result = train(here)
    assert result.exit_code == 2
    assert "there is no checkpoint 'no such model'" in result.stderr


def test_pictures_that_are_all_held_out_are_called_so_and_leave_no_record(here, monkeypatch):
    for shard in (here / "frames").iterdir():
        shard.unlink()
    cv2.imwrite(str(here / "frames" / "a.jpg"), np.zeros((TINY.height, TINY.width, 3), np.uint8))
    cv2.imwrite(str(here / "frames" / "a.png"), np.full((TINY.height, TINY.width), 1000, np.uint16))
    monkeypatch.setattr(held_out, "digests", lambda: {sha256_of(here / "frames" / "a.jpg")})
    result = train(here, "--start", str(tiny_checkpoint(here)))
    assert result.exit_code == 2, result.output
    assert "is an evaluation picture" in " ".join(result.stderr.split())
    assert not (here / "run").exists()


def test_a_start_that_is_no_model_leaves_no_record(here):
    (here / "start.safetensors").write_bytes(b"no tensors")
    result = train(here, "--start", str(here / "start.safetensors"))
    assert result.exit_code == 2, result.output
    assert not (here / "run").exists()


def test_data_in_no_known_form_lists_the_forms(here):
    (here / "frames" / "shard-00000.safetensors").unlink()
    (here / "frames" / "shard-00001.safetensors").unlink()
    result = train(here, "--start", str(tiny_checkpoint(here)))
    assert result.exit_code == 2
    assert "KITTI" in result.stderr


def test_torchrun_leaves_every_option_of_train_to_train():
    """It takes beginnings of its own options for them wherever they stand, and `--start` is one."""
    text = (Path(__file__).parents[2] / "docs/training.md").read_text()
    command = re.search(r"^ +torchrun (.*?) *(#|$)", text, re.MULTILINE)
    assert command
    told = parse_args([*command[1].split(), "--start", "mine", "--threads", "2"])
    assert (told.module, told.training_script) == (True, "tosa_edge")
    assert told.training_script_args[-4:] == ["--start", "mine", "--threads", "2"]
