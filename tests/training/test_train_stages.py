import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_tensors

from tests.nets import TINY, random_image, tiny_checkpoint, tiny_net
from tests.nn import official
from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import load_net, read_checkpoint, save_net
from tosa_edge.pictures.fit import BARS
from tosa_edge.training.elastic import KEEPS, SelectorLoss, draw_pattern
from tosa_edge.training.loop import LoopSettings, schedule
from tosa_edge.training.losses import scale_and_shift_invariant
from tosa_edge.training.parallel import ProcessRank
from tosa_edge.training.recipe import Recipe, Stage
from tosa_edge.training.shard_batches import Shards, augment, batch_indices
from tosa_edge.training.state import Masters, compute_type, step_of
from tosa_edge.training.train_stages import (
    draw_batch,
    learning_rates,
    reached,
    stage_losses,
    start_of,
    teacher_of,
    train_stages,
)

STAGES = (Stage("dense", 6, elastic=False, warmup=2), Stage("elastic", 6, warmup=2))
RECIPE = Recipe("tiny", "tiny", STAGES, height=56, width=84, batch=4, checkpoint_every=3)


# Precision and the step to stop at are for those that ask.
RUN = """
import sys
from pathlib import Path
import torch
from tests.training.test_train_stages import RECIPE
from tosa_edge.training import state, train_stages
from tosa_edge.training.shard_batches import Shards
checkpoint, shards, out = map(Path, sys.argv[1:4])
precision, until = [*sys.argv[4:], "", ""][:2]
if precision:
    state.compute_type = train_stages.compute_type = lambda: getattr(torch, precision)

def on_step(step, losses):
    if str(step) == until:
        sys.exit()

train_stages.train_stages(checkpoint, Shards(shards), out, RECIPE, on_step)
"""
FLOAT32 = "float32"


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Planes in perspective: bright is near, so that there is something to learn."""
    folder = tmp_path_factory.mktemp("shards")
    rng = np.random.default_rng(0)
    for n in range(2):
        near = np.linspace(0, 1, TINY.height)[:, None] * np.ones(TINY.width) * rng.uniform(0.3, 1, (8, 1, 1))
        image = np.repeat((255 * near)[..., None], 3, -1).astype(np.uint8)
        depth = (1000 / (0.2 + near)).astype(np.uint16)
        save_file({"image": image, "depth": depth}, folder / f"shard-{n:05d}.safetensors")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("start"))


@pytest.mark.slow
def test_training_learns(shards, checkpoint, tmp_path):
    frames = Shards(shards)
    stage = Stage("elastic", 120, head_rate=1e-2, encoder_rate=1e-3, average=0.9)
    weights = train_stages(checkpoint, frames, tmp_path, replace(RECIPE, stages=(stage,)))
    images, depths = frames.batch(list(range(len(frames))))

    def loss(path):
        with torch.no_grad():
            prediction = load_net(path)(torch.from_numpy(images))
        return float(scale_and_shift_invariant(prediction, torch.from_numpy(depths)))

    assert loss(weights) < 0.8 * loss(checkpoint)


@pytest.mark.slow
def test_an_official_encoder_gets_a_dpt_head_which_alone_learns(shards, tmp_path):
    start = tmp_path / "dinov2.safetensors"
    save_tensors(official.encoder(dim=384), start)
    stage = Stage("head", 3, elastic=False, frozen=256, selector_rate=0, head_rate=1e-3, warmup=1, average=0)
    recipe = replace(RECIPE, stages=(stage,), head="dpt", batch=2)
    before = start_of(start, recipe)[0]
    weights = train_stages(start, Shards(shards), tmp_path / "run", recipe)
    after = load_net(weights)
    assert (after.config.head, after.config.head_layers) == ("dpt", (0, 1, 2, 3))
    for name, tensor in after.state_dict().items():
        if name.startswith("encoder."):
            assert torch.equal(tensor, before.state_dict()[name].half().float()), name
    with torch.no_grad():
        depth = after(random_image(1, after.config))
    assert (depth > 0).float().mean() > 0.5  # not dead below the last ReLU
    save_tensors(official.encoder(), start)
    with pytest.raises(TosaEdgeError, match="no DPT head for an encoder 128 wide"):
        start_of(start, recipe)


def test_a_student_is_drawn_to_its_teacher(shards, checkpoint, tmp_path):
    frames, strange = Shards(shards), tiny_net(seed=5)
    for parameter in strange.parameters():
        parameter.data.mul_(0.5)
    save_net(strange, tmp_path / "start.safetensors")
    stage = Stage("dense", 40, elastic=False, head_rate=1e-2, encoder_rate=1e-2, warmup=2, average=0.5)
    recipe = replace(RECIPE, stages=(stage,), teacher=str(checkpoint))
    weights = train_stages(tmp_path / "start.safetensors", frames, tmp_path / "run", recipe)
    images, depths = frames.batch(list(range(4)))

    def apart(path):
        student = load_net(path).to(compute_type())
        losses = stage_losses(
            student, images, depths, np.random.default_rng(0), stage, teacher_of(recipe, student)
        )
        return float(losses["taught features"].detach())

    assert apart(checkpoint) < 1e-2  # its own teacher, but for the teacher's precision
    assert apart(weights) < 0.5 * apart(tmp_path / "start.safetensors")


def test_a_stage_may_do_without_its_teacher(shards, checkpoint, tmp_path):
    stages = tuple(Stage(str(taught), 1, taught=taught, warmup=0) for taught in (True, False))
    heard = []
    train_stages(
        checkpoint,
        Shards(shards),
        tmp_path / "run",
        replace(RECIPE, stages=stages, teacher=str(checkpoint)),
        lambda step, losses: heard.append("taught depth" in losses),
    )
    assert heard == [True, False]


def test_a_teacher_of_another_width_is_refused(checkpoint, tmp_path):
    wide = tiny_checkpoint(tmp_path, replace(TINY, dim=64))
    with pytest.raises(TosaEdgeError, match="64 wide and the student 32"):
        teacher_of(replace(RECIPE, teacher=str(wide)), tiny_net())


@pytest.mark.parametrize("stage", [pytest.param("dense", marks=pytest.mark.slow), "elastic"])
def test_a_killed_run_ends_where_an_unbroken_one_does(stage, shards, checkpoint, tmp_path):
    frames = Shards(shards)
    unbroken = train_stages(checkpoint, frames, tmp_path / "a", RECIPE)
    run = subprocess.Popen([sys.executable, "-c", RUN, checkpoint, shards, tmp_path / "b"])
    state = tmp_path / "b" / stage / "state.safetensors"
    while not state.exists() and run.poll() is None:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    at, step = reached(tmp_path / "b", RECIPE)
    assert at == stage
    assert step in (3, 6)
    log = tmp_path / "b" / stage / "log.jsonl"
    with open(log, "a") as lines:
        lines.write('{"step": 99, "den')  # as a kill in the middle of a line leaves it
    again = train_stages(checkpoint, frames, tmp_path / "b", RECIPE)
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == list(range(1, 7))
    expected, got = read_checkpoint(unbroken)[0], read_checkpoint(again)[0]
    assert all(torch.equal(expected[name], got[name]) for name in expected)


def test_bad_shards_are_named_and_left_out(shards, tmp_path):
    for path in shards.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    good = (tmp_path / "shard-00000.safetensors").read_bytes()
    (tmp_path / "shard-00002.safetensors").write_bytes(good[: len(good) // 2])
    (tmp_path / "shard-00003.safetensors").write_bytes(b"")
    save_file(
        {"image": np.zeros((2, 4, 4, 3), np.uint8), "depth": np.zeros((3, 4, 4), np.uint16)},
        tmp_path / "shard-00004.safetensors",
    )
    frames = Shards(tmp_path)
    assert len(frames) == 16
    assert [r.split(":")[0] for r in frames.refused] == [f"shard-0000{n}.safetensors" for n in (2, 3, 4)]


def test_no_shards_is_said_in_words(tmp_path):
    with pytest.raises(TosaEdgeError, match="no readable shards"):
        Shards(tmp_path)


def test_every_epoch_sees_every_frame_once_in_an_order_of_its_own():
    batches = [batch_indices(10, 2, seed=3, step=step) for step in range(10)]
    assert sorted(chain(*batches[:5])) == sorted(chain(*batches[5:])) == list(range(10))
    assert batches[:5] != batches[5:]
    assert batches != [batch_indices(10, 2, seed=4, step=step) for step in range(10)]


def test_augmentation_keeps_picture_and_depth_together():
    ramp = np.tile(np.linspace(1, 5, 84, dtype=np.float32), (56, 1))
    # Stripes narrower the farther: which of them a pixel shows tells its depth, whatever light falls on it.
    dark = np.sin(ramp**3) > 0
    image = np.repeat(np.where(dark, 60, 180)[..., None], 3, -1).astype(np.uint8)
    barred = 0
    for seed in range(60):
        picture, depth = augment(image, ramp, np.random.default_rng(seed))
        assert picture.shape == image.shape
        assert depth.shape == ramp.shape
        bars = depth == 0
        barred += bars.any()
        assert np.array_equal(bars, bars.all(0) | bars.all(1)[:, None])
        assert np.all(picture[bars] == BARS)
        dark, bright = (picture[~bars & (np.sin(depth**3) * side > 0.3)] for side in (1, -1))
        if len(dark) and len(bright):
            assert dark.mean() < bright.mean()
    assert 5 < barred < 30


def test_patterns_cover_what_is_shipped():
    rng = np.random.default_rng(0)
    drawn = [draw_pattern(ModelConfig(), rng, dense=0.3) for _ in range(400)]
    assert Pattern() in drawn
    selective = [p for p in drawn if p.layers]
    assert {p.selections() for p in selective} == {(0, 2, 4, 6, 8, 10), (0, 4, 8)}
    assert {p.query_stride for p in selective} == {1, 8, 32}
    assert min(p.keep for p in selective) >= min(KEEPS)
    assert max(p.keep for p in selective) > 0.9


def test_selectors_learn_from_a_dense_step_and_nothing_else_does():
    net = tiny_net()
    with SelectorLoss(net, query_stride=2) as selectors:
        net(random_image(2))
    selectors.loss().backward()
    touched = {n for n, p in net.named_parameters() if p.grad is not None}
    assert touched == {f"encoder.selectors.{i}.{w}" for i in (0, 2) for w in ("w1", "b1", "w2")}


def test_lower_layers_move_less_and_the_schedule_comes_to_rest():
    rates = learning_rates(tiny_net(), STAGES[0])
    blocks = [rates[f"encoder.blocks.{i}.attn.qkv.weight"] for i in range(4)]
    assert blocks == sorted(blocks)
    assert blocks[0] < rates["encoder.norm.weight"] < rates["head.out.weight"]
    still = learning_rates(tiny_net(), replace(STAGES[0], frozen=2))
    assert {n.split(".")[2] for n, rate in still.items() if ".blocks." in n and not rate} == {"0", "1"}
    assert still["encoder.pos_embed"] == 0
    pace = LoopSettings(steps=12, warmup=2)
    assert schedule(0, pace) < schedule(1, pace) == 1
    assert schedule(12, pace) == pytest.approx(0.01)


@pytest.mark.slow
def test_two_processes_train_what_one_does(shards, checkpoint, tmp_path):
    """Each sees half of every batch; labels are everywhere, so the mean of the halves is the whole's."""
    train_stages(checkpoint, Shards(shards), tmp_path / "one", RECIPE)
    under_torchrun(2, tmp_path, checkpoint, shards, tmp_path / "two")
    one, two = (losses_of(tmp_path / run / "dense") for run in ("one", "two"))
    # Before the first step the weights are the same: so are the loss and the length of its gradient.
    for name in ("dense", "selectors", "norm"):
        assert two[0][name] == pytest.approx(one[0][name], rel=0.02)
    assert two[-1]["dense"] == pytest.approx(one[-1]["dense"], rel=0.1)
    assert len(losses_of(tmp_path / "two" / "elastic")) == 6  # one process writes


