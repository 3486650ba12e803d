"""examples/first_depth.ipynb, cell by cell: what it shows is a picture."""

from __future__ import annotations

import ast
import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

NOTEBOOK = json.loads((Path(__file__).parent.parent / "examples/first_depth.ipynb").read_text())
CELLS = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def shown(cell: str, names: dict) -> object:
    """Runs a cell; the value of its last line if that is an expression, as a notebook shows it."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None


def test_it_holds_no_output_and_no_private_name():
    for cell in NOTEBOOK["cells"]:
        assert cell["cell_type"] in ("code", "markdown")
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    for node in ast.walk(ast.parse("\n".join(CELLS))):
        if isinstance(node, ast.ImportFrom):
            assert not [name for name in (node.module, *(a.name for a in node.names)) if "._" in f".{name}"]
            assert node.module.split(".")[0] in ("tosa_edge", "pathlib")
        elif isinstance(node, ast.Import):
            assert {a.name for a in node.names} <= {"tempfile", "cv2", "numpy", "tosa_edge"}


def test_every_cell_works(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: dict = {}
    values = [shown(cell, names) for cell in CELLS]
    pictures = [
        cv2.imdecode(np.frombuffer(value._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
        for value in values
        if hasattr(value, "_repr_png_")
    ]
    assert [picture.shape for picture in pictures] == [(336, 448, 3)] * 4 + [(420, 600, 3)]
    # Each is of its own: the frame, its depth, outlines, what was attended to.
    assert all((one != other).any() for one, other in pairwise(pictures[:4]))
    assert (pictures[-1] != 255).any(-1).mean() == pytest.approx(0.2, abs=0.15)
    assert f"element vertex {336 * 448}" in capsys.readouterr().out
