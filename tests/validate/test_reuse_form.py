"""The reference that takes its patches from outside: the same arithmetic, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny
from tests.validate.samples import tiny_folder
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.engine.load import load_graph
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph import LoadedGraph
from tosa_edge.validate.reuse_form import reuse_form


def run(graph, **feeds):
    with OnnxRuntimeBackend(graph, threads=1, optimise=False) as backend:
        return backend.infer(feeds)


@pytest.mark.parametrize("variant", ["g1", "g3", "g1.fp16"])
def test_with_its_own_patches_it_is_the_portable_graph(tmp_path, variant):
    folder = tiny_folder(tmp_path)
    portable = load_graph(f"{folder}:{variant}")
    image = tiny.picture(56, 84)[None]
    own = run(portable, image=image)
    given = reuse_form(portable)
    assert [o.name for o in given.proto.graph.output] == ["depth"]
    assert not [n for n in given.proto.graph.node if n.op_type in ("TokenImportance", "TopK")]
    np.testing.assert_array_equal(run(given, image=image, kept=own["kept"])["depth"], own["depth"])


def test_with_other_patches_it_is_the_exported_reuse_graph(tmp_path):
    folder = tiny_folder(tmp_path)
    exported, ours = load_graph(f"{folder}:g1.reuse"), reuse_form(load_graph(f"{folder}:g1"))
    info = exported.info
    kept = np.tile(np.arange(info.kept, dtype=np.int32), (1, len(info.selections), 1))
    feeds = {"image": tiny.picture(56, 84)[None], "kept": kept}
    np.testing.assert_array_equal(run(ours, **feeds)["depth"], run(exported, **feeds)["depth"])
    assert (ours.info.form, ours.info.selections) == ("reuse", info.selections)


def test_what_selects_nothing_stays_as_it_is(tmp_path):
    folder = tiny_folder(tmp_path)
    for variant in ("dense", "g1.reuse"):
        graph = load_graph(f"{folder}:{variant}")
        assert reuse_form(graph) is graph


def test_selections_that_cannot_be_found():
    about = tiny.selective_info()
    model = tiny.model(about)
    model.graph.node[-1].op_type = "Abs"
    with pytest.raises(TosaEdgeError, match="the selections of tiny cannot be found"):
        reuse_form(LoadedGraph(model, about, "tiny"))
