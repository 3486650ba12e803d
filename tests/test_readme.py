"""README.md as its reader has it: every command and the program, copied and run in a clean folder."""

from __future__ import annotations

import re

import cv2
import pytest

from tests import media, tiny
from tests.pages import ROOT, blocks, run_here, run_in_shell
from tests.test_docs import code

README = ROOT / "README.md"
NOT_RUN = {
    "tosa-edge run 0 --serve": "wants a camera",
    "tosa-edge run 0 --serve --metres 320,240=1.85": "wants a camera",
    "tosa-edge run 0 --provider cuda": "wants a camera and a GPU",
    "tosa-edge tune": "names the verb; its command stands further down",
    "make test": "is what runs this",
    "make docs": "tests/test_site.py does the same",
    "pip install .": "wants a network; tests/test_wheel.py makes the wheel",
}
# What is added to commands that would take hours, or wait for a quiet machine.
SHORTER = {
    "bench": "--rounds 2",
    "distill": "--steps 1 --selector-steps 1 --batch 1 --most 2",
    "tune": "--most 2 --rounds 2",
}
CLONE = ("git clone <this repository> && cd tosa-edge", "make demo")


def commands() -> list[str]:
    found = (piece.strip() for piece in code(README.read_text()))
    return list(dict.fromkeys(p for p in found if re.match(r"(tosa-edge|make|git|pip) \S", p)))


def smallest(tried: list) -> list:
    """Dense as it is, and with the smallest pictures."""
    return [tried[0], [one for one in tried if not one.pattern.ways][-1]]


def test_what_is_not_run_is_there():
    assert {*NOT_RUN, *CLONE} <= set(commands())
    assert {line.split()[1] for line in commands()} >= set(SHORTER)


def test_the_program_gives_depth():
    (program,) = blocks(README, "python")
    names = {"frame": tiny.picture(60, 90)}
    exec(program, names)
    assert names["depth"].shape == names["frame"].shape[:2]


@pytest.mark.slow
def test_a_clone_makes_the_demo(tmp_path):
    """Its environment is this one: what `make` would install is here already."""
    if not (ROOT / ".git").exists():
        pytest.skip("this tree is no clone")
    cloned, demo = CLONE
    assert run_in_shell("git --version && make --version", tmp_path)
    (tmp_path / "clean").mkdir()
    run_in_shell(cloned.replace("<this repository>", f"{ROOT} tosa-edge"), tmp_path / "clean")
    clone = tmp_path / "clean/tosa-edge"
    (clone / ".venv/bin").mkdir(parents=True)
    (clone / ".venv/bin/tosa-edge").write_bytes((tmp_path / "bin/tosa-edge").read_bytes())
    (clone / ".venv/bin/tosa-edge").chmod(0o755)
    (clone / ".venv/core.done").touch()
    run_in_shell(demo, clone)
    assert cv2.VideoCapture(str(clone / "demo/demo.webm")).isOpened()


@pytest.mark.slow
def test_every_command_does_what_it_says(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    for package in ("pyarrow", "onnxscript"):
        pytest.importorskip(package)
    from safetensors.torch import save_file

    from tests.nn import official
    from tosa_edge.tuning.candidates import candidates

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Each that is tried is traced, of which one takes many seconds: the smallest pictures reach the target.
    monkeypatch.setattr("tosa_edge.tuning.tune.candidates", lambda config: smallest(candidates(config)))
    torch.save(official.depth_anything(layers=12, side=37), "depth_anything_v2_vits.pth")
    save_file(official.deit(), "deit_small.safetensors")
    (tmp_path / "photos").mkdir()
    media.write_picture(tmp_path / "photos/one.jpg")
    for name in ("video.mp4", "drive.mp4"):
        media.write_video(tmp_path / name, frames=4, codec="mp4v")
    for line in commands():
        if line in NOT_RUN or line in CLONE:
            continue
        if "NAME" in line:
            (engine,) = (tmp_path / "engines").glob("*.onnx")
            line = line.replace("engines/NAME.onnx", str(engine))
        verb = line.split()[1]
        run_here(f"{line} {SHORTER.get(verb, '')}".replace(" MODEL ", " tosa_depth_s "))
    assert cv2.VideoCapture("depth.webm").isOpened()
    for path in (
        *("dav2/model.json", "tuned/model/model.json", "mine/weights.safetensors", "depth/summary.json"),
        "repository/onnxruntime",
    ):
        assert (tmp_path / path).exists(), path
