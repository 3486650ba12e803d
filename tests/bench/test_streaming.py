"""Schedules of refreshing against each other on a tiny model and a made-up clip."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny
from tosa_edge.bench import overhead
from tosa_edge.bench.streaming import Schedule, stream, usual
from tosa_edge.evaluation.depth_data import Sample
from tosa_edge.runtime.refresh import AUTO, EveryNFrames


def clip(count):
    """Depth that the tiny model gets exactly right: its inverse is a picture's brightness."""
    for number in range(count):
        picture = np.repeat(tiny.picture(140, 210, seed=number)[..., :1], 3, axis=2)
        bright = picture.astype(np.float32).mean(axis=2) / 255
        yield Sample(f"{number:06d}", picture, 1 / np.maximum(bright, 0.2))


@pytest.fixture
def schedules(tmp_path):
    full = str(tiny.save(tmp_path / "full.onnx", tiny.selective_info()))
    reuse = str(tiny.save(tmp_path / "reuse.onnx", tiny.selective_info(form="reuse")))
    return [Schedule(full), Schedule(full, reuse, EveryNFrames(4)), Schedule(full, reuse, AUTO)]


def test_a_row_says_how_often_tokens_were_chosen_and_how_right_depth_was(schedules):
    result = stream(schedules, clip(12), threads=1)
    rows = result["rows"]
    assert result["frames"] == 12
    assert [row["refreshed"] for row in rows[:2]] == [1.0, 0.25]
    assert rows[0]["ratio"] == 1
    assert rows[0]["loss"] == rows[1]["loss"] == 0
    assert {"name", "p50_ms", "peak_mb", "ratio", "delta1"} <= set(rows[0])


def test_the_usual_ones_begin_with_refreshing_always():
    first, *others = usual("tosa_depth_s")
    assert first == Schedule("tosa_depth_s:g1")
    assert Schedule("tosa_depth_s:g1", "tosa_depth_s:g3.reuse", EveryNFrames(5)) in others


def test_the_age_of_a_live_result_is_measured_before_a_model_of_known_time():
    assert overhead.age_ratio(20.0, frames=10) >= 1.0
