"""Nothing that is read is written over, and nothing of the user's is replaced unless it is asked for."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import media, tiny
from tests.calibration.make import tiny_graph
from tests.nets import tiny_checkpoint
from tests.refusals import refused
from tosa_edge.cli import app


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with a bit of everything, and in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))
    tiny.save(tmp_path / "m.onnx", tiny.selective_info())
    (tmp_path / "f.onnx").write_bytes(tiny_graph().bytes())
    media.write_video(tmp_path / "v.webm", frames=4)
    (tmp_path / "photos").mkdir()
    for n in range(2):
        media.write_picture(tmp_path / "photos" / f"{n}.png", seed=n)
    (tmp_path / "users" / "png").mkdir(parents=True)
    (tmp_path / "users" / "depth").mkdir()
    shutil.copy(tmp_path / "photos" / "0.png", tmp_path / "users" / "png" / "0.depth.png")
    (tmp_path / "users" / "depth" / "0.npy").write_bytes(b"depth")
    os.link(tmp_path / "v.webm", tmp_path / "hard.webm")
    (tmp_path / "soft.webm").symlink_to("v.webm")
    (tmp_path / "there").symlink_to("photos", target_is_directory=True)
    tiny_checkpoint(tmp_path)
    (tmp_path / "model").mkdir()
    shutil.copy(tmp_path / "tiny.safetensors", tmp_path / "model" / "weights.safetensors")
    return tmp_path


RUN = ("run", "--engine", "m.onnx", "--source")
FEW = ("--steps", "1", "--selector-steps", "1", "--batch", "1")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ((*RUN, "v.webm", "--record", "v.webm"), "v.webm is read, and would be written over"),
        ((*RUN, "v.webm", "--record", "photos/../v.webm", "--force"), "is read"),
        ((*RUN, "v.webm", "--record", "hard.webm", "--force"), "hard.webm is read"),
        ((*RUN, "v.webm", "--record", "soft.webm", "--force"), "soft.webm is read"),
        ((*RUN, "soft.webm", "--record", "v.webm", "--force"), "v.webm is read"),
        ((*RUN, "file://HERE/v.webm", "--record", "v.webm", "--force"), "v.webm is read"),
        ((*RUN, "v.web?", "--record", "v.webm", "--force"), "v.webm is read"),
        (
            (*RUN, "users/png/0.depth.png", "--out", "users", "--force"),
            "lies in users/png, which is",
        ),
        ((*RUN, "photos/0.png", "--out", "users"), "users/png is there already"),
        ((*RUN, "v.webm", "--out", "users", "--depth-maps"), "users/depth is there already"),
        ((*RUN, "photos", "--out", "photos"), "would lie in photos, which is read"),
        ((*RUN, "photos", "--out", "there/deeper"), "would lie in photos"),
        ((*RUN, "photos", "--record", "photos/r.webm"), "would lie in photos"),
        ((*RUN, "photos", "--source", "v.webm", "--out", "photos"), "would lie in photos"),
        ((*RUN, "photos/*.png", "--out", "there", "--force"), "there holds what photos/*.png matches"),
        (("calibrate", "f.onnx", "--data", "photos", "-o", "f.onnx"), "f.onnx is read"),
        (("calibrate", "f.onnx", "--data", "photos", "-o", "photos/q.onnx"), "would lie in photos"),
        (("build", "m.onnx", "--backend", "onnxruntime", "-o", "m.onnx", "--force"), "m.onnx is read"),
        (("export", "model", "-o", "model", "--force"), "lies in model, which is to be written"),
        (("export", "tiny.safetensors", "-o", "f.onnx"), "f.onnx is there already"),
        (("export", "tiny.safetensors", "-o", "photos"), "photos is there already"),
        (("export", "tiny.safetensors", "-o", "photos", "--force"), "photos holds 0.png"),
        (("export", "tosa_depth_t:g3", "-o", "f.onnx"), "f.onnx is there already"),
        (("distill", "model", "--images", "photos", "-o", "model", "--force"), "lies in model"),
        (("distill", "model", "--images", "photos", "-o", "photos", "--force"), "photos is read"),
        (("distill", "model", "--images", "photos", "-o", "photos/x"), "would lie in photos"),
        (("train", "tosa_depth_s", "--start", "model", "--data", "photos", "-o", "model"), "lies in model"),
        (("train", "tosa_depth_s", "--start", "model", "--data", "photos", "-o", "photos/x"), "would lie"),
        (("calibrate", "f.onnx", "--data", "photos", "-o", "m.onnx"), "m.onnx is there already"),
        (("build", "m.onnx", "--backend", "onnxruntime", "-o", "f.onnx"), "f.onnx is there already"),
        ((*RUN, "photos", "--record", "v.webm"), "v.webm is there already"),
        (("distill", "tiny.safetensors", "--images", "v.webm", "-o", "photos"), "photos is there already"),
    ],
)
def test_an_input_is_no_output_and_what_is_there_stays(here, arguments, what):
    before = contents(here)
    refused(call(*(str(word).replace("HERE", str(here)) for word in arguments)), what)
    assert contents(here) == before
    assert not (here / "photos" / "x").exists()


def test_the_last_run_stays_and_the_next_has_a_number(here):
    names = [json.loads(call(*RUN, "v.webm", "--json").stdout)["outputs"][0] for _ in range(3)]
    assert names == [str(Path(name) / "run.webm") for name in ("run", "run-2", "run-3")]
    # Its own video as the source, and a place that was named.
    again = call(*RUN, "run/run.webm")
    assert again.exit_code == 0, again.stderr
    assert "a former run is not replaced: writing to run-4" in again.stderr
    named = call(*RUN, "photos", "--out", "run")
    assert "writing to run-5" in named.stderr
    assert sorted(p.name for p in here.glob("run*")) == ["run", "run-2", "run-3", "run-4", "run-5"]
    before = contents(here / "run")
    forced = call(*RUN, "v.webm", "--frames", 2, "--out", "run", "--force")
    assert forced.exit_code == 0
    assert "replacing run/summary.json, run/run.webm, run/contact_sheet.png" in forced.stderr
    assert contents(here / "run") != before
    assert set(contents(here / "run")) == set(before)


def test_a_run_that_is_replaced_leaves_nothing_of_its_own_behind(here):
    every = ("--npy", "--png", "--ply", "--out", "run")
    assert call(*RUN, "v.webm", *every).exit_code == 0
    (here / "run" / "mine.txt").write_text("mine")
    (here / "run" / "clouds" / "mine.txt").write_text("mine")
    # Its video is read by the new run, and stays though that writes none of this name.
    again = ("--npy", "--frames", "2", "--record", "other.webm", "--out", "run", "--force")
    told = call(*RUN, "run/run.webm", *again)
    assert told.exit_code == 0, told.stderr
    assert "removing run/png, of the run that was replaced" in told.stderr
    assert set(contents(here / "run")) == {
        *("run.webm", "contact_sheet.png", "summary.json", "mine.txt"),
        *(f"depth/00000{n}.npy" for n in range(2)),
        *(f"clouds/{n}" for n in ("mine.txt", *(f"00000{i}.ply" for i in range(4)))),
    }


def test_the_files_that_pipelines_and_addresses_name_are_inputs(here):
    from tosa_edge.runtime.sources import inputs_of

    for spec in (
        "gst:filesrc location=v.webm ! decodebin",
        'gst:filesrc location = "v.webm" ! decodebin',
        f"gst:uridecodebin uri=file://{here}/v.webm",
        f"file://{here}/v.webm",
        "v.web*",
    ):
        assert [path.resolve() for path in inputs_of([spec])] == [here / "v.webm"], spec
    assert inputs_of(["test://", "0", "rtsp://camera/1"]) == []


def test_a_run_that_comes_to_nothing_leaves_no_folder(here):
    (here / "bad.webm").write_bytes(b"no video")
    before = contents(here)
    assert call(*RUN, "bad.webm").exit_code == 2
    assert call(*RUN, "bad.webm", "--out", "a/b/c").exit_code == 2
    assert contents(here) == before
    assert not (here / "run").exists()
    assert not (here / "a").exists()


def test_files_of_the_users_beside_results_stay(here):
    (here / "o").mkdir()
    (here / "o" / "contact_sheet.png").write_text("of a photographer")
    refused(call(*RUN, "v.webm", "--out", "o"), "o/contact_sheet.png is there already")
    assert call(*RUN, "v.webm", "--out", "o", "--force").exit_code == 0


def test_demo_replaces_a_demo_and_nothing_else(here, monkeypatch):
    (here / "assets" / "tosa_depth_s").mkdir(parents=True)
    shutil.copy(here / "m.onnx", here / "assets" / "tosa_depth_s" / "g1.onnx")
    shutil.copy(here / "v.webm", here / "assets" / "clip.webm")
    monkeypatch.setattr("tosa_edge.find_model.ASSETS", here / "assets")
    assert "replacing" not in call("demo").stderr
    (here / "demo" / "notes.txt").write_text("mine")
    again = call("demo")
    assert again.exit_code == 0, again.stderr
    assert "replacing demo/summary.json, demo/demo.webm, demo/contact_sheet.png" in again.stderr
    assert (here / "demo" / "notes.txt").read_text() == "mine"
    assert call(*RUN, "v.webm", "--out", "mine").exit_code == 0
    refused(call("demo", "--out", "mine"), "mine/summary.json and 1 more are there already")
    assert not (here / "mine" / "clip.webm").exists()
    (here / "demo" / "clip.webm").write_text("of the user's")
    refused(call("demo"), "demo/clip.webm is there already")
    assert (here / "demo" / "clip.webm").read_text() == "of the user's"


def test_build_replaces_its_engine_and_says_so(here):
    words = ("build", "m.onnx", "--backend", "onnxruntime", "--no-validate", "-o", "e.onnx")
    assert call(*words).exit_code == 0
    again = call(*words)
    assert "is there already" in again.stderr
    assert "replacing" not in again.stderr
    tiny.save(here / "m.onnx", tiny.selective_info(keep=0.34))
    changed = call(*words)
    assert changed.exit_code == 0, changed.stderr
    assert "replacing e.onnx, e.onnx.json" in changed.stderr
    (here / "e.onnx.json").unlink()  # as a build leaves it that is killed between the two
    assert call(*words).exit_code == 0
    (here / "e.onnx.json").write_text('{"notes": "of the user"}')
    refused(call(*words), "e.onnx.json is there already")


def test_force_takes_nothing_away_that_is_no_result(here):
    """A folder of results is replaced as a whole: it is looked at before anything is said or done."""
    (here / "users" / "png" / "notes.txt").write_text("mine")
    before = contents(here)
    refuses = call(*RUN, "photos/0.png", "--out", "users", "--force")
    refused(refuses, "users/png holds other things")
    assert "replacing" not in refuses.stderr
    assert contents(here) == before


@pytest.mark.slow
def test_export_replaces_a_model_folder_when_asked_and_takes_nothing_else_away(here):
    words = ("export", "tiny.safetensors", "-o", "new", "--dense")
    assert call(*words).exit_code == 0
    refused(call(*words), "new is there already")
    forced = call(*words, "--force")
    assert forced.exit_code == 0, forced.stderr
    assert "replacing new" in forced.stderr
    (here / "new" / "notes.txt").write_text("mine")
    before = contents(here)
    refused(call(*words, "--force"), "new holds notes.txt")
    assert contents(here) == before


def test_distill_goes_on_with_the_same_and_refuses_everything_else(here):
    words = ("distill", "tiny.safetensors", "--images", "v.webm", "-o", "mine")
    assert call(*words, *FEW).exit_code == 0
    record = json.loads((here / "mine" / "record.json").read_text())
    assert set(record) == {"settings", "start", "pictures"}
    same = call(*words, *FEW)
    assert same.exit_code == 0, same.stderr
    assert "mine is complete already" in same.stderr
    before = contents(here / "mine")
    refused_last(call("distill", "tiny.safetensors", "--images", "photos", "-o", "mine", *FEW), "pictures")
    refused_last(call(*words, *FEW, "--steps", 2), "settings")
    from dataclasses import replace

    from tests.nets import TINY, tiny_net
    from tosa_edge.nn.weights import save_net

    for number, config in enumerate((TINY, replace(TINY, dim=64)), start=1):
        save_net(tiny_net(config=config, seed=number), here / "other.safetensors")
        refused_last(call("distill", "other.safetensors", "--images", "v.webm", "-o", "mine", *FEW), "start")
    (here / "mine" / "record.json").write_text("{")
    refused_last(call(*words, *FEW), "cannot be read")
    assert {**contents(here / "mine"), "record.json": b""} == {**before, "record.json": b""}


def refused_last(result, what: str) -> None:
    """After the lines about pictures."""
    assert result.exit_code == 2, result.output
    error, remedy = result.stderr.strip().splitlines()[-2:]
    assert error.startswith("error: ")
    assert what in error
    assert remedy.startswith("do: Give another folder with -o")


@pytest.mark.skipif(sys.platform == "win32", reason="folders of two runs at once")
def test_two_runs_that_begin_together_have_a_folder_each(here):
    from tosa_edge.output_paths import new_run_folder

    with new_run_folder(here / "run", new=True) as one, new_run_folder(here / "run", new=True) as other:
        assert (one.name, other.name) == ("run", "run-2")
    assert not one.exists()
    assert not other.exists()
