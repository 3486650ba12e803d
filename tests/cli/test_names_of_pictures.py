"""Whatever pictures are called, each has files of its own below --out and nowhere else, by command."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import media, tiny
from tosa_edge.cli import app
from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.sinks.files import DepthMapsSink
from tosa_edge.runtime.sources import open_source, open_sources


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    work = tmp_path / "work" / "here"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    tiny.save(work / "m.onnx", tiny.selective_info())
    return work


def run(*command: str) -> dict:
    done = CliRunner().invoke(app, ["run", "--engine", "m.onnx", "--out", "o", "--json", *command])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def depths() -> list[str]:
    return sorted(os.fsdecode(p.relative_to("o")) for p in Path("o").rglob("*.depth.png"))


def test_dots_do_not_lead_out(folder):
    outside = folder.parent.parent / "other"
    outside.mkdir()
    media.write_picture(Path("d.png"))
    media.write_picture(outside / "c.png")
    run("d.png", "../../other/c.png")
    assert depths() == ["png/other/c.depth.png", "png/work/here/d.depth.png"]
    assert [p.name for p in outside.iterdir()] == ["c.png"]


def test_dots_after_a_link_lead_where_the_system_says(folder):
    far = folder.parent / "far" / "in"
    far.mkdir(parents=True)
    Path("link").symlink_to(far)
    media.write_picture(Path("c.png"), 60, 90)
    media.write_picture(far.parent / "c.png", 30, 40)
    sizes = {f.name: f.picture.shape[:2] for f in open_sources(["c.png", "link/../c.png"])[0]}
    assert sizes == {"here/c": (60, 90), "far/c": (30, 40)}


def test_no_sink_writes_out_of_its_folder(folder):
    from tests.runtime.sinks.results import result

    made = result(0)
    object.__setattr__(made.frame, "name", "../c")
    sink = DepthMapsSink(Path("o"))
    with pytest.raises(TosaEdgeError, match=r"'\.\./c'"):
        sink.write(made)
    sink.abort()


def test_each_picture_has_files_of_its_own():
    for name in ("a.jpg", "a.png", "a.jpg.jpg"):
        media.write_picture(Path(name))
    assert run("a.jpg", "a.png", "a.jpg.jpg", "./a.jpg", "a.jpg")["frames"] == 3
    assert depths() == [f"png/{name}.depth.png" for name in ("a.jpg", "a.jpg.jpg", "a.png")]


def test_a_name_that_is_not_utf_8():
    Path("u").mkdir()
    os.replace(media.write_picture(Path("u/x.png")), b"u/\xff.png")
    run("u")
    assert b"\xff.depth.png" in Path("o/png/ranges.csv").read_bytes()


def test_very_deep_folders_are_refused_in_words():
    Path("deep").mkdir()
    top = os.open(".", os.O_RDONLY)
    os.chdir("deep")
    for _ in range(1100):
        os.mkdir("d")
        os.chdir("d")
    os.fchdir(top)
    os.close(top)
    try:
        with pytest.raises(TosaEdgeError, match="more than 100 folders"):
            open_source("deep", recursive=True)
    finally:  # pytest's own removal goes down by calls
        while os.path.isdir("deep/d/d"):
            os.rename("deep/d/d", "next")
            os.rmdir("deep/d")
            os.rename("next", "deep/d")