@pytest.mark.slow
def test_a_run_goes_on_with_more_processes_and_with_fewer(shards, checkpoint, tmp_path):
    """Two processes to step 3, one to step 9, two again to the end, in float32: step by step the losses of
    one process alone, but for how sums are rounded, which Adam's first steps amplify."""
    under_torchrun(1, tmp_path, checkpoint, shards, tmp_path / "one", FLOAT32)
    for count, until in ((2, "3"), (1, "9"), (2, "")):
        under_torchrun(count, tmp_path, checkpoint, shards, tmp_path / "changed", FLOAT32, until)
    for stage in ("dense", "elastic"):
        one, changed = (losses_of(tmp_path / run / stage) for run in ("one", "changed"))
        assert [entry["step"] for entry in changed] == [entry["step"] for entry in one] == [*range(1, 7)]
        for ours, theirs in zip(changed, one, strict=True):
            assert ours.keys() == theirs.keys()
            for name in ours.keys() - {"seconds"}:
                assert ours[name] == pytest.approx(theirs[name], rel=1e-3), (stage, ours["step"], name)


def under_torchrun(count, folder, *arguments):
    """RUN with these arguments in so many processes."""
    script = folder / "run.py"
    script.write_text(RUN)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    subprocess.run([*torchrun, "--standalone", script, *arguments], env=env, check=True)


