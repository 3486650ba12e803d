"""`docs/your_checkpoint.md` as its reader has it, on made-up weights: every command copied and run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tests import media
from tests.nn import official
from tosa_edge.cli import app
from tosa_edge.tuning.candidates import candidates

PAGE = (Path(__file__).parents[2] / "docs/your_checkpoint.md").read_text()


@pytest.mark.slow
def test_every_command_of_the_page_works_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Each that is tried is traced, of which one takes many seconds.
    monkeypatch.setattr("tosa_edge.tuning.tune.candidates", lambda config: candidates(config)[:3])
    torch.save(official.depth_anything(layers=12, side=37), "depth_anything_v2_vits.pth")
    media.write_video(tmp_path / "drive.webm", frames=4)
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    assert len(commands) == 7
    for line in commands:
        program, *arguments = shlex.split(line)
        assert program == "tosa-edge"
        ended = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert ended.exit_code == 0, f"{line}\n{ended.output}"
    assert (tmp_path / "first/contact_sheet.png").is_file()
    assert (tmp_path / "tuned/front.svg").is_file()
    assert list((tmp_path / "engines").glob("fast*.onnx"))
