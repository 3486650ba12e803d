"""`tune` on other people's models, made up: each becomes one of ours, and is sped up without training."""

import json

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.nn import official
from tosa_edge.cli import app
from tosa_edge.engine.load import load_graph
from tosa_edge.tuning.candidates import candidates

FAMILIES = {
    "depth_anything_vits14": (["--family", "depth-anything-v1"], "relative_inverse_depth"),
    "depth_anything_v2_vits": ([], "relative_inverse_depth"),
    "depth_anything_v2_metric_hypersim_vits": ([], "metric_depth"),
    "depth_anything_v2_metric_vkitti_vits": (["--max-depth", "80"], "metric_depth"),
    "distill_any_depth_vits": ([], "relative_inverse_depth"),
}


def call(*arguments):
    ended = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert ended.exit_code == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_tune_takes_a_model_of_every_family(tmp_path, monkeypatch, name):
    """Both of what it tries here: a smaller picture, and rows for several tokens."""
    told, output = FAMILIES[name]
    monkeypatch.setattr("tosa_edge.tuning.tune.candidates", lambda config: candidates(config)[:9:4])
    torch.save(official.depth_anything(layers=6, side=9), tmp_path / f"{name}.pth")
    call(
        "export",
        tmp_path / f"{name}.pth",
        "-o",
        tmp_path / "model",
        "--size",
        "84x126",
        "--dense",
        "--json",
        *told,
    )
    assert load_graph(str(tmp_path / "model")).info.output == output
    (tmp_path / "photos").mkdir()
    for number, picture in enumerate(np.random.default_rng(0).integers(0, 255, (2, 84, 126, 3), np.uint8)):
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), picture)
    photos = ["--images", tmp_path / "photos", "--rounds", "1", "--json"]
    tuned = call("tune", tmp_path / "model", *photos, "--budget", "99%", "-o", tmp_path / "tuned")
    assert len(tuned["tried"]) == 2
    assert all(0 <= tried["loss"] <= 1 for tried in tuned["tried"].values())
    if tuned["chosen"] != "dense":
        assert load_graph(tuned["model"]).info.output == output
