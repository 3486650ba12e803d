"""`docs/batch.md` as its reader has it: every command and every program, copied from the page and run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import media
from tests.batch.jobs import pictures
from tests.pages import blocks, commands, run_here

PAGE = Path(__file__).parents[2] / "docs/batch.md"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_command_of_the_page_works_as_it_stands(tmp_path, monkeypatch, capsys):
    for package in ("pyarrow", "duckdb"):
        pytest.importorskip(package, reason=f"{package} is not installed here")
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "photos", 3, 60, 90)
    (tmp_path / "drives").mkdir()
    media.write_video(tmp_path / "drives/monday.webm", 5)
    lines = commands(PAGE)
    assert len(lines) >= 5
    for line in lines:
        run_here(line)
    assert len(list((tmp_path / "files/shards/00000000").glob("*.npz"))) == 3
    found: dict = {}
    for program in blocks(PAGE, "python"):
        exec(program, found)
    assert found["depth"].shape == (60, 90)
    assert "0.png" in capsys.readouterr().out
