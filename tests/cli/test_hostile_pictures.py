"""Pictures of no size and of any, by command."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests import tiny
from tosa_edge.cli import app
from tosa_edge.runtime.sinks.video import CODECS, count_frames


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny.save(tmp_path / "m.onnx", tiny.selective_info())
    return tmp_path


def run(*command: str, code: int) -> dict:
    done = CliRunner().invoke(app, ["run", "--engine", "m.onnx", *command, "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 3000), (3000, 1), (3, 2), (31, 7)])
def test_the_smallest_pictures_are_recorded(size, folder):
    """AVI ended the process, WebM spoke of the disk."""
    cv2.imwrite("p.png", np.full((*size, 3), 90, np.uint8))
    for ending in CODECS:
        result = run("--source", "p.png", "--record", f"v{ending}", code=0)
        assert result["outputs"] == [f"v{ending}"]
        assert count_frames(folder / f"v{ending}") == 1


def test_a_single_pixel_goes_into_every_file():
    cv2.imwrite("p.png", np.full((1, 1, 3), 90, np.uint8))
    result = run("--source", "p.png", "--out", "o", "--depth-maps", "--png", "--ply", code=0)
    assert result["frames"] == 1
    assert np.load("o/depth/000000.npy").shape == (1, 1)
