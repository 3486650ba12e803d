"""What goes into a job and what comes out of it."""

from __future__ import annotations

import csv
import io
import json
import os
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import media, tiny
from tests.batch.jobs import asked_for, depth_of, done, job, pictures, results
from tosa_edge import DepthModel
from tosa_edge.batch.inputs import shards_of
from tosa_edge.batch.model import BatchModel
from tosa_edge.batch.run import prepared
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.pictures.reading import read_picture


@pytest.fixture
def parquet():
    return pytest.importorskip("pyarrow.parquet", reason="not installed here: pip install 'tosa-edge[batch]'")


def rows(parquet, output: Path) -> list[dict]:
    return parquet.read_table(output / "shards").to_pylist()


def huge(path: Path) -> Path:
    """A PNG of 100,000 x 100,000 in a few bytes."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    parts = [head, b"IDAT" + zlib.compress(b""), b"IEND"]
    chunks = [struct.pack(">I", len(p) - 4) + p + struct.pack(">I", zlib.crc32(p)) for p in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def test_a_folder_becomes_parquet_that_holds_what_the_model_gave(tmp_path, parquet):
    pictures(tmp_path / "p", 7)
    pictures(tmp_path / "p/more", 3, 50, 40)
    asked = job(tmp_path, tmp_path / "p")
    summary = done(asked)
    assert {k: summary[k] for k in ("done", "failed", "shards", "shards_done")} == {
        "done": 10,
        "failed": 0,
        "shards": 3,
        "shards_done": 3,
    }
    found = rows(parquet, tmp_path / "out")
    assert [row["name"] for row in found] == [f"{i}.png" for i in range(7)] + [
        f"more/{i}.png" for i in range(3)
    ]
    with DepthModel.load(asked.model) as model:
        for row in found:
            assert row["source"] == str(tmp_path / "p" / row["name"])
            picture = read_picture(Path(row["source"]))
            wanted = model(picture)
            assert (row["height"], row["width"]) == wanted.shape == picture.shape[:2]
            step = (row["most"] - row["least"]) / 65535
            assert np.abs(depth_of(row) - wanted).max() <= step
            assert (row["index"], row["time_s"]) == (0, None)
    facts = json.loads(parquet.read_schema(tmp_path / "out/shards/00000000.parquet").metadata[b"tosa-edge"])
    assert facts["output"] == "relative_inverse_depth"
    assert "least + value / 65535" in facts["read"]


def test_the_schema_is_the_documented_one(tmp_path, parquet):
    done(job(tmp_path, pictures(tmp_path / "p", 1)))
    schema = parquet.read_schema(tmp_path / "out/shards/00000000.parquet")
    told = (Path(__file__).parents[2] / "docs/batch.md").read_text()
    table = [line.split("|")[1:3] for line in told.splitlines() if line.startswith("| `")]
    documented = {name.strip(" `"): kind.strip() for name, kind in table}
    assert {field.name: str(field.type) for field in schema} == {
        name: documented[name] for name in schema.names
    }
    assert [field.name for field in schema if field.nullable] == ["time_s"]


def test_duckdb_reads_it(tmp_path, parquet):
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    done(job(tmp_path, pictures(tmp_path / "p", 9)))
    query = f"select count(*), sum(octet_length(depth)), min(width) from '{tmp_path}/out/shards/*.parquet'"
    count, size, width = duckdb.connect().sql(query).fetchall()[0]
    assert (count, width) == (9, 30)
    assert size == sum(len(row["depth"]) for row in rows(parquet, tmp_path / "out"))


def test_what_cannot_be_read_is_set_aside_and_stops_nothing(tmp_path):
    folder = pictures(tmp_path / "p", 5)
    media.cut(media.write_picture(folder / "cut.png", 60, 90))
    huge(folder / "huge.png")
    (folder / "empty.jpg").touch()
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to(folder / "nowhere")
    media.write_picture(folder / "unreadable.png").chmod(0)
    (folder / "text.jpg").write_text("no picture")
    summary = done(job(tmp_path, folder, form="files"))
    with open(summary["failures"], newline="") as file:
        failed = {row["name"]: row["reason"] for row in csv.DictReader(file)}
    wanted = {
        "cut.png": "damaged",
        "huge.png": "more than",
        "empty.jpg": "0 bytes",
        "text.jpg": "not a picture",
    }
    if os.geteuid():
        wanted["unreadable.png"] = "denied"
    assert set(failed) == set(wanted)
    assert all(word in failed[name] for name, word in wanted.items())
    assert (summary["done"], summary["failed"]) == (5 + (not os.geteuid()), len(wanted))


def test_files_have_an_index_and_the_depth_as_it_was(tmp_path):
    folder = pictures(tmp_path / "p", 3)
    pictures(folder / "deep/er", 2)
    done(job(tmp_path, folder, form="files", depth="npz", shard=256))
    with open(tmp_path / "out/shards/00000000/index.csv", newline="") as file:
        index = {row["file"]: row for row in csv.DictReader(file)}
    assert set(index) == {*(f"{i}.png.npz" for i in range(3)), "deep/er/0.png.npz", "deep/er/1.png.npz"}
    with DepthModel.load(str(tmp_path / "m.onnx")) as model:
        for name, row in index.items():
            depth = np.load(tmp_path / "out/shards/00000000" / name)["depth"]
            wanted = model(read_picture(Path(row["source"])))
            np.testing.assert_array_equal(depth, wanted)
            assert (float(row["least"]), float(row["most"])) == (wanted.min(), wanted.max())


def test_npz_in_parquet_is_exact_too(tmp_path, parquet):
    done(job(tmp_path, pictures(tmp_path / "p", 2), depth="npz"))
    with DepthModel.load(str(tmp_path / "m.onnx")) as model:
        for row in rows(parquet, tmp_path / "out"):
            depth = np.load(io.BytesIO(row["depth"]))["depth"]
            np.testing.assert_array_equal(depth, model(read_picture(Path(row["source"]))))


def test_a_video_is_split_and_every_frame_is_there_once(tmp_path, parquet):
    video = media.write_video(tmp_path / "v.webm", 22)
    for threads in (1, 2):
        done(job(tmp_path, video, threads=threads), force=True)
        found = rows(parquet, tmp_path / "out")
        assert len(os.listdir(tmp_path / "out/shards")) == 6
        assert [row["index"] for row in found] == list(range(22))
        assert found[3]["name"] == "v.webm/00000003"
        assert found[3]["time_s"] == pytest.approx(0.3, abs=0.02)
        bright = np.array([depth_of(row).mean() * 255 for row in found])
        assert np.abs(bright - (20 + 6 * np.arange(22))).max() < 4, "frame i is the i-th"


def test_shards_of_a_video_may_be_done_in_any_order(tmp_path, parquet):
    video = media.write_video(tmp_path / "v.webm", 22)
    done(job(tmp_path, video))
    whole = results(tmp_path / "out")
    for number in (4, 1):
        (tmp_path / f"out/shards/{number:08d}.parquet").unlink()
    summary = done(job(tmp_path, video))
    assert (summary["shards_before"], summary["shards_done"]) == (4, 6)
    assert results(tmp_path / "out") == whole


def test_a_damaged_video_is_one_failure(tmp_path):
    media.cut(media.write_video(tmp_path / "p.webm", 22))
    summary = done(job(tmp_path, tmp_path / "p.webm", form="files"))
    assert (summary["done"], summary["failed"]) == (0, 1)
    assert "damaged" in Path(summary["failures"]).read_text()


@pytest.mark.parametrize("shape", ["bytes", "structure"])
def test_pictures_in_parquet(tmp_path, parquet, shape):
    arrow = pytest.importorskip("pyarrow")
    files = [media.write_picture(tmp_path / f"{i}.png", 20, 30, i).read_bytes() for i in range(11)]
    files[5], files[6] = None, b"no picture"
    values = files if shape == "bytes" else [{"bytes": data, "path": "x"} for data in files]
    table = arrow.table({"id": list(range(11)), "image": values})
    parquet.write_table(table, tmp_path / "in.parquet", row_group_size=3)
    summary = done(job(tmp_path, tmp_path / "in.parquet"))
    assert (summary["done"], summary["failed"]) == (9, 2)
    found = {row["index"]: row for row in rows(parquet, tmp_path / "out")}
    assert sorted(found) == [0, 1, 2, 3, 4, 7, 8, 9, 10]
    assert found[8]["name"] == "in.parquet/00000008"
    wanted = tiny.expected_depth(cv2.imdecode(np.frombuffer(files[8], np.uint8), 1))
    assert np.abs(depth_of(found[8]) - wanted).mean() < 0.01
    failed = Path(summary["failures"]).read_text()
    assert "has no picture" in failed
    assert "in.parquet/00000006 is not a picture" in failed
    (tmp_path / "out/shards/00000001.parquet").unlink()
    before = results(tmp_path / "out")
    done(job(tmp_path, tmp_path / "in.parquet"))
    assert {name: results(tmp_path / "out")[name] for name in before} == before
    with pytest.raises(TosaEdgeError, match="no column 'id'"):
        done(job(tmp_path, tmp_path / "in.parquet", output=str(tmp_path / "o2"), column="id"))


@pytest.mark.parametrize("threads", [1, 3])
def test_an_engine_of_several_is_used_whole(tmp_path, monkeypatch, threads):
    folder = pictures(tmp_path / "p", 10)
    media.write_picture(folder / "0.png", 70, 31)  # sizes may differ within a call
    (folder / "3.png").write_text("damaged")
    calls = []
    whole = BatchModel.__call__

    def counted(self, pictures):
        calls.append(len(pictures))
        return whole(self, pictures)

    monkeypatch.setattr(BatchModel, "__call__", counted)
    done(job(tmp_path, folder, batch=4, shard=256, form="files", depth="npz", threads=threads))
    assert calls == [4, 4, 1], "the damaged one takes no place"
    for path in (tmp_path / "out/shards/00000000").glob("*.npz"):
        picture = read_picture(folder / path.stem)
        with DepthModel.load(str(tiny.save(tmp_path / "one.onnx"))) as model:
            np.testing.assert_array_equal(np.load(path)["depth"], model(picture))


def test_a_depth_that_is_no_number_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(BatchModel, "__call__", lambda self, ps: [np.full(p.shape[:2], np.nan) for p in ps])
    summary = done(job(tmp_path, pictures(tmp_path / "p", 2), form="files"))
    assert (summary["done"], summary["failed"]) == (0, 2)
    assert "no finite depth" in Path(summary["failures"]).read_text()


def test_the_order_is_the_same_whoever_wrote_the_folder(tmp_path):
    for name in ("10.png", "9.png", "b/1.png", "a/2.png", "a/1.jpg", ".hidden.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a/round").symlink_to(tmp_path)
    shards = list(shards_of([str(tmp_path)], 3))
    assert [name for shard in shards for name in shard.names] == [
        "9.png",
        "10.png",
        "a/1.jpg",
        "a/2.png",
        "b/1.png",
    ]
    assert [(shard.number, shard.count) for shard in shards] == [(0, 3), (1, 2)]
    both = list(shards_of([str(tmp_path / "a"), str(tmp_path / "b")], 9))
    assert both[0].names == ("a/1.jpg", "a/2.png", "b/1.png"), "names stay apart"
    with pytest.raises(TosaEdgeError, match="holds no picture"):
        list(shards_of([str(tmp_path / "a/round/..")], 9)) and list(shards_of([_empty(tmp_path)], 9))


def _empty(folder: Path) -> str:
    (folder / "empty").mkdir()
    return str(folder / "empty")


def test_another_job_and_other_peoples_files_are_left_alone(tmp_path):
    folder = pictures(tmp_path / "p", 3)
    done(job(tmp_path, folder, form="files"))
    before = results(tmp_path / "out")
    with pytest.raises(TosaEdgeError, match="its depth is png16, and now npz"):
        prepared(job(tmp_path, folder, form="files", depth="npz"))
    assert results(tmp_path / "out") == before
    done(job(tmp_path, folder, form="files", depth="npz"), force=True)
    assert all(name.endswith((".npz", ".csv", ".json")) for name in results(tmp_path / "out"))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    with pytest.raises(TosaEdgeError, match="there already"):
        prepared(job(tmp_path, folder, output=str(mine)))
    with pytest.raises(TosaEdgeError, match="would lie in"):
        prepared(job(tmp_path, folder, output=str(folder / "out")))
    assert (mine / "thesis.txt").read_text() == "mine"


def test_half_a_plan_is_none(tmp_path):
    folder = pictures(tmp_path / "p", 3)
    (tmp_path / "out/.plan.part-999999999").mkdir(parents=True)
    assert done(job(tmp_path, folder, form="files"))["done"] == 3
    assert not (tmp_path / "out/.plan.part-999999999").exists()


def test_without_pyarrow_there_are_files(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    folder = pictures(tmp_path / "p", 2)
    with pytest.raises(MachineLacks, match="--as files"):
        done(job(tmp_path, folder))
    assert done(job(tmp_path, folder, output=str(tmp_path / "o2"), form="files"))["done"] == 2


def test_the_command_says_it_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "p", 6)
    (tmp_path / "p/bad.jpg").write_text("no picture")
    job(tmp_path)
    asked = ("--input", "p", "--output", "out", "--as", "files", "--shard", "3")
    result = asked_for(tmp_path, *asked, code=1)
    assert (result["done"], result["failed"], result["shards"], result["shards_before"]) == (6, 1, 3, 0)
    assert json.loads((tmp_path / "out/summary.json").read_text()) == result
    again = asked_for(tmp_path, *asked, code=1)
    assert (again["done"], again["failed"], again["shards_before"]) == (6, 1, 3)
    (tmp_path / "p/bad.jpg").unlink()
    assert asked_for(tmp_path, *asked, "--force")["failed"] == 0
    assert not (tmp_path / "out/failures.csv").exists()
    assert (
        "rtsp://x is no file" in asked_for(tmp_path, "--input", "rtsp://x", "--output", "o", code=2)["error"]
    )
    assert "there is no --as" in asked_for(tmp_path, *asked, "--as", "zip", code=2)["error"]
