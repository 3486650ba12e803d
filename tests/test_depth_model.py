"""`DepthModel`: any frame in, depth at the frame's own size out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tosa_edge
from tests import tiny
from tosa_edge import DepthModel
from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.fit import fit_for


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        "dense": tiny.save(folder / "dense.onnx"),
        "selective": tiny.save(folder / "selective.onnx", tiny.selective_info()),
        "reuse": tiny.save(folder / "reuse.onnx", tiny.selective_info(form="reuse")),
        "batch": tiny.save(folder / "batch.onnx", tiny.info(batch=2)),
    }


def test_a_frame_of_the_graphs_size_is_not_touched(models):
    picture = tiny.picture()
    depth = DepthModel.load(str(models["dense"]))(picture)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, tiny.expected_depth(picture), atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 150),
    width=st.integers(1, 150),
    mode=st.sampled_from(["letterbox", "stretch", "crop"]),
)
def test_depth_has_the_frames_own_size_and_is_finite(models, height, width, mode):
    depth = DepthModel.load(str(models["dense"]), fit=mode, threads=1)(tiny.picture(height, width))
    assert depth.shape == (height, width)
    assert np.isfinite(depth).all()


def test_bgr_is_the_same_frame_turned_round(models):
    model = DepthModel.load(str(models["selective"]))
    picture = tiny.picture(60, 90)
    picture[..., 0] //= 2
    np.testing.assert_array_equal(model(picture), model(picture[..., ::-1], bgr=True))


def test_the_bars_of_a_bgr_frame_have_the_same_colour(models):
    """They are seen by the network: red and blue of them must not change places with the frame's."""
    picture = tiny.picture(20, 90)
    fit = fit_for((20, 90), (tiny.HEIGHT, tiny.WIDTH), "letterbox")
    np.testing.assert_array_equal(fit.forward(picture), fit.forward(picture[..., ::-1], bgr=True))
    model = DepthModel.load(str(models["selective"]))
    ours, theirs = model.predict(picture), model.predict(picture[..., ::-1], bgr=True)
    np.testing.assert_array_equal(ours.depth, theirs.depth)
    np.testing.assert_array_equal(ours.kept, theirs.kept)


def test_predict_gives_kept_and_times(models):
    picture = tiny.picture()
    prediction = DepthModel.load(str(models["selective"])).predict(picture)
    np.testing.assert_array_equal(prediction.kept, tiny.expected_kept(picture))
    assert set(prediction.times_ms) == {"prepare", "infer", "restore"}
    assert DepthModel.load(str(models["dense"])).predict(picture).kept is None


def test_reuse_takes_kept_and_needs_it(models):
    reuse = DepthModel.load(str(models["reuse"]))
    kept = np.array([[0, 1], [2, 3]], np.int32)
    np.testing.assert_array_equal(reuse.predict(tiny.picture(), kept=kept).kept, kept)
    with pytest.raises(TosaEdgeError, match="reuse graph"):
        reuse(tiny.picture())
    with pytest.raises(TosaEdgeError, match="chooses its own"):
        DepthModel.load(str(models["selective"])).predict(tiny.picture(), kept=kept)


