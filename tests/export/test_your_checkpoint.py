"""`docs/your_checkpoint.md` as its reader has it, on made-up weights: every command copied and run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests import media
from tests.nn import official
from tests.pages import commands, run_here
from tosa_edge.tuning.candidates import candidates

PAGE = Path(__file__).parents[2] / "docs/your_checkpoint.md"


@pytest.mark.slow
def test_every_command_of_the_page_works_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Each that is tried is traced, of which one takes many seconds.
    monkeypatch.setattr("tosa_edge.tuning.tune.candidates", lambda config: candidates(config)[:3])
    torch.save(official.depth_anything(layers=12, side=37), "depth_anything_v2_vits.pth")
    media.write_video(tmp_path / "drive.webm", frames=4)
    lines = commands(PAGE)
    assert len(lines) == 7
    for line in lines:
        run_here(line)
    assert (tmp_path / "first/contact_sheet.png").is_file()
    assert (tmp_path / "tuned/front.svg").is_file()
    assert list((tmp_path / "engines").glob("fast*.onnx"))