def losses_of(stage):
    return [json.loads(line) for line in (stage / "log.jsonl").read_text().splitlines()]


def test_the_shares_of_all_processes_make_the_batch(shards):
    frames = Shards(shards)
    whole = draw_batch(frames, RECIPE, 0, 5, ProcessRank())
    halves = [draw_batch(frames, RECIPE, 0, 5, ProcessRank(rank, 2)) for rank in range(2)]
    for all_of_it, first, second in zip(whole, *halves, strict=True):
        assert np.array_equal(all_of_it[::2], first)
        assert np.array_equal(all_of_it[1::2], second)


def test_a_damaged_state_is_refused_by_name(shards, checkpoint, tmp_path):
    train_stages(checkpoint, Shards(shards), tmp_path, RECIPE)
    state = tmp_path / "dense" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(TosaEdgeError, match="is not a complete checkpoint"):
        train_stages(checkpoint, Shards(shards), tmp_path, RECIPE)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"step": None}, "its step does not fit"),
        ({"step": torch.tensor(float("nan"))}, "its step does not fit"),
        ({"weights/encoder.cls_token": torch.zeros(3)}, "its encoder.cls_token does not fit"),
        ({"moments/encoder.cls_token/exp_avg": torch.zeros(3)}, "does not fit"),
        ("a pipe", "is a pipe or a device"),
    ],
)
def test_a_state_that_is_none_of_ours(tmp_path, change, says):
    path = tmp_path / "state.safetensors"
    masters = Masters(tiny_net(), learning_rates(tiny_net(), STAGES[0]), 0.01, 0.9)
    masters.save(path, 3)
    assert (masters.restore(path), step_of(path)) == (3, 3)
    if change == "a pipe":
        path.unlink()
        os.mkfifo(path)
    else:
        tensors = {name: tensor for name, tensor in (load_file(path) | change).items() if tensor is not None}
        save_tensors(tensors, path)
    with pytest.raises(TosaEdgeError, match=says):
        masters.restore(path)


