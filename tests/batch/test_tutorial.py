"""`docs/batch.md` as its reader has it: every command and every program, copied from the page and run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import media
from tests.batch.jobs import pictures
from tosa_edge.cli import app

PAGE = (Path(__file__).parents[2] / "docs/batch.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_command_of_the_page_works_as_it_stands(tmp_path, monkeypatch, capsys):
    for package in ("pyarrow", "duckdb"):
        pytest.importorskip(package, reason=f"{package} is not installed here")
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "photos", 3, 60, 90)
    (tmp_path / "drives").mkdir()
    media.write_video(tmp_path / "drives/monday.webm", 5)
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) >= 5
    for line in commands:
        program, *arguments = shlex.split(line)
        assert program == "tosa-edge"
        ended = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert ended.exit_code == 0, f"{line}\n{ended.output}"
    assert len(list((tmp_path / "files/shards/00000000").glob("*.npz"))) == 3
    found: dict = {}
    for program in blocks("python"):
        exec(program, found)
    assert found["depth"].shape == (60, 90)
    assert "0.png" in capsys.readouterr().out
