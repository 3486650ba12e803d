"""No tensor of a graph has the name of a function's input."""

import onnx
import pytest

from tests.nets import tiny_checkpoint, tiny_pattern
from tosa_edge.export import folder
from tosa_edge.export.names import ambiguous_names
from tosa_edge.export.trace import trace
from tosa_edge.find_model import ASSETS

SHIPPED = sorted(ASSETS.glob("*/*.onnx"))


def test_all_shipped_graphs():
    with_functions = 0
    for path in SHIPPED:
        model = onnx.load(path, load_external_data=False)
        with_functions += bool(model.functions)
        assert not ambiguous_names(model), path
    assert with_functions > len(SHIPPED) / 3


@pytest.mark.parametrize("what", ["node", "input", "output", "initializer"])
def test_whatever_has_the_name_is_found(what):
    model = onnx.load(next(path for path in SHIPPED if path.name == "g1.onnx"), load_external_data=False)
    graph = model.graph
    if what == "node":
        graph.node[3].output[0] = "qkv"
    else:
        getattr(graph, what)[0].name = "qkv"
    assert ambiguous_names(model) == {"qkv"}


def test_an_export_refuses_itself(tmp_path, monkeypatch):
    def traced(*arguments, **named):
        model = trace(*arguments, **named)
        for node in model.graph.node:
            for names in (node.input, node.output):
                names[:] = ["index" if name == "kept" else name for name in names]
        model.graph.output[1].name = "index"
        return model

    monkeypatch.setattr(folder, "trace", traced)
    with pytest.raises(AssertionError, match=r"an input of a function: \['index'\]"):
        folder.export_graph(tiny_checkpoint(tmp_path), tiny_pattern(1))