def test_a_head_can_be_made_to_read_other_layers(shards, checkpoint, tmp_path):
    recipe = replace(RECIPE, stages=(Stage("dense", 1, elastic=False),), head_layers=(0, 1, 1, 3))
    weights = train_stages(checkpoint, Shards(shards), tmp_path, recipe)
    assert load_net(weights).config.head_layers == (0, 1, 1, 3)


def test_steps_draw_their_size_and_a_frame_is_the_same_in_every_process(shards):
    recipe = replace(RECIPE, sizes=((56, 84), (28, 42)))
    frames = Shards(shards)
    seen = []
    for step in range(12):
        halves = [draw_batch(frames, recipe, 0, step, ProcessRank(rank, 2)) for rank in range(2)]
        assert halves[0][0].shape == halves[1][0].shape
        for images, depths in halves:
            assert images.shape[:3] == depths.shape
        seen.append(halves[0][0].shape[1:3])
    assert set(seen) == {(56, 84), (28, 42)}
    step = seen.index((28, 42))
    whole, depth = draw_batch(frames, RECIPE, 0, step, ProcessRank())
    small, nearest = draw_batch(frames, recipe, 0, step, ProcessRank())
    assert np.abs(whole.reshape(4, 28, 2, 42, 2, 3).mean((2, 4)) - small).max() <= 1
    assert set(np.unique(nearest)) <= set(np.unique(depth))


def test_a_stage_without_a_rate_for_selectors_spends_no_time_on_them(shards):
    images, depths = Shards(shards).batch([0])
    stage = Stage("dense", 1, elastic=False, selector_rate=0.0)
    assert set(stage_losses(tiny_net(), images, depths, np.random.default_rng(0), stage)) == {"dense"}


def test_sizes_that_the_patch_does_not_divide_are_refused_before_any_step(shards, checkpoint, tmp_path):
    with pytest.raises(TosaEdgeError, match="height 30 is not a multiple of the patch"):
        train_stages(checkpoint, Shards(shards), tmp_path / "run", replace(RECIPE, sizes=((30, 42),)))
    assert not (tmp_path / "run").exists()
