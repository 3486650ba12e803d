"""Bars at 80 columns."""

import io
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from rich.console import Console

from tosa_edge import progress
from tosa_edge.cli.run_display import RunDisplay
from tosa_edge.verbs.run_pipeline import frames_expected

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


@pytest.mark.parametrize(("most", "total"), [(None, 30), (7, 7), (100, 30)])
def test_a_bar_ends_where_the_run_does(monkeypatch, most, total):
    totals = []

    @contextmanager
    def bar(label, count):
        totals.append(count)
        yield lambda index: None

    monkeypatch.setattr(progress, "progress", bar)
    sources = [SimpleNamespace(frame_count=count) for count in (10, 20)]
    with RunDisplay() as display:
        display.begin("m on v", frames_expected(sources, most))
        assert totals == [total]
