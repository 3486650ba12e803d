"""Bars at 80 columns."""

import io

import pytest
from rich.console import Console

from tosa_edge import progress

LONG = "tosa_depth_t:g1 + tosa_depth_t:g3.reuse on a video of a long name.mp4"


@pytest.mark.parametrize("name", ["v.mp4", LONG])
def test_a_name_gives_way_to_the_numbers(monkeypatch, name):
    screen = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=screen, width=80, force_terminal=True))
    with progress.progress(name, 1200) as step:
        step(1199)
    assert "1200/1200" in screen.getvalue()
    assert "0:00:00" in screen.getvalue()
    assert name[:8] in screen.getvalue()
