"""Which graph of a model is meant when no variant is named."""

import json

import pytest

from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import MODEL, WEIGHTS, find_graph


@pytest.fixture
def folder(tmp_path):
    for name in (WEIGHTS, "dense.onnx", "g1.onnx"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, "g1"),
        ("{", "g1"),
        ([], "g1"),
        ({"name": "older"}, "g1"),
        ({"selectors": True}, "g1"),
        ({"selectors": False}, "dense"),  # nobody trained it to skip
        ({"selectors": False, "default": "g1"}, "g1"),
        ({"default": "dense"}, "dense"),
        ({"default": "gone"}, "dense"),
        ({"default": "../../g1"}, "dense"),
        ({"default": 7}, "g1"),
    ],
)
def test_what_a_model_says_is_its_usual_variant(folder, said, meant):
    if said is not None:
        (folder / MODEL).write_text(said if isinstance(said, str) else json.dumps(said))
    assert find_graph(str(folder)) == folder / f"{meant}.onnx"
    assert find_graph(f"{folder}:g1") == folder / "g1.onnx"


def test_without_either_it_is_what_there_is(folder):
    for name in ("dense", "g1"):
        (folder / f"{name}.onnx").rename(folder / f"{name}2.onnx")
    assert find_graph(str(folder)) == folder / "dense2.onnx"
    with pytest.raises(TosaEdgeError, match="no variant 'g9'"):
        find_graph(f"{folder}:g9")
