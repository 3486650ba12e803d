"""What stale tokens cost, on a tiny model to which they cost nothing."""

import numpy as np
import pytest

from tests import tiny
from tosa_edge import DepthModel
from tosa_edge.training.study.token_age import OTHERS, losses, main, table


def test_tokens_of_another_picture_cost_a_model_nothing_that_does_not_read_them(tmp_path):
    full, reuse = (
        DepthModel.load(str(tiny.save(tmp_path / f"{form}.onnx", tiny.selective_info(form=form))), threads=1)
        for form in ("portable", "reuse")
    )
    images = np.stack([tiny.picture(140, 210, seed=seed) for seed in range(8)])
    depths = np.random.default_rng(0).uniform(1, 5, (8, 140, 210)).astype(np.float32)
    found = losses(full, reuse, images, depths)
    assert found.shape == (8 * (len(OTHERS) + 1), 2)
    assert not found[:, 1].any()


def test_a_row_is_the_mean_of_its_bin():
    found = np.array([[0.1, 0.02], [0.2, 0.04], [0.6, 0.1], [0.7, 0.3], [1.5, 0.0]])
    rows = table(found)
    assert [(row["from"], row["n"]) for row in rows] == [(0.0, 2), (0.5, 2)]
    assert [round(row["loss"], 6) for row in rows] == [0.03, 0.2]


def test_a_missing_folder_is_said_in_two_lines(tmp_path, capsys):
    pytest.importorskip("safetensors")
    assert main(["--shards", str(tmp_path / "gone")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2
