"""fit.cu against what OpenCV makes of the same geometry, and both against exact arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import tiny
from tosa_edge.cuda.arrays import packed
from tosa_edge.cuda.context import Context
from tosa_edge.cuda.kernels import Kernels
from tosa_edge.cuda.memory import Staging
from tosa_edge.cuda.stream import Stream
from tosa_edge.pictures.fit import Fit, fit_for

sides, modes = st.integers(1, 90), st.sampled_from(["letterbox", "stretch", "crop"])


@pytest.fixture(scope="module")
def gpu():
    context = Context.here()
    return context, Kernels(context), Stream(context)


def fitted(gpu, picture: np.ndarray, fit: Fit, bgr: bool = False) -> np.ndarray:
    context, kernels, stream = gpu
    with context.active():
        frame, image = Staging(context, picture.shape, "uint8"), Staging(context, (*fit.size, 3), "uint8")
        frame.host[:] = picture
        frame.upload(stream)
        kernels.fit_frame(image.pointer, frame.pointer, packed(picture.shape, 1), fit, bgr, stream)
        image.download(stream)
        stream.synchronize()
        return image.host.copy()


def restored(gpu, field: np.ndarray, fit: Fit) -> np.ndarray:
    context, kernels, stream = gpu
    with context.active():
        there, back = Staging(context, fit.size, "float32"), Staging(context, fit.frame_size, "float32")
        there.host[:] = field
        there.upload(stream)
        kernels.restore_depth(back.pointer, there.pointer, fit, stream)
        back.download(stream)
        stream.synchronize()
        return back.host.copy()


def exact(field: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The mean over each pixel where an axis shrinks, the line between two where it grows; float64."""
    for axis in (0, 1):
        field = np.moveaxis(_along(field.shape[axis], size[axis]) @ np.moveaxis(field, axis, -2), -2, axis)
    return field


def _along(have: int, want: int) -> np.ndarray:
    """The weights of one axis, [want, have], from cumulated sums: another way to the same numbers."""
    if have >= want:
        edges = np.linspace(0, have, want + 1)
        cumulated = np.clip(edges[:, None] - np.arange(have), 0, 1)
        return np.diff(cumulated, axis=0) * want / have
    places = np.clip((np.arange(want) + 0.5) * have / want - 0.5, 0, have - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(have)))


def colours(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@settings(max_examples=100, deadline=None)
@given(H=sides, W=sides, h=sides, w=sides, mode=modes, bgr=st.booleans(), seed=st.integers(0, 99))
def test_a_frame_is_fitted_as_exactly_as_eight_bits_can(gpu, H, W, h, w, mode, bgr, seed):
    picture, fit = colours(H, W, seed), fit_for((H, W), (h, w), mode)
    ours, theirs = fitted(gpu, picture, fit, bgr), fit.forward(picture, bgr)
    inside = fit.target.slices
    right = exact(picture[fit.source.slices].astype(np.float64), (fit.target.height, fit.target.width))
    right = right[..., ::-1] if bgr else right
    assert np.abs(ours[inside] - right).max() <= 0.5 + 1e-9
    # OpenCV rounds its weights to 11 bits, and in between where one side shrinks and the other grows.
    assert np.abs(ours.astype(int) - theirs).max() <= 2
    outside = np.ones((h, w), bool)
    outside[inside] = False
    np.testing.assert_array_equal(ours[outside], theirs[outside])


@settings(max_examples=100, deadline=None)
@given(H=sides, W=sides, h=sides, w=sides, mode=modes, seed=st.integers(0, 99))
def test_depth_comes_back_as_right_as_opencv_brings_it(gpu, H, W, h, w, mode, seed):
    fit = fit_for((H, W), (h, w), mode)
    field = np.random.default_rng(seed).uniform(0.1, 10, (h, w)).astype(np.float32)
    seen = exact(field[fit.target.slices].astype(np.float64), (fit.source.height, fit.source.width))
    box = fit.source
    margins = (box.top, H - box.top - box.height), (box.left, W - box.left - box.width)
    right = np.pad(seen, margins, mode="edge")
    ours, theirs = np.abs(restored(gpu, field, fit) - right).max(), np.abs(fit.backward(field) - right).max()
    assert ours <= 2 * theirs + 8 * np.spacing(np.float32(10))


@pytest.mark.parametrize("mode", ["letterbox", "stretch", "crop"])
def test_a_photograph_of_full_size(gpu, mode):
    picture = tiny.picture(480, 640)
    fit = fit_for((480, 640), (252, 336), mode)
    ours, theirs = fitted(gpu, picture, fit).astype(int), fit.forward(picture).astype(int)
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 0.01  # where the exact value lies in the middle between two
    field = np.random.default_rng(0).uniform(1, 2, (252, 336)).astype(np.float32)
    np.testing.assert_allclose(restored(gpu, field, fit), fit.backward(field), rtol=2e-6)


@pytest.mark.parametrize("short", [(1, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("long", [(32767, 14), (14, 32767), (32767, 32766), (32766, 32767)])
def test_the_longest_side_that_is_counted(gpu, long, short):
    """There and back, in both directions: nothing wraps round."""
    for down, across in ((long, short), (short, long)):
        frame, size = (down[0], across[0]), (down[1], across[1])
        picture, fit = colours(*frame, seed=1), fit_for(frame, size, "stretch")
        right = exact_sparse(picture, size)
        assert np.abs(fitted(gpu, picture, fit) - right).max() <= 0.5 + 1e-6


def exact_sparse(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As `exact`, an axis and a pixel at a time, for sides whose table of weights would not fit."""
    field = picture.astype(np.float64)
    for axis in (0, 1):
        have, want = field.shape[axis], size[axis]
        moved = np.moveaxis(field, axis, 0)
        if have >= want:
            total = np.concatenate([np.zeros((1, *moved.shape[1:])), np.cumsum(moved, 0)])
            edges = np.arange(want + 1) * have / want
            whole = np.minimum(edges.astype(int), have - 1)
            shape = (-1,) + (1,) * (moved.ndim - 1)
            at = total[whole] + (edges - whole).reshape(shape) * moved[whole]
            moved = np.diff(at, axis=0) * want / have
        else:
            places = np.clip((np.arange(want) + 0.5) * have / want - 0.5, 0, have - 1)
            low = np.minimum(places.astype(int), max(have - 2, 0))
            part = (places - low).reshape((-1,) + (1,) * (moved.ndim - 1))
            moved = moved[low] * (1 - part) + moved[np.minimum(low + 1, have - 1)] * part
        field = np.moveaxis(moved, 0, axis)
    return field
