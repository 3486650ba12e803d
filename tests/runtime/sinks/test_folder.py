"""PNGs that give the depth back."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import media, tiny
from tests.runtime.sinks.results import result
from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.reading import read_depth
from tosa_edge.runtime.sinks.files import DepthMapsSink, FolderSink, PointCloudsSink, millimetres, stretched


def test_relative_depth_comes_back_within_a_rounding(tmp_path):
    sink = FolderSink(tmp_path / "o", tiny.selective_info())
    for index in range(3):
        sink.write(result(index))
    sink.seal()
    assert sink.commit() == tmp_path / "o"
    with open(tmp_path / "o" / "ranges.csv") as file:
        ranges = {row["file"]: (float(row["least"]), float(row["most"])) for row in csv.DictReader(file)}
    assert media.left_behind(tmp_path / "o") == [
        *(f"{i}.{kind}.png" for i in range(3) for kind in ("colour", "depth", "panel")),
        "ranges.csv",
    ]
    for index in range(3):
        name = f"{index}.depth.png"
        least, most = ranges[name]
        levels = cv2.imread(str(tmp_path / "o" / name), cv2.IMREAD_UNCHANGED)
        assert levels.dtype == np.uint16
        depth = least + levels / 65535 * (most - least)
        half_a_step = (most - least) / 65535 / 2
        assert np.abs(depth - result(index).prediction.depth).max() <= half_a_step * 1.01
    panel = cv2.imread(str(tmp_path / "o" / "2.panel.png"))[..., ::-1]
    np.testing.assert_array_equal(panel, result(2).panel)


def test_metric_depth_is_millimetres_that_our_own_reader_takes(tmp_path):
    sink = FolderSink(tmp_path / "o", tiny.selective_info(output="metric_depth"))
    sink.write(result(0))
    sink.seal()
    sink.commit()
    assert media.left_behind(tmp_path / "o") == ["0.colour.png", "0.depth.png", "0.panel.png"]
    metres = read_depth(tmp_path / "o" / "0.depth.png")
    np.testing.assert_allclose(metres, result(0).prediction.depth, atol=0.00051)


def test_no_reading_is_zero():
    metres = np.array([[np.nan, np.inf, -1, 0, 65.5361, 65.535, 1.2344]], np.float32)
    assert millimetres(metres).tolist() == [[0, 0, 0, 0, 0, 65535, 1234]]


def test_flat_and_missing_depth_are_written_too():
    for depth in (np.full((2, 2), 3, np.float32), np.full((2, 2), np.nan, np.float32)):
        levels, least, most = stretched(depth)
        assert least == most
        assert (levels == 0).all()


def test_somebody_elses_pictures_are_not_replaced(tmp_path):
    media.write_picture(tmp_path / "holiday.png")
    with pytest.raises(TosaEdgeError, match="other things"):
        FolderSink(tmp_path, tiny.info())
    assert media.left_behind(tmp_path) == ["holiday.png"]


def test_an_earlier_run_is_replaced_as_a_whole_and_only_by_a_whole_one(tmp_path):
    for frames in (3, 1):
        sink = FolderSink(tmp_path / "o", tiny.selective_info())
        for index in range(frames):
            sink.write(result(index))
        sink.seal()
        sink.commit()
    assert len(media.left_behind(tmp_path / "o")) == 4
    sink = FolderSink(tmp_path / "o", tiny.selective_info())
    sink.write(result(0))
    sink.abort()
    sink.abort()
    assert len(media.left_behind(tmp_path / "o")) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["o"]


@pytest.mark.parametrize("kind", [DepthMapsSink, FolderSink, PointCloudsSink])
def test_names_of_frames_stay_out_of_pythons_table_of_names(kind, tmp_path, monkeypatch):
    sink = kind(tmp_path / "o", *([] if kind is DepthMapsSink else [tiny.selective_info()]))
    kept, intern = [], sys.intern
    monkeypatch.setattr(sys, "intern", lambda text: kept.append(text) or intern(text))
    assert Path("one") / "two"
    assert kept  # this is how a Path gets there
    del kept[:]
    sink.write(replace(result(7), frame=replace(result(7).frame, name="a_frame")))
    monkeypatch.undo()
    assert [text for text in kept if "a_frame" in text] == []
    sink.abort()
