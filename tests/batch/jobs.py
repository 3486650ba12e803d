"""Jobs on the tiny model, in this process or as the command that a user writes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import cv2
import numpy as np
from typer.testing import CliRunner

from tests import media, tiny
from tosa_edge.batch.crews import Alone, Crew
from tosa_edge.batch.plan import Job
from tosa_edge.batch.run import prepared, summarise, work_off
from tosa_edge.cli import app
from tosa_edge.files import sha256_of


def pictures(folder: Path, count: int, height: int = 20, width: int = 30) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        media.write_picture(folder / f"{index}.png", height, width, seed=index)
    return folder


def job(folder: Path, *inputs: Path, **changes: Any) -> Job:
    model = folder / "m.onnx"
    if not model.exists():
        tiny.save(model, tiny.info(batch=changes.pop("batch", 1)))
    changes.pop("batch", None)
    given = {"output": str(folder / "out"), "shard": 4, "threads": 1, **changes}
    return Job(tuple(map(str, inputs)), model=str(model), model_sha256=sha256_of(model), **given)


def done(asked: Job, crew: Callable[[Job], Crew] = Alone, force: bool = False) -> dict[str, Any]:
    plan, _ = prepared(asked, force)
    tally = work_off(plan, lambda: crew(asked), Event(), lambda tally: None)
    return summarise(plan, tally)


def command(folder: Path, *arguments: str) -> list[str]:
    """With the tiny model in the folder `folder`, into `out` there unless `arguments` say otherwise."""
    base = [sys.executable, "-m", "tosa_edge", "batch", "--model", str(folder / "m.onnx"), "--threads", "1"]
    return [*base, "--json", *arguments]


def asked_for(folder: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The same in this process: nothing there is killed."""
    ended = CliRunner().invoke(app, [*command(folder, *arguments)[3:]], catch_exceptions=False)
    assert ended.exit_code == code, ended.output
    return json.loads(ended.stdout)


def run(folder: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    asked = command(folder, *arguments)
    ended = subprocess.run(asked, cwd=folder, capture_output=True, text=True, timeout=300)
    assert ended.returncode == code, ended.stderr
    return json.loads(ended.stdout)


def results(output: Path) -> dict[str, bytes]:
    """Every file of the results and its bytes; the reports too, but nothing of a start's own."""
    found = (path for name in ("shards", "reports") for path in (output / name).rglob("*"))
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in found if path.is_file()}


def depth_of(row: dict[str, Any]) -> np.ndarray:
    """As the documentation reads a relative depth back."""
    levels = cv2.imdecode(np.frombuffer(row["depth"], np.uint8), cv2.IMREAD_UNCHANGED)
    assert levels.dtype == np.uint16
    return row["least"] + levels / 65535 * (row["most"] - row["least"])