def test_float_frames_in_0_to_1_are_taken(models):
    model = DepthModel.load(str(models["dense"]))
    picture = tiny.picture()
    np.testing.assert_allclose(model(picture / 255), model(picture), atol=1e-6)


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (np.full((8, 8, 3), np.nan, np.float32), "NaN"),
        (np.full((8, 8, 3), np.inf, np.float32), "NaN or infinity"),
        (np.full((8, 8, 3), 200.0), "not within 0..1"),
        (np.zeros((8, 8), np.uint8), "is grey"),
        (np.zeros((8, 8, 1), np.uint8), "is grey"),
        (np.zeros((8, 8, 4), np.uint8), "fourth channel, alpha"),
        (np.zeros((3, 8, 8), np.uint8), "colours first"),
        (np.zeros((8, 8, 5), np.uint8), "not a colour picture"),
        (np.zeros((0, 8, 3), np.uint8), "is empty"),
        (np.zeros((0, 8, 8, 3), np.uint8), "holds no frames"),
        (np.zeros((2, 8, 8), np.uint8), "not a colour picture"),
        (None, "is None"),
        ("room.jpg", "a path, 'room.jpg'"),
        (Path("room.jpg"), "a path, 'room.jpg'"),
        (np.zeros((8, 8, 3), np.uint16), "uint16"),
    ],
)
def test_frames_that_are_no_pictures_are_refused(models, frame, what):
    with pytest.raises(TosaEdgeError, match=what) as error:
        DepthModel.load(str(models["dense"]))(frame)
    assert error.value.remedy


def test_a_batch_gives_a_batch(models):
    model = DepthModel.load(str(models["selective"]))
    frames = [tiny.picture(60, 90, seed) for seed in range(3)]
    for batch in (np.stack(frames), frames):
        depths = model(batch)
        assert depths.shape == (3, 60, 90)
        np.testing.assert_array_equal(depths, [model(frame) for frame in frames])
    with pytest.raises(TosaEdgeError, match="`predict` takes one frame"):
        model.predict(np.stack(frames))


def test_a_closed_model_says_so(models):
    with DepthModel.load(str(models["dense"])) as model:
        model(tiny.picture())
    model.close()
    with pytest.raises(TosaEdgeError, match="dense is closed"):
        model(tiny.picture())


def test_errors_sources_and_sinks_come_from_one_place():
    for name in tosa_edge.__all__:
        assert getattr(tosa_edge, name) is not None
    assert tosa_edge.TosaEdgeError is TosaEdgeError
    assert callable(tosa_edge.open_source)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        tosa_edge.Nothing  # noqa: B018


def test_an_unknown_fit_and_a_batch_are_refused(models):
    with pytest.raises(TosaEdgeError, match="no fit 'tile'"):
        DepthModel.load(str(models["dense"]), fit="tile")
    with pytest.raises(TosaEdgeError, match="2 pictures at once"):
        DepthModel.load(str(models["batch"]))


def test_batches_that_are_none_are_refused_each_in_its_own_words(models):
    model = DepthModel.load(str(models["dense"]))
    frame = tiny.picture()
    for batch, what in (
        ([], "holds no frames"),
        ([frame, frame[:20]], "different sizes"),
        ([frame, None], "frame 1 of the batch is None"),
        ([None], "frame 0 of the batch is None"),
    ):
        with pytest.raises(TosaEdgeError, match=what):
            model(batch)


def test_a_batch_of_torchs_gives_what_numpys_does(models):
    torch = pytest.importorskip("torch")
    model = DepthModel.load(str(models["dense"]))
    frames = np.stack([tiny.picture(seed=seed) for seed in range(2)])
    np.testing.assert_array_equal(model(torch.from_numpy(frames)), model(frames))


def test_kept_is_patches_of_the_picture(models):
    kept = DepthModel.load(str(models["selective"])).predict(tiny.picture()).kept
    reuse = DepthModel.load(str(models["reuse"]))
    for wrong, what in (
        ("x", "takes int32"),
        (kept[:, :-1], "takes int32"),
        (kept.astype(np.float32), "takes int32"),
        (kept * 0 - 1, "runs from -1"),
        (kept * 0 + reuse.info.tokens, "patches"),
        (kept.astype(np.int64) + (1 << 32), "patches"),
    ):
        with pytest.raises(TosaEdgeError, match=what):
            reuse.predict(tiny.picture(), kept=wrong)


def test_an_error_is_two_printable_lines_whatever_it_quotes():
    error = TosaEdgeError("no \x1b[2J name\nof a file", "\x7fMend it.")
    assert str(error).splitlines() == ["no \\x1b[2J name of a file", "\\x7fMend it."]
