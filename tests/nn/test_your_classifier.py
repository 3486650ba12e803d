"""`docs/your_classifier.md` as its reader has it, on made-up weights: every command copied and run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.cli.test_classifiers import labelled
from tests.nn.test_transformers import randomised
from tests.pages import blocks, commands, run_here
from tosa_edge.class_model import ClassModel
from tosa_edge.tuning import rivals

PAGE = Path(__file__).parents[2] / "docs/your_classifier.md"


@pytest.fixture
def deit(timm, tmp_path):
    """All layers of a small one, so that the page's own fit; narrower than any that is published."""
    torch.manual_seed(0)
    shape = {"embed_dim": 64, "num_heads": 1, "img_size": 64, "num_classes": 3}
    model = randomised(timm.create_model("deit_small_patch16_224", **shape))
    save_file(model.state_dict(), tmp_path / "deit_small.safetensors")
    return model


@pytest.mark.slow
def test_every_command_of_the_page_works_as_it_stands(deit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labelled(tmp_path / "pictures", ("ant", "bee", "cat"), each=3)
    labelled(tmp_path / "photos", ("any", "other"), each=2)
    every = rivals.rivals
    monkeypatch.setattr(rivals, "rivals", lambda config: every(config)[:2])  # of tracing each takes seconds
    lines = commands(PAGE)
    assert len(lines) == 6
    for line in lines:
        run_here(line.replace("--steps 600", "--steps 2"))
    assert list((tmp_path / "engines").glob("*half*"))
    assert (tmp_path / "against/against.svg").is_file()
    assert (tmp_path / "taught/weights.safetensors").is_file()
    with ClassModel.load("half.int8.onnx") as model:
        assert model.info.ways


def test_its_programs_work_as_they_stand(deit, tmp_path, monkeypatch):
    images = torch.randn(2, 3, 64, 64)
    before = deit(images)
    patching, loading = blocks(PAGE, "python")
    exec(compile(patching, str(PAGE), "exec"), {"model": deit})
    assert deit(images).shape == before.shape
    assert not torch.allclose(deit(images), before)
    ast.parse(loading)
    assert "ClassModel.load" in loading
