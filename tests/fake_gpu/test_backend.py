"""The TensorRT backend against ONNX Runtime on the same graphs: the same numbers, whatever the way in."""

from __future__ import annotations

import gc
import threading
from functools import lru_cache

import numpy as np
import pytest

from tests import tiny
from tests.fake_gpu import models
from tests.fake_gpu import trt as fake_trt
from tests.fake_gpu.machine import Foreign, OfTorch
from tosa_edge.cuda import dlpack
from tosa_edge.cuda.arrays import DeviceArray
from tosa_edge.cuda.context import Context
from tosa_edge.cuda.driver import call
from tosa_edge.cuda.stream import Stream
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.interface import Port


def image(seed: int = 0) -> np.ndarray:
    return tiny.picture(seed=seed)[None]


@lru_cache
def expected(seed: int = 0) -> dict[str, np.ndarray]:
    with models.reference() as backend:
        return backend.infer({"image": image(seed)})


def same(ours, theirs) -> None:
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        found = ours[name].numpy() if isinstance(ours[name], DeviceArray) else ours[name]
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, value)


@pytest.mark.parametrize("integrated", [False, True])
@pytest.mark.parametrize("graphs", [True, False])
def test_host_arrays_give_host_arrays_that_can_be_kept(fake, trt, integrated, graphs):
    fake.machine(integrated=integrated)
    with models.open_tensorrt(trt, graphs=graphs) as backend:
        found = [backend.infer({"image": image(seed)}) for seed in range(4)]
        assert fake.calls("cuGraphLaunch") > 0 or not graphs
    for seed, outputs in enumerate(found):
        same(outputs, expected(seed))


def test_its_ports_are_those_of_the_graph(fake, trt):
    with models.open_tensorrt(trt) as backend, models.reference() as reference:
        assert backend.inputs == reference.inputs == (Port("image", "uint8", image().shape),)
        assert backend.outputs == reference.outputs


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("integrated", [False, True])
def test_device_arrays_give_device_arrays_that_can_be_kept(fake, trt, graphs, integrated):
    fake.machine(integrated=integrated)
    with models.open_tensorrt(trt, graphs=graphs) as backend:
        with backend.acquire():
            given = [Foreign(image(seed)) for seed in range(4)]
        found = [backend.infer({"image": array}) for array in given]
        assert all(isinstance(value, DeviceArray) for outputs in found for value in outputs.values())
        for seed, outputs in enumerate(found):
            same(outputs, expected(seed))
        assert len({outputs["depth"].pointer for outputs in found}) == 4
        del outputs, found
        with backend.acquire():
            for array in given:
                array.free()


def test_a_tensor_stays_with_us_until_the_copy_is_done(fake, trt):
    with models.open_tensorrt(trt) as backend, backend.acquire() as execution:
        producer = Stream(execution.context)
        array = Foreign(image(), stream=producer.handle)
        execution.feed({"image": OfTorch(array, producer)})  # and nobody else holds it
        assert len(dlpack._exported) == 1
        execution.replay()
        same(dict(execution.results_on_gpu()), expected())
        execution.settle()
        assert not dlpack._exported
        array.free()


def test_results_let_go_are_used_again_and_given_back(fake, trt):
    with models.open_tensorrt(trt) as backend:
        with backend.acquire():
            given = Foreign(image())
        for _ in range(3):
            backend.infer({"image": given})
        most = fake.live()["memory"]
        for _ in range(5):
            backend.infer({"image": given})
        assert fake.live()["memory"] == most
        kept = backend.infer({"image": given})["depth"]
        with backend.acquire():
            given.free()
    same({"depth": kept}, {"depth": expected()["depth"]})  # it outlives the backend
    assert fake.live() == {"memory": 1, "primary": 1}
    del kept


def test_each_call_under_way_has_a_context_of_its_own_and_they_are_used_again(fake, trt):
    answers: dict[int, list] = {}
    barrier = threading.Barrier(3)

    def work(seed: int) -> None:
        for turn in range(5):
            if not turn:
                barrier.wait()
            answers.setdefault(seed, []).append(backend.infer({"image": image(seed)}))

    with models.open_tensorrt(trt) as backend:
        with backend.acquire(), backend.acquire():
            assert fake_trt.Engine.contexts == 2
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 2 <= fake_trt.Engine.contexts <= 3
        for _ in range(20):  # threads that come and go, one after the other
            thread = threading.Thread(target=backend.infer, args=({"image": image()},))
            thread.start()
            thread.join()
        assert fake_trt.Engine.contexts <= 3
    gc.collect()
    assert fake_trt.Engine.contexts == 0
    for seed, found in answers.items():
        assert len(found) == 5
        for outputs in found:
            same(outputs, expected(seed))


def test_an_applications_own_context_is_used_and_left_as_it_was(fake, trt):
    own = fake.context()
    call("cuCtxPushCurrent", own)
    backend = models.open_tensorrt(trt)
    backend.activate()
    given = Foreign(image())  # in the application's context
    same(backend.infer({"image": given}), expected())
    assert int(call("cuCtxGetCurrent")) == own
    given.free()
    call("cuCtxPopCurrent")
    # From a thread where nothing is current, and where something else is.
    same(backend.infer({"image": image()}), expected())
    call("cuCtxPushCurrent", other := fake.context())
    same(backend.infer({"image": image()}), expected())
    assert int(call("cuCtxGetCurrent")) == other
    backend.deactivate()
    assert int(call("cuCtxGetCurrent")) == other
    call("cuCtxPopCurrent")
    assert fake.calls("cuDevicePrimaryCtxRetain") == fake.calls("cuDevicePrimaryCtxRelease")


