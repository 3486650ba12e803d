import numpy as np
import pytest
from onnx import numpy_helper

from tests.calibration.make import pictures, ranges_of, tiny_graph
from tosa_edge.calibration.placement import find_layers
from tosa_edge.calibration.ranges import LEAST, METHODS, feeds_of, measure
from tosa_edge.errors import TosaEdgeError


def test_minmax_is_what_the_tensor_takes(graph):
    """The patch embedding sees nothing but normalised pixels."""
    low, high = ranges_of(graph)["div"]
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = (pictures() / 255 - mean) / std
    np.testing.assert_allclose([low, high], [pixels.min(), pixels.max()], rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("form", ["portable", "reuse"])
def test_every_method_on_every_form(method, form, capsys):
    graph = tiny_graph(form=form)
    ranges, widest = ranges_of(graph, method), ranges_of(graph)
    assert set(ranges) == {layer.activation for layer in find_layers(graph.proto)}
    for name, (low, high) in ranges.items():
        assert widest[name][0] - 1e-6 <= low <= 0 <= high <= widest[name][1] + 1e-6
        assert high - low >= LEAST
    assert capsys.readouterr().out == ""  # stdout belongs to --json


def test_percentile_cuts_what_hardly_ever_happens(graph):
    wide, narrow = ranges_of(graph), ranges_of(graph, "percentile")
    assert sum(narrow[name] != wide[name] for name in wide) > len(wide) / 2


def test_batches_are_filled_up_and_reuse_graphs_see_every_token():
    graph = tiny_graph(form="reuse", batch=2)
    feeds = list(feeds_of(graph.info, pictures(5)))
    assert [f["image"].shape[0] for f in feeds] == [2, 2, 2]
    np.testing.assert_array_equal(feeds[-1]["image"][0], feeds[-1]["image"][1])
    assert set(np.concatenate([f["kept"].ravel() for f in feeds])) == set(range(graph.info.tokens))
    for kept in (f["kept"] for f in feeds):
        assert (np.diff(kept, axis=-1) > 0).all()
    assert ranges_of(graph, count=5)


def test_a_model_that_computes_nonsense_is_refused(graph):
    for tensor in graph.proto.graph.initializer:
        if tensor.name.endswith("patch_embed.proj.weight"):
            broken = numpy_helper.from_array(np.full(tensor.dims, np.nan, np.float16), tensor.name)
            tensor.CopyFrom(broken)
    for method in METHODS:
        with pytest.raises(TosaEdgeError, match="not finite"):
            ranges_of(graph, method)


def test_an_unknown_method(graph):
    with pytest.raises(TosaEdgeError, match="--method guess"):
        measure(graph, [], pictures(1), "guess")
