import json
import re
from dataclasses import replace

import pytest

from tests.training.test_train_stages import RECIPE
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import sha256_of
from tosa_edge.training.curves import draw_curves, smooth
from tosa_edge.training.record import keep_record


@pytest.fixture
def start(tmp_path):
    path = tmp_path / "start.safetensors"
    path.write_bytes(b"weights")
    return path


def test_a_record_says_what_the_weights_come_from(start, tmp_path):
    keep_record(tmp_path / "run", RECIPE, start, tmp_path / "renders", 16, ["a: torn"])
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["recipe"]["name"] == "tiny"
    assert record["start"] == {"file": "start.safetensors", "sha256": sha256_of(start)}
    assert record["data"] == {"folder": "renders", "frames": 16, "refused": ["a: torn"]}
    keep_record(tmp_path / "run", RECIPE, start, tmp_path / "renders", 16, [])  # the same run goes on


def test_two_runs_do_not_share_a_folder(start, tmp_path):
    keep_record(tmp_path / "run", RECIPE, start, tmp_path, 16, [])
    with pytest.raises(TosaEdgeError, match="differs in its recipe"):
        keep_record(tmp_path / "run", replace(RECIPE, seed=9), start, tmp_path, 16, [])
    start.write_bytes(b"others")
    with pytest.raises(TosaEdgeError, match="its start and its data set"):
        keep_record(tmp_path / "run", RECIPE, start, tmp_path, 16, [])


def test_curves_show_every_loss_of_every_stage(tmp_path):
    for stage, names in (("dense", ["dense"]), ("elastic", ["dense", "match"])):
        (tmp_path / stage).mkdir()
        lines = [
            json.dumps({"step": i, **dict.fromkeys(names, 1 / i), "norm": 1, "seconds": 1}) for i in (1, 2)
        ]
        (tmp_path / stage / "log.jsonl").write_text("\n".join(lines) + '\n{"step": 3, "de')
    svg = draw_curves(tmp_path, ["dense", "elastic", "not begun"]).read_text()
    assert svg.count("<polyline") == 3
    assert ">match<" in svg
    assert ">norm<" not in svg
    assert "4 steps" in svg
    assert {f">{value}<" for value in ("0", "0.25", "0.5", "0.75", "1")} <= set(re.findall(r">[\d.]+<", svg))


@pytest.mark.parametrize("loss", ["NaN", "Infinity", "0.0"])
def test_a_loss_that_is_no_number_leaves_the_others_drawn(tmp_path, loss):
    (tmp_path / "dense").mkdir()
    (tmp_path / "dense" / "log.jsonl").write_text("".join(f'{{"a": {x}}}\n' for x in (loss, 0.0, 0.0)))
    svg = draw_curves(tmp_path, ["dense"]).read_text()
    assert not {"nan", "inf"} & set(re.findall(r"[a-z]+", svg))
    assert "350.0,450.0 650.0,450.0" in svg


def test_smoothing_is_a_running_mean():
    assert smooth([1.0, 3.0, 5.0, 7.0], 2) == [1, 2, 4, 6]
    assert smooth([1.0, 2.0], 1) == [1, 2]