def test_an_array_of_another_context_is_refused(fake, trt):
    with models.open_tensorrt(trt) as backend:
        call("cuCtxPushCurrent", fake.context())
        given = Foreign(image())
        with pytest.raises(TosaEdgeError, match="another CUDA context") as error:
            backend.infer({"image": given})
        assert "when it was loaded" in error.value.remedy
        given.free()
        call("cuCtxPopCurrent")
        same(backend.infer({"image": image()}), expected())  # and no harm is done


@pytest.mark.parametrize(
    "feeds",
    [
        {},
        {"picture": image()},
        {"image": image(), "kept": np.zeros(2)},
        {"image": image()[:, :2]},
        {"image": image().astype(np.float32)},
    ],
)
def test_wrong_feeds_are_told_what_is_right(fake, trt, feeds):
    with models.open_tensorrt(trt) as backend:
        with pytest.raises(TosaEdgeError, match="tiny did not run") as error:
            backend.infer(feeds)
        assert f"image uint8 [1, {tiny.HEIGHT}, {tiny.WIDTH}, 3]" in error.value.remedy
        assert fake_trt.Engine.contexts == 1  # which goes on serving
        same(backend.infer({"image": image()}), expected())


def test_an_array_with_gaps_is_refused_by_the_backend(fake, trt):
    with models.open_tensorrt(trt) as backend:
        with backend.acquire():
            given = Foreign(np.zeros((1, 3, tiny.HEIGHT, tiny.WIDTH), np.uint8)).permuted(0, 2, 3, 1)
        with pytest.raises(TosaEdgeError, match="axes in another order"):
            backend.infer({"image": given})
        with backend.acquire():
            given.free()


def test_activating_and_deactivating_twice_is_harmless(fake, trt):
    backend = models.open_tensorrt(trt)
    for _ in range(2):
        backend.activate()
        backend.activate()
        same(backend.infer({"image": image()}), expected())
        backend.deactivate()
        backend.deactivate()
        assert fake_trt.Engine.contexts == 0
        assert not fake.live()
    for use in (lambda: backend.infer({"image": image()}), lambda: backend.inputs):
        with pytest.raises(RuntimeError, match="not active"):
            use()


def test_closed_in_the_middle_of_a_call_it_ends_as_it_would_have(fake, trt):
    backend = models.open_tensorrt(trt)
    backend.activate()
    with backend.acquire() as execution:
        backend.deactivate()
        execution.feed({"image": image()})
        execution.replay()
        same(dict(execution.results_on_host()), expected())
    gc.collect()
    assert fake_trt.Engine.contexts == 0


def test_what_tensorrt_refuses_is_said(fake, trt):
    with models.open_tensorrt(trt, graphs=False) as backend:
        fake_trt.behaviour["refuses"] = True
        with pytest.raises(TosaEdgeError, match="TensorRT did not run tiny"):
            backend.infer({"image": image()})
        fake_trt.behaviour.clear()
        same(backend.infer({"image": image()}), expected())
    fake_trt.behaviour["no memory"] = True
    with pytest.raises(MachineLacks, match="no memory for running tiny"):
        models.open_tensorrt(trt).activate()


def test_no_memory_at_any_point_leaves_nothing_behind(fake, trt):
    for function in ("cuMemAlloc", "cuMemHostAlloc", "cuStreamCreate", "cuEventCreate"):
        fake.fail(function, 2)
        refused = rf"refused {function}: CUDA_ERROR_OUT_OF_MEMORY"
        with pytest.raises(MachineLacks, match=refused) as error, models.open_tensorrt(trt) as backend:
            backend.infer({"image": image()})
        assert "Close other programs" in error.value.remedy
        fake.fail(function, 0)
        del error
        gc.collect()
        assert not fake.live(), function


def test_a_gpu_that_is_lost_in_the_middle_is_one_line(fake, trt):
    backend = models.open_tensorrt(trt)
    backend.activate()
    fake.fail("cuStreamSynchronize", 700)
    with pytest.raises(TosaEdgeError, match="CUDA_ERROR_ILLEGAL_ADDRESS") as error:
        backend.infer({"image": image()})
    assert "start the program again" in error.value.remedy
    fake.fail("cuStreamSynchronize", 0)
    backend.deactivate()


def test_dynamic_shapes_are_refused(fake, trt, monkeypatch):
    monkeypatch.setattr(fake_trt.Engine, "get_tensor_shape", lambda self, name: (-1, 3))
    with pytest.raises(TosaEdgeError, match="only fixed sizes"):
        models.open_tensorrt(trt).activate()


def test_a_context_is_shared_by_what_was_made_in_it(fake):
    first = Context.here()
    with first.active():
        assert int(call("cuCtxGetCurrent")) == int(first.handle)
        assert int(Context.here().handle) == int(first.handle)
        with first.active():
            assert fake.depth() == 1  # current already: not pushed again
