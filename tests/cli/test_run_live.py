"""`run` as a robot has it: a live source, signals, several sources, tokens used again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests import media, tiny
from tosa_edge.cli.stage_table import line, table
from tosa_edge.diagnosis.power import Power
from tosa_edge.runtime.summary import Summary


def run(folder: Path, *arguments: str, code: int = 0) -> dict:
    command = [sys.executable, "-m", "tosa_edge", "run", *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path) -> Path:
    tiny.save(tmp_path / "m.onnx", tiny.selective_info())
    tiny.save(tmp_path / "r.onnx", tiny.selective_info(form="reuse"))
    return tmp_path


def test_a_live_source_writes_nothing_that_was_not_asked_for(folder):
    before = media.left_behind(folder)
    result = run(folder, "--source", "test://64x48?fps=100&frames=20", "--engine", "m.onnx")
    assert result["frames"] + result["dropped"] == 20
    assert result["outputs"] == []
    assert media.left_behind(folder) == before
    assert {"capture", "prepare", "infer", "restore", "sink", "age"} <= set(result["stages_ms"])


def test_it_stops_after_so_many_frames(folder):
    kinds = ("--depth-maps", "--png", "--ply")
    limits = ("--frames", "7", "--out", "o")
    result = run(folder, "--source", "test://64x48?fps=0", "--engine", "m.onnx", *limits, *kinds)
    assert result["frames"] == 7
    for kind, count in (("depth", 7), ("png", 22), ("clouds", 7)):
        assert len(list((folder / "o" / kind).iterdir())) == count
    assert json.loads((folder / "o/summary.json").read_text())["frames"] == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_what_was_written_is_whole(folder, number):
    command = [
        sys.executable,
        "-m",
        "tosa_edge",
        "run",
        "--source",
        "test://64x48?fps=60",
        "--engine",
        "m.onnx",
    ]
    command += ["--out", "o", "--serve", "--port", "0", "--json"]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stderr
    told = next(text for text in child.stderr if "http://" in text)
    url = told.split()[-1]
    deadline = time.monotonic() + 30
    while (
        json.load(urllib.request.urlopen(url + "stats")).get("frame", 0) < 10 and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    os.kill(child.pid, number)
    out, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    result = json.loads(out)
    assert result["stopped"]
    assert result["frames"] + result["dropped"] >= 10
    assert sorted(p.name for p in (folder / "o").iterdir()) == [
        "contact_sheet.png",
        "run.webm",
        "summary.json",
    ]


def test_several_sources_have_a_folder_each(folder):
    sources = ["--source", "test://64x48?fps=0&frames=4", "--source", "test://96x64?fps=0&frames=6&seed=2"]
    result = run(folder, *sources, "--engine", "m.onnx", "--out", "o", "--depth-maps")
    assert result["frames"] == 10
    assert [len(list((folder / "o" / str(n) / "depth").iterdir())) for n in (0, 1)] == [4, 6]


def test_tokens_are_used_again_between_refreshes(folder):
    video = media.write_video(folder / "v.webm", frames=12)
    forms = ("--engine", "m.onnx", "--reuse", "r.onnx", "--refresh", "4")
    result = run(folder, "--source", video.name, *forms, "--no-files")
    assert result["refreshed"] == 0.25
    assert result["outputs"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--refresh", "2"], "--reuse"),
        (["--no-files", "--record", "x.webm"], "--no-files"),
        (["--fov", "200", "--ply"], "field of view"),
        (["--metres", "here"], "known distance"),
        (["--source", "ftp://x"], "there is no source"),
        (["--serve", "--host", "no.such.host.invalid"], "no.such.host.invalid"),
    ],
)
def test_what_cannot_be_is_two_lines_and_leaves_nothing(folder, arguments, words):
    before = media.left_behind(folder)
    result = run(folder, "--source", "test://64x48?fps=0&frames=3", "--engine", "m.onnx", *arguments, code=2)
    assert words in result["error"] + result["remedy"]
    assert media.left_behind(folder) == before


def test_a_line_and_a_table_say_how_it_is_going(monkeypatch):
    from types import SimpleNamespace

    summary = Summary(dropped=3, reconnects=1)
    for age in (10.0, 20.0, 30.0):
        summary.add_prediction({"infer": 5.0}, age)
    jetson = Power(7.25, ("VDD_IN",), 51.5, "MAXN")
    told = line(SimpleNamespace(fps=24.96), summary, jetson)  # type: ignore[arg-type]
    assert told == "3 frames, 25.0/s, age 20 ms, 3 dropped, 1 reconnects, 7.25 W, 51.5 °C, MAXN"
    assert [str(cell) for cell in table(summary.stages).columns[0].cells] == ["infer", "age"]
