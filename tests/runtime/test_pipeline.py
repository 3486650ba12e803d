"""From a source to files: complete, playable, or nothing at all."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import media, tiny
from tosa_edge import DepthModel
from tosa_edge.atomic_files import AtomicFile, write_bytes
from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime import pipeline
from tosa_edge.runtime.sinks.contact_sheet import ContactSheetSink
from tosa_edge.runtime.sinks.files import DepthMapsSink
from tosa_edge.runtime.sinks.opencv_writer import count_frames
from tosa_edge.runtime.sinks.video import VideoSink
from tosa_edge.runtime.sources import open_source


@pytest.fixture
def selective(tmp_path_factory) -> DepthModel:
    path = tmp_path_factory.mktemp("model") / "selective.onnx"
    return DepthModel.load(str(tiny.save(path, tiny.selective_info())), threads=1)


@pytest.fixture
def clip(tmp_path_factory) -> Path:
    return media.write_video(tmp_path_factory.mktemp("clip") / "v.webm", frames=12)


def test_everything_comes_out(tmp_path, selective, clip, recorder):
    sinks = [
        VideoSink(tmp_path / "o" / "v.webm", 10),
        ContactSheetSink(tmp_path / "o" / "s.png"),
        DepthMapsSink(tmp_path / "o" / "depth"),
    ]
    seen: list[int] = []
    summary = pipeline.run(open_source(str(clip)), selective, sinks, lambda r, _: seen.append(r.frame.index))
    assert seen == list(range(12))
    assert summary.frames == count_frames(tmp_path / "o" / "v.webm") == 12
    assert summary.outputs == [tmp_path / "o" / n for n in ("v.webm", "s.png", "depth")]
    result = summary.as_dict()
    assert set(result["stages_ms"]) == {"capture", "prepare", "infer", "restore", "sink"}
    assert result["latency_ms"]["p50"] <= result["latency_ms"]["p90"] <= result["latency_ms"]["p99"]
    assert result["dropped"] == result["unwritten"] == 0
    maps = sorted((tmp_path / "o" / "depth").iterdir())
    frames = list(open_source(str(clip)))
    np.testing.assert_array_equal(np.load(maps[5]), selective(frames[5].picture))
    assert not [n for n in media.left_behind(tmp_path) if ".part-" in n]


def test_the_video_shows_picture_depth_and_patches(tmp_path, selective):
    height, width = 96, 144
    cv2.imwrite(str(tmp_path / "p.png"), np.full((height, width, 3), (40, 120, 200), np.uint8))
    pipeline.run(open_source(str(tmp_path / "p.png")), selective, [VideoSink(tmp_path / "v.avi", 5)])
    (frame,) = open_source(str(tmp_path / "v.avi"))
    assert frame.picture.shape[1] == 3 * width
    body = frame.picture[-height:]
    np.testing.assert_allclose(body[:, : width - 8].mean(axis=(0, 1)), (200, 120, 40), atol=12)
    # A flat picture: the first patches are kept twice (brightest and darkest), the others are dark grey.
    patches = body[:, 2 * width :].astype(int)
    assert patches[5:30, 5:80].mean() > 100
    assert patches[60:90, 100:140].mean() < 50


def test_pictures_of_several_sizes_become_one_video(tmp_path, selective, recorder):
    for i, (height, width) in enumerate([(60, 90), (90, 60), (200, 31), (1, 1)]):
        media.write_picture(tmp_path / f"{i}.png", height, width)
    summary = pipeline.run(open_source(str(tmp_path)), selective, [VideoSink(tmp_path / "o.webm", 10)])
    assert summary.frames == count_frames(tmp_path / "o.webm") == 4


def test_a_sheet_of_a_long_stream_is_spread_over_it(tmp_path, selective):
    sheet = ContactSheetSink(tmp_path / "s.png", count=4, columns=2)
    pipeline.run(open_source(str(media.write_video(tmp_path / "v.webm", frames=40))), selective, [sheet])
    picture = cv2.imread(str(tmp_path / "s.png"))
    rows = picture.shape[0] // 2
    first, last = picture[10 : rows - 10, 10:60].mean(), picture[rows + 30 : -10, -400:-330].mean()
    assert first < 80
    assert last > first


def test_a_source_that_breaks_leaves_nothing(tmp_path, selective, recorder):
    video = media.zeroed(media.write_video(tmp_path / "v.avi", frames=20, codec="MJPG"))
    out = tmp_path / "out"
    sinks = [VideoSink(out / "v.webm", 10), ContactSheetSink(out / "s.png"), DepthMapsSink(out / "depth")]
    with pytest.raises(TosaEdgeError):
        pipeline.run(open_source(str(video)), selective, sinks)
    assert media.left_behind(tmp_path) == ["v.avi"]


def test_an_old_result_survives_a_failure(tmp_path, selective, recorder):
    (tmp_path / "v.webm").write_bytes(b"old")
    broken = media.zeroed(media.write_video(tmp_path / "b.avi", frames=20, codec="MJPG"))
    with pytest.raises(TosaEdgeError):
        pipeline.run(open_source(str(broken)), selective, [VideoSink(tmp_path / "v.webm", 10)])
    assert (tmp_path / "v.webm").read_bytes() == b"old"


@pytest.mark.parametrize("kind", [VideoSink, ContactSheetSink, DepthMapsSink])
def test_a_place_that_cannot_be_written_is_known_at_once(tmp_path, kind):
    (tmp_path / "file").write_text("a file where a folder should be")
    rest = (10,) if kind is VideoSink else ()
    for place in (tmp_path / "file" / "x.webm", Path("/proc/nowhere/x.webm")):
        with pytest.raises(TosaEdgeError, match="cannot be written") as error:
            kind(place, *rest)
        assert error.value.remedy
    assert media.left_behind(tmp_path) == ["file"]


def test_video_names_are_checked(tmp_path):
    with pytest.raises(TosaEdgeError, match="no ending of a video"):
        VideoSink(tmp_path / "v.txt", 10)


def test_a_folder_with_other_things_is_not_replaced(tmp_path):
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth" / "mine.txt").write_text("keep me")
    with pytest.raises(TosaEdgeError, match="other things"):
        DepthMapsSink(tmp_path / "depth")
    assert (tmp_path / "depth" / "mine.txt").read_text() == "keep me"


def test_depth_maps_are_replaced_as_a_whole(tmp_path, selective, clip):
    for _ in range(2):
        pipeline.run(open_source(str(clip)), selective, [DepthMapsSink(tmp_path / "depth")])
    assert len(list((tmp_path / "depth").iterdir())) == 12


def test_pending_commits_or_leaves_nothing(tmp_path):
    pending = AtomicFile(tmp_path / "a" / "b" / "f.bin")
    pending.abort()
    pending.abort()
    assert media.left_behind(tmp_path) == []
    write_bytes(tmp_path / "a" / "f.bin", b"x")
    assert (tmp_path / "a" / "f.bin").read_bytes() == b"x"
    assert media.left_behind(tmp_path) == ["a", "f.bin"]


@pytest.mark.parametrize("limit_kb", [4, 30])
def test_a_full_disk_is_noticed_and_leaves_nothing(tmp_path, limit_kb, recorder):
    """A process that may not write more than a few KB stands for a disk without room."""
    tiny.save(tmp_path / "model.onnx", tiny.selective_info())
    media.write_video(tmp_path / "v.webm", frames=30, height=120, width=160)
    before = media.left_behind(tmp_path)
    child = f"""
        import resource, signal, sys
        if "{recorder}" == "OpenCV":
            sys.modules["av"] = None
        from tosa_edge.cli import app
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_kb * 1024}, {limit_kb * 1024}))
        app(["run", "--source", "v.webm", "--engine", "model.onnx", "--out", "out"])
    """
    command = [sys.executable, "-c", textwrap.dedent(child)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr
    assert "do: " in done.stderr
    assert "Traceback" not in done.stderr
    assert media.left_behind(tmp_path) == before
