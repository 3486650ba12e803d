"""`DepthModel` on the GPU against itself on the CPU: frames of both sides and any size."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import tiny
from tests.fake_gpu import models
from tests.fake_gpu import trt as fake_trt
from tests.fake_gpu.machine import Foreign
from tosa_edge.cuda.arrays import DeviceArray
from tosa_edge.depth_model import DepthModel
from tosa_edge.errors import CheckFailed, MachineLacks, TosaEdgeError

MODES = ("letterbox", "stretch", "crop")


def on_gpu(trt, about=None, fit="letterbox", **options) -> DepthModel:
    about = about or tiny.selective_info()
    return DepthModel(models.open_tensorrt(trt, about, **options), about, "tiny", fit)


def on_cpu(about=None, fit="letterbox") -> DepthModel:
    about = about or tiny.selective_info()
    return DepthModel(models.reference(about), about, "tiny", fit)


def close_to(ours, theirs) -> None:
    """A colour may be rounded the other way, by one or two of 255, and depth here is their mean."""
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=2 / 255 + 1e-6)


@pytest.mark.parametrize("integrated", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(60, 90), (28, 42), (20, 100), (13, 9), (28, 84)])
def test_frames_of_the_host(fake, trt, size, mode, integrated):
    fake.machine(integrated=integrated)
    frames = [tiny.picture(*size, seed=seed) for seed in range(3)]
    with on_gpu(trt, fit=mode) as ours, on_cpu(fit=mode) as theirs:
        assert ours.fit_on_gpu
        found = [ours.predict(frame) for frame in frames]
        for frame, prediction in zip(frames, found, strict=True):
            right = theirs.predict(frame)
            close_to(prediction.depth, right.depth)
            assert prediction.kept.dtype == np.int32
            np.testing.assert_array_equal(prediction.kept, right.kept)
            assert prediction.fit == right.fit
            assert set(prediction.times_ms) == set(right.times_ms)
            assert all(taken >= 0 for taken in prediction.times_ms.values())


@pytest.mark.parametrize(("integrated", "copies"), [(True, 1), (False, 2)])
def test_where_memory_is_shared_depth_is_not_copied(fake, trt, integrated, copies):
    """It is written where the host reads it; a frame goes up everywhere, for a GPU caches its own memory."""
    fake.machine(integrated=integrated)
    counted = ("cuMemcpyAsync", "read of host memory", "write to host memory")
    with on_gpu(trt, tiny.info()) as model:
        for _ in range(3):
            before = [fake.calls(name) for name in counted]
            model(tiny.picture(60, 90))
            more = [fake.calls(name) - count for name, count in zip(counted, before, strict=True)]
            assert more == [copies, 0, int(integrated)]


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 120),
    width=st.integers(1, 120),
    mode=st.sampled_from(MODES),
    bgr=st.booleans(),
    first=st.sampled_from(["height", "colours"]),
)
def test_frames_of_the_gpu_stay_there(height, width, mode, bgr, first):
    """Also as PyTorch has them, colours first, and as OpenCV, blue first."""
    frame = tiny.picture(height, width)
    frame[..., 0] //= 2
    given_ = frame[..., ::-1] if bgr else frame
    with on_gpu(fake_trt.module(), fit=mode) as ours, on_cpu(fit=mode) as theirs:
        with ours._acquire():
            if first == "colours":
                array = Foreign(given_.transpose(2, 0, 1)).permuted(1, 2, 0)
            else:
                array = Foreign(given_)
        prediction, right = ours.predict(array, bgr), theirs.predict(given_, bgr)
        assert isinstance(prediction.depth, DeviceArray)
        assert prediction.depth.shape == (height, width)
        close_to(prediction.depth.numpy(), right.depth)
        np.testing.assert_array_equal(prediction.kept.numpy(), right.kept)
        with ours._acquire():
            array.free()


def test_a_part_of_a_larger_frame(fake, trt):
    whole = tiny.picture(80, 100)
    with on_gpu(trt) as ours, on_cpu() as theirs:
        with ours._acquire():
            part = Foreign(whole)
        part.shape, part.strides, part.offset = (40, 60, 3), whole.strides, whole[10:, 20:].ctypes.data
        part.offset -= whole.ctypes.data
        close_to(ours(part).numpy(), theirs(whole[10:50, 20:80]))
        with ours._acquire():
            part.free()


def test_without_a_copy_of_the_frame(fake, trt):
    with on_gpu(trt, tiny.info()) as model:
        with model._acquire():
            array = Foreign(tiny.picture(60, 90))
        for _ in range(3):
            before = fake.calls("cuMemcpyAsync")
            depth = model(array)
            assert fake.calls("cuMemcpyAsync") == before
        del depth
        with model._acquire():
            array.free()


def test_kept_goes_from_one_engine_into_another_on_the_gpu(fake, trt):
    frame = tiny.picture()
    reuse = tiny.selective_info(form="reuse")
    with on_gpu(trt) as full, on_gpu(trt, reuse) as next_, on_cpu(reuse) as right:
        with full._acquire():
            array = Foreign(frame)
        kept = full.predict(array).kept
        assert isinstance(kept, DeviceArray)
        again = next_.predict(array, kept=kept)
        assert again.kept is kept
        close_to(again.depth.numpy(), right.predict(frame, kept=tiny.expected_kept(frame)).depth)
        host = tiny.expected_kept(frame)
        assert next_.predict(frame, kept=host).kept is host
        next_.fit_on_gpu = False  # the frame on one side, what is kept on the other
        np.testing.assert_array_equal(
            next_.predict(frame, kept=kept).depth, right.predict(frame, kept=host).depth
        )
        with pytest.raises(TosaEdgeError, match="reuse graph"):
            next_.predict(array)
        del kept, again
        with full._acquire():
            array.free()


def test_any_thread_may_call_and_several_at_once(fake, trt):
    frames = [tiny.picture(40 + 9 * n, 70 - 5 * n, seed=n) for n in range(4)]
    answers: dict[int, list[np.ndarray]] = {n: [] for n in range(4)}
    with on_gpu(trt) as model, on_cpu() as theirs:

        def work(n: int) -> None:
            for _ in range(4):
                answers[n].append(model(frames[n]))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for n, found in answers.items():
            assert len(found) == 4
            for depth in found:
                close_to(depth, theirs(frames[n]))


@pytest.mark.parametrize(
    ("frame", "says"),
    [(np.zeros((8, 8), np.uint8), "is grey"), (np.zeros((8, 8, 4), np.uint8), "has a fourth channel")],
)
def test_what_is_no_picture_is_refused_on_both_sides(fake, trt, frame, says):
    with on_gpu(trt) as model:
        with model._acquire():
            array = Foreign(frame)
        for given_, words in ((frame, says), (array, "is not a colour picture")):
            with pytest.raises(TosaEdgeError, match=words):
                model(given_)
        with model._acquire():
            array.free()
        close_to(model(tiny.picture()), tiny.expected_depth(tiny.picture()))


def test_a_float_frame_is_taken_from_the_host_alone(fake, trt):
    frame = tiny.picture()
    with on_gpu(trt) as model:
        close_to(model(frame / np.float32(255)), tiny.expected_depth(frame))
        with model._acquire():
            array = Foreign(frame.astype(np.float32))
        with pytest.raises(TosaEdgeError, match="float32 on the GPU is not uint8"):
            model(array)
        with model._acquire():
            array.free()


def test_a_frame_larger_than_the_kernels_count(fake, trt):
    with on_gpu(trt) as model, pytest.raises(TosaEdgeError, match="larger than the GPU's kernels"):
        model(np.zeros((1, 40_000, 3), np.uint8))


def test_a_frame_of_the_gpu_and_a_model_on_the_cpu(fake, trt):
    with on_gpu(trt) as other, on_cpu() as model:
        with other._acquire():
            array = Foreign(tiny.picture())
        with pytest.raises(TosaEdgeError, match="tiny runs on the CPU") as error:
            model(array)
        assert "--backend tensorrt" in error.value.remedy
        with other._acquire():
            array.free()


def test_where_the_kernels_do_not_load_opencv_fits_frames(fake, trt, caplog):
    fake.fail("cuModuleLoadData", 222)
    with on_gpu(trt) as model, on_cpu() as theirs:
        assert not model.fit_on_gpu
        (said,) = caplog.records
        assert "frames are fitted by the CPU" in said.getMessage()
        assert "UNSUPPORTED_PTX_VERSION" in said.getMessage()
        frame = tiny.picture(60, 90)
        np.testing.assert_array_equal(model(frame), theirs(frame))
        with model._acquire():
            array = Foreign(frame)
        with pytest.raises(MachineLacks, match="UNSUPPORTED_PTX_VERSION") as error:
            model(array)
        assert not isinstance(error.value, CheckFailed)
        with model._acquire():
            array.free()
    fake.fail("cuModuleLoadData", 0)


def test_opencv_may_be_preferred(fake, trt):
    frame = tiny.picture(60, 90)
    with on_gpu(trt) as model, on_cpu() as theirs:
        model.fit_on_gpu = False
        np.testing.assert_array_equal(model(frame), theirs(frame))


def test_an_engine_of_something_else_is_refused(fake, trt, monkeypatch):
    monkeypatch.setattr(fake_trt.Engine, "get_tensor_name", lambda self, i: ["image", "labels"][i])
    monkeypatch.setattr(
        fake_trt.Engine, "get_tensor_mode", lambda self, name: fake_trt.TensorIOMode(1 + (name != "image"))
    )
    monkeypatch.setattr(fake_trt.Engine, "get_tensor_shape", lambda self, name: [1, 2])
    monkeypatch.setattr(fake_trt.Engine, "get_tensor_dtype", lambda self, name: fake_trt.DataType.UINT8)
    with pytest.raises(TosaEdgeError, match="has the input image as uint8"):
        on_gpu(trt, tiny.info())
    assert not fake.live()
