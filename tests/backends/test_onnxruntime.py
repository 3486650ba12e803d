"""The ONNX Runtime backend against the tiny models' known answers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests import tiny
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph import LoadedGraph
from tosa_edge.interface import Port


def graph(about=None) -> LoadedGraph:
    about = about or tiny.info()
    return LoadedGraph(tiny.model(about), about, "tiny")


def test_gives_the_known_depth_and_patches():
    picture = tiny.picture()
    with OnnxRuntimeBackend(graph(tiny.selective_info()), threads=1) as backend:
        outputs = backend.infer({"image": picture[None]})
    np.testing.assert_allclose(outputs["depth"][0], tiny.expected_depth(picture), atol=1e-6)
    np.testing.assert_array_equal(outputs["kept"][0], tiny.expected_kept(picture))


def test_names_its_ports():
    with OnnxRuntimeBackend(graph(tiny.selective_info())) as backend:
        assert backend.inputs == (Port("image", "uint8", (1, tiny.HEIGHT, tiny.WIDTH, 3)),)
        assert [(p.name, p.dtype) for p in backend.outputs] == [("depth", "float32"), ("kept", "int32")]


def test_activating_and_deactivating_twice_is_harmless():
    backend = OnnxRuntimeBackend(graph())
    backend.activate()
    backend.activate()
    backend.deactivate()
    backend.deactivate()
    with pytest.raises(RuntimeError, match="not active"):
        backend.infer({"image": tiny.picture()[None]})


def test_batches():
    pictures = np.stack([tiny.picture(seed=1), tiny.picture(seed=2)])
    with OnnxRuntimeBackend(graph(tiny.info(batch=2))) as backend:
        depth = backend.infer({"image": pictures})["depth"]
    np.testing.assert_allclose(depth, [tiny.expected_depth(p) for p in pictures], atol=1e-6)


@pytest.mark.parametrize(
    "feeds",
    [
        {"image": np.zeros((1, 2, 2, 3), np.uint8)},  # another size
        {"image": np.zeros((1, tiny.HEIGHT, tiny.WIDTH, 3), np.float32)},  # another type
        {"picture": np.zeros((1, tiny.HEIGHT, tiny.WIDTH, 3), np.uint8)},  # another name
    ],
)
def test_wrong_feeds_are_told_what_is_right(feeds):
    with OnnxRuntimeBackend(graph()) as backend, pytest.raises(TosaEdgeError) as error:
        backend.infer(feeds)
    assert f"image uint8 [1, {tiny.HEIGHT}, {tiny.WIDTH}, 3]" in error.value.remedy


def test_a_graph_it_cannot_load_is_one_line():
    broken = tiny.model()
    broken.graph.node.append(onnx.helper.make_node("NoSuchOperator", ["depth"], ["x"]))
    with pytest.raises(TosaEdgeError, match="cannot load tiny") as error:
        OnnxRuntimeBackend(LoadedGraph(broken, tiny.info(), "tiny")).activate()
    assert "\n" not in error.value.what


def test_a_plugin_form_is_told_what_computes_it():
    about = tiny.selective_info(form="plugin")
    with pytest.raises(TosaEdgeError, match="TensorRT computes with our plugin") as error:
        OnnxRuntimeBackend(graph(about)).activate()
    assert "the portable form" in error.value.remedy


def test_negative_threads_are_refused():
    with pytest.raises(TosaEdgeError, match="-1 threads"):
        OnnxRuntimeBackend(graph(), threads=-1)


def test_profile_is_written_when_deactivated(tmp_path):
    backend = OnnxRuntimeBackend(graph(), profile=tmp_path / "p")
    with backend:
        backend.infer({"image": tiny.picture()[None]})
    assert backend.profile_path is not None
    assert "ReduceMean" in backend.profile_path.read_text()
