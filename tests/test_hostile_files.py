"""Checkpoints, recipes and data sets made to reach, claim or hang: each as a user would meet it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from tests.nets import TINY, tiny_net
from tests.refusals import refusal
from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.weights import CONFIG_KEY, read_checkpoint, save_net
from tosa_edge.training.datasets import open_dataset
from tosa_edge.training.loop import LoopSettings, train
from tosa_edge.training.recipe import read_recipe
from tosa_edge.training.state import Masters

STATE = {name: tensor.half() for name, tensor in tiny_net().state_dict().items()}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(*command: str, leaves: bool = False) -> str:
    """What a command says: two lines, exit code 2, and nothing on the disk that was not there."""
    before = sorted(Path().rglob("*"))
    said = refusal(*command)
    assert leaves or sorted(Path().rglob("*")) == before
    return said


def exported() -> str:
    return refused("export", "c.safetensors", "-o", "out")


def checkpoint(config: str | None = None, **changes: torch.Tensor | None) -> None:
    tensors = {k: v for k, v in {**STATE, **changes}.items() if v is not None}
    save_file(tensors, "c.safetensors", {CONFIG_KEY: TINY.to_json() if config is None else config})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"heads": 0}, "heads is not a whole number from 1"),
        ({"heads": 3}, "dim 32 cannot be shared by 3 heads"),
        ({"patch": 0}, "patch is not a whole number"),
        ({"dim": "wide"}, "dim is not a whole number"),
        ({"dim": True}, "dim is not a whole number"),
        ({"mlp_ratio": float("nan")}, "NaN is not a finite number"),
        ({"mlp_ratio": float("inf")}, "Infinity is not a finite number"),
        ({"mlp_ratio": 1e-9}, "mlp_ratio is not a number from"),
        ({"layers": 10**9}, "layers is not a whole number from 2 to 256"),
        ({"layers": 255}, "encoder.blocks.254.norm1.weight is missing"),
        ({"head_layers": [-1, 1, 2, 3]}, "head_layers is not a whole number"),
        ({"head_layers": [0, 1, 2]}, "head_layers [0, 1, 2] are not four of 4 layers"),
        ({"head_layers": [0, 1, 2, 4]}, "are not four of 4 layers"),
        ({"head_layers": [3, 2, 1, 0]}, "are not four of 4 layers, in order"),
        ({"head_layers": "0123"}, "head_layers is not a list"),
        ({"head_dim": 6}, "head_dim 6 is not a multiple of 4"),
        ({"height": 65534, "width": 65534}, "TOSA_EDGE_MAX_PIXELS"),
        ({"height": 3500, "width": 3500}, "TOSA_EDGE_MAX_TOKENS"),
        ({"output": "evil"}, "output is not one of relative_inverse_depth"),
        ({"name": "\x1b[2J"}, "name is not a line of text"),
    ],
)
def test_a_configuration_that_no_model_has(changes, told):
    checkpoint(json.dumps({**json.loads(TINY.to_json()), **changes}))
    assert told in exported()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[1]", "not a JSON object"),
        ('{"dim": 1, "dim": 32}', "given twice"),
        ("{", "not JSON"),
        ('{"dim": ' + "9" * 5000 + "}", "a number of 5000 digits"),
    ],
)
def test_a_configuration_that_is_none(text, told):
    checkpoint(text)
    assert told in exported()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"encoder.norm.weight": None}, "encoder.norm.weight is missing"),
        ({"encoder.norm.weight": torch.zeros(33).half()}, "encoder.norm.weight is [33] and not [32]"),
        ({"encoder.norm.weight": torch.zeros(32, dtype=torch.int32)}, "is int32 and no fraction"),
        ({"head.out.more": torch.zeros(1).half()}, "'head.out.more' is not known"),
    ],
)
def test_tensors_that_do_not_fit_the_configuration(changes, told):
    checkpoint(**changes)
    assert told in exported()


@pytest.mark.parametrize(
    "changes",
    [
        {"pos_embed": torch.zeros(1)},
        {"pos_embed": torch.zeros(1, 8, 128)},
        {"patch_embed.proj.weight": torch.zeros(())},
        {"blocks.x.attn": torch.zeros(1)},
        {"blocks.99999999999.attn": torch.zeros(1)},
        {"cls_token": torch.zeros(1, 1, 3)},
        {"blocks.0.norm1.weight": torch.zeros(3)},
        {"register_tokens": torch.zeros(1)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_encoder_with_other_shapes_than_its_names_say(changes):
    from tests.nn.test_weights import official_encoder

    save_file({**official_encoder(), **changes}, "e.safetensors")
    recipe()
    pictures()
    refused("train", "r.toml", "--data", "data", "-o", "out", "--start", "e.safetensors", leaves=True)


def test_files_that_are_none(folder):
    """A device never ends, a pipe is never written to, a terabyte is a claim."""
    path = folder / "c.safetensors"
    path.symlink_to("/dev/zero")
    assert "there is no checkpoint" in exported()
    path.unlink()
    os.mkfifo(path)
    assert "there is no checkpoint" in exported()
    with pytest.raises(TosaEdgeError, match="no checkpoint"):
        read_checkpoint(path)
    path.unlink()
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    assert "1,099,511,627,776 bytes" in exported()
    os.mkfifo(folder / "f")
    camera = ["run", "--source", "test://64x48?fps=0&frames=1", "--no-files", "--intrinsics"]
    assert "pipe or a device" in refused(*camera, "f")
    assert "pipe or a device" in refused(*camera, "/dev/zero")


def test_a_header_longer_than_its_file():
    data = save(STATE, {CONFIG_KEY: TINY.to_json()})
    Path("c.safetensors").write_bytes((1 << 60).to_bytes(8, "little") + data[8:])
    assert "not a complete safetensors file" in exported()


def recipe(stage: str = "", top: str = "") -> None:
    texts = {"name": '"x"', "start": '"c.safetensors"', "height": "56", "width": "84"}
    given = dict(part.split("=", 1) for part in top.split(";") if part)
    head = "\n".join(f"{k} = {v}" for k, v in {**texts, **given}.items())
    stages = {"name": '"s"', "steps": "1"} | dict(part.split("=", 1) for part in stage.split(";") if part)
    body = "\n".join(f"{k} = {v}" for k, v in stages.items())
    Path("r.toml").write_text(f"{head}\n[[stages]]\n{body}\n")


def pictures(depth: int = 1000) -> None:
    os.makedirs("data", exist_ok=True)
    chance = np.random.default_rng(0)
    for number in range(2):
        cv2.imwrite(f"data/{number}.jpg", chance.integers(0, 255, (56, 84, 3), np.uint8))
        cv2.imwrite(f"data/{number}.png", np.full((56, 84), depth, np.uint16))


@pytest.mark.parametrize(
    ("stage", "top", "told"),
    [
        ('name="../../../x"', "", "name is not a name of letters"),
        ('name="/tmp/x"', "", "name is not a name"),
        ('name=".."', "", "name is not a name"),
        ('name=""', "", "name is not a name"),
        ('name="record.json"', "", "name is not a name"),
        ("steps=1e99", "", "steps is not a whole number"),
        ("steps=100000000000", "", "steps is not a whole number from 1 to 10000000"),
        ("head_rate=nan", "", "head_rate is not a number from 0 to 10"),
        ("encoder_rate=inf", "", "encoder_rate is not a number"),
        ("layer_decay=-1", "", "layer_decay is not a number from 0 to 1"),
        ('elastic="no"', "", "elastic is not true or false"),
        ("", 'seed="a"', "seed is not a whole number"),
        ("", "seed=-1", "seed is not a whole number"),
        ("", "batch=0", "batch is not a whole number"),
        ("", "height=1e9", "height is not a whole number"),
        ("", "sizes=[[1,2,3]]", "sizes is not a list of two"),
        ("", "sizes=[[0, 56]]", "sizes is not a whole number from 1"),
        ("", "head_layers=[-1,0,1,2]", "head_layers is not a whole number from 0"),
        ("", "teacher=1979-05-27", "teacher is not a line of text"),
        ("", 'shrink="x"', "shrink shrink is not a table"),
        ("", "head_layers=" + "[" * 5000, "nested too deeply"),
    ],
)
def test_a_recipe_that_no_training_can_follow(stage, top, told):
    checkpoint()
    pictures()
    recipe(stage, top)
    assert told in refused("train", "r.toml", "--data", "data", "-o", "out")


def test_more_threads_than_any_machine_has():
    checkpoint()
    pictures()
    recipe()
    told = refused("train", "r.toml", "--data", "data", "-o", "out", "--threads", "100000")
    assert "100000 threads cannot be had" in told


def test_a_training_that_lost_itself_ends(folder):
    """Not a number is what every step gives from then on; weights of before are kept."""
    pictures()
    broken = tiny_net()
    torch.nn.init.constant_(broken.head.out.bias, float("nan"))
    net, pace = Masters(broken, {n: 1e-3 for n, _ in broken.named_parameters()}, 0.0, 0.9), LoopSettings(100)
    with pytest.raises(TosaEdgeError, match="20 steps in a row"):
        train(net, pace, folder / "out", lambda step: {"loss": sum(p.sum() for p in broken.parameters())})


def test_labels_without_a_reading():
    """Zero in every pixel, or in other formats NaN: there is nothing to learn, and it is not learned."""
    checkpoint()
    pictures(depth=0)
    recipe()
    data = open_dataset("data", (56, 84))
    with pytest.raises(TosaEdgeError, match="none of the 2 frames can be used"):
        data.batch([0])
    assert data.refused[0] == "0.jpg: its depth holds no reading"
    for number in range(2):
        os.remove(f"data/{number}.jpg")
        cv2.imwrite(f"data/{number}.png", np.zeros((56, 84, 3), np.uint8))
        np.save(f"data/{number}_depth.npy", np.full((56, 84), np.nan, np.float32))
        np.save(f"data/{number}_depth_mask.npy", np.ones((56, 84), np.float32))
    with pytest.raises(TosaEdgeError, match="holds no reading"):
        open_dataset("data", (56, 84)).batch([0])


def test_a_list_that_names_files_elsewhere(folder):
    (folder / "secret.png").write_bytes(b"x")
    tum = folder / "tum"
    tum.mkdir()
    checkpoint()
    recipe()
    for name in ("../secret.png", "a/../../secret.png", str(folder / "secret.png"), "rgb/"):
        (tum / "rgb.txt").write_text(f"1.0 {name}\n")
        (tum / "depth.txt").write_text("1.0 depth/1.png\n")
        told = refused("train", "r.toml", "--data", "tum", "-o", "out")
        assert "line 1 of" in told
        assert "is not the name of a file in that folder" in told
    (tum / "rgb.txt").write_text("".join(f"1.0 rgb/{n}.png\n" for n in range(3000)))
    (tum / "depth.txt").write_text("".join(f"1.0 depth/{n}.png\n" for n in range(3000)))
    assert "3000 pictures are of one moment" in refused("train", "r.toml", "--data", "tum", "-o", "out")
    (tum / "rgb.txt").unlink()
    os.mkfifo(tum / "rgb.txt")
    assert "pipe or a device" in refused("train", "r.toml", "--data", "tum", "-o", "out")


def test_an_array_that_claims_more_than_any_picture(folder):
    cv2.imwrite("data.png", np.zeros((56, 84, 3), np.uint8))
    (folder / "d").mkdir()
    os.rename("data.png", "d/0.png")
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000, 1)}".ljust(118) + b"\n"
    for name in ("0_depth.npy", "0_depth_mask.npy"):
        (folder / "d" / name).write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(TosaEdgeError, match="1,000,000,000,000 pixels"):
        open_dataset("d", (56, 84)).batch([0])


def test_hdf5_that_reads_another_file(folder):
    import h5py

    (folder / "secret").write_bytes(b"s" * 3 * 4 * 4)
    name = "nyu_depth_v2_labeled.mat"
    with h5py.File(name, "w") as file:
        file.create_dataset("images", (1, 3, 4, 4), "u1", external=[(str(folder / "secret"), 0, 48)])
        file["depths"] = np.ones((1, 4, 4), np.float32)
    with pytest.raises(TosaEdgeError, match=r"`images` of .* lies in another file"):
        open_dataset(name, (56, 84))
    with h5py.File("other.h5", "w") as file:
        file["images"] = np.zeros((1, 3, 4, 4), np.uint8)
    with h5py.File(name, "w") as file:
        file["images"] = h5py.ExternalLink("other.h5", "/images")
        file["depths"] = np.ones((1, 4, 4), np.float32)
    with pytest.raises(TosaEdgeError, match="lies in another file"):
        open_dataset(name, (56, 84))
    with h5py.File(name, "w") as file:
        file.create_dataset("images", (10**9, 3, 4, 4), "u1", chunks=(1, 3, 4, 4))
        file.create_dataset("depths", (10**9, 4, 4), "f4", chunks=(1, 4, 4))
    with pytest.raises(TosaEdgeError, match="claims 1,000,000,000 frames"):
        open_dataset(name, (56, 84))


def test_what_is_accepted_is_what_was_written(folder):
    save_net(tiny_net(), folder / "c.safetensors")
    assert read_checkpoint(folder / "c.safetensors")[1] == TINY
    recipe("head_rate=0.5", "sizes=[[56, 84]]")
    assert read_recipe("r.toml").stages[0].head_rate == 0.5
