"""The tutorials as their reader has them: every command and every program, in a clean folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.pages import ROOT, blocks, commands, run_in_shell

TUTORIALS = ROOT / "docs/tutorials"


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """What each of them begins with."""
    folder = tmp_path_factory.mktemp("demo") / "clean"
    folder.mkdir()
    said = run_in_shell("tosa-edge demo", folder)
    assert "Open demo/demo.webm" in said
    return folder


@pytest.fixture
def here(demo, tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "clean"
    shutil.copytree(demo, folder)
    monkeypatch.chdir(folder)
    return folder


def follow(name: str, folder: Path) -> str:
    """Every command of the page but the demo, which was run; what they say."""
    page = TUTORIALS / name
    lines = commands(page)
    assert lines[0] == "tosa-edge demo"
    assert len(lines) > 1
    return "".join(run_in_shell(line, folder) for line in lines[1:])


def test_there_is_a_test_of_each():
    text = Path(__file__).read_text()
    assert all(f'follow("{path.name}"' in text for path in TUTORIALS.glob("*.md"))


@pytest.mark.slow
def test_first_depth(here, capsys):
    follow("first_depth.md", here)
    assert sorted(path.name for path in (here / "demo").iterdir()) == [
        *("clip.webm", "contact_sheet.png", "demo.webm", "summary.json")
    ]
    told = (TUTORIALS / "first_depth.md").read_text()
    for path in (here / "first").iterdir():
        assert path.name in told
    assert np.load(here / "first/depth/000000.npy").shape == (336, 448)
    assert cv2.imread(str(here / "first/png/000000.depth.png"), cv2.IMREAD_UNCHANGED).dtype == np.uint16
    for program in blocks(TUTORIALS / "first_depth.md", "python"):
        exec(program, {})
    assert capsys.readouterr().out.startswith("nearest: column ")


@pytest.mark.slow
def test_point_cloud(here, capsys):
    said = follow("point_cloud.md", here)
    assert "metres fit both known distances" in said
    found: dict = {}
    for program in blocks(TUTORIALS / "point_cloud.md", "python"):
        exec(program, found)
    assert capsys.readouterr().out.startswith(f"{336 * 448} points, ")
    z = found["z"].reshape(336, 448)
    assert z[260, 180] == pytest.approx(1.6, rel=0.02)
    assert z[110, 100] == pytest.approx(3.2, rel=0.02)
    assert json.loads((here / "cloud/summary.json").read_text())["metric"]["formula"]
    # 352 pixels are those 65 degrees, so that both clouds are one.
    both = [(here / name / "clouds/000000.ply").read_bytes()[-3000:] for name in ("cloud", "calibrated")]
    near, same = (np.frombuffer(part, [("xyz", "<f4", 3), ("rgb", "u1", 3)])["xyz"] for part in both)
    assert np.allclose(near, same, rtol=0.01, atol=0.01)


@pytest.mark.slow
def test_surroundings(here):
    said = follow("surroundings.md", here)
    assert "validation: passed" in said
    log = [json.loads(line) for line in (here / "mine/log.jsonl").read_text().splitlines()]
    assert log
    assert json.loads((here / "taught/summary.json").read_text())["frames"] == 10
