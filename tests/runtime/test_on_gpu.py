"""For a machine with an NVIDIA GPU and TensorRT or TensorRT-RTX: `python -m pytest -m gpu`. Not run yet."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests import tiny
from tosa_edge import DepthModel
from tosa_edge.builder.build import build
from tosa_edge.cuda.arrays import DeviceArray
from tosa_edge.engine import BACKENDS, TENSORRT, TENSORRT_RTX
from tosa_edge.engine.this_machine import this_machine

pytestmark = pytest.mark.gpu
FRAMES = [tiny.picture(60 + 5 * seed, 90, seed=seed) for seed in range(4)]


@pytest.fixture(scope="module", params=[TENSORRT, TENSORRT_RTX])
def models(request, tmp_path_factory):
    """An engine, and the graph it was built from on the CPU."""
    if this_machine(BACKENDS).versions.get(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path_factory.mktemp("gpu")
    graph = tiny.save(folder / "m.onnx", tiny.selective_info())
    engine = build(str(graph), backend=request.param, out=folder, validate=False).engine
    with DepthModel.load(str(engine)) as ours, DepthModel.load(str(graph)) as theirs:
        yield ours, theirs


def check(ours, theirs, frame) -> None:
    found, right = ours.predict(frame), theirs.predict(frame)
    np.testing.assert_allclose(found.depth, right.depth, atol=2 / 255)
    np.testing.assert_array_equal(found.kept, right.kept)


def test_frames_of_the_host(models):
    for frame in FRAMES:
        check(*models, frame)
    assert models[0].fit_on_gpu
    models[0].fit_on_gpu = False
    check(*models, FRAMES[0])
    models[0].fit_on_gpu = True


def test_it_is_replayed_as_a_graph(models):
    for frame in FRAMES:
        models[0](frame)
    with models[0]._acquire() as execution:
        assert execution.replay.refused is None
        assert execution.replay.captured


def test_threads(models):
    answers = {}

    def work(n: int) -> None:
        answers[n] = [models[0](FRAMES[n]) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(FRAMES))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, found in answers.items():
        for depth in found:
            np.testing.assert_allclose(depth, models[1](FRAMES[n]), atol=2 / 255)


@pytest.mark.parametrize("library", ["torch", "cupy"])
def test_arrays_of_others(models, library):
    ours, theirs = models
    module = pytest.importorskip(library)
    frame = np.ascontiguousarray(FRAMES[0])
    if library == "torch":
        if not module.cuda.is_available():
            pytest.skip("this PyTorch is for the CPU")
        given = module.from_numpy(frame).permute(2, 0, 1).contiguous().cuda().permute(1, 2, 0)
    else:
        given = module.asarray(frame)
    found = ours.predict(given)
    assert isinstance(found.depth, DeviceArray)
    back = module.from_dlpack(found.depth)
    assert int(back.data_ptr() if library == "torch" else back.data.ptr) == found.depth.pointer
    np.testing.assert_allclose(found.depth.numpy(), theirs(frame), atol=2 / 255)
    host = back.cpu().numpy() if library == "torch" else back.get()
    np.testing.assert_array_equal(host, found.depth.numpy())
