"""Tokens chosen once and used again: the same answer on the same picture, a fresh choice when it is due."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import tiny
from tosa_edge import DepthModel
from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.refresh import AUTO, EveryNFrames, OnPictureChange, parse_refresh, summarise_frame
from tosa_edge.runtime.streaming import StreamingModel, full_of, reuse_of, selections_for


@pytest.fixture
def forms(tmp_path):
    full = tiny.selective_info(selections=(0, 2))
    reuse = tiny.selective_info(selections=(0, 2), form="reuse")
    paths = [tiny.save(tmp_path / f"{i}.onnx", about) for i, about in enumerate((full, reuse))]
    return [DepthModel.load(str(path), threads=1) for path in paths]


def test_between_refreshes_the_tokens_of_the_last_one_are_used(forms):
    model = StreamingModel(*forms, EveryNFrames(3))
    frames = [tiny.picture(seed=seed) for seed in range(7)]
    kept = [model.predict_next(frame).kept for frame in frames]
    for number in range(7):
        chosen_on = frames[number - number % 3]
        np.testing.assert_array_equal(kept[number], tiny.expected_kept(chosen_on))
    assert (model.refreshes, model.reuses) == (3, 4)
    assert model.refreshed == round(3 / 7, 4)


def test_streams_do_not_share_what_they_remember(forms):
    model = StreamingModel(*forms, EveryNFrames(10))
    frames = [tiny.picture(seed=seed) for seed in range(4)]
    first = [model.predict_next(frames[stream], stream).kept for stream in (0, 1)]
    again = [model.predict_next(frames[2 + stream], stream).kept for stream in (0, 1)]
    np.testing.assert_array_equal(first, again)


def test_a_warm_up_runs_both_forms_and_remembers_nothing(forms, monkeypatch):
    full, reuse = forms
    model, ran = StreamingModel(full, reuse, EveryNFrames(10)), []
    for form in forms:

        def recorded(frame, kept=None, *, form=form, predict=form.predict):
            ran.append(form)
            return predict(frame, kept=kept)

        monkeypatch.setattr(form, "predict", recorded)
    model.warm_up(tiny.picture(seed=1))
    assert ran == [full, reuse]
    assert (model.refreshes, model.reuses) == (0, 0)
    kept = model.predict_next(tiny.picture(seed=0)).kept
    np.testing.assert_array_equal(kept, tiny.expected_kept(tiny.picture(seed=0)))


def test_a_cut_and_another_size_are_reasons_to_choose_anew(forms):
    model = StreamingModel(*forms, OnPictureChange(0.3, longest=100))
    one, other = tiny.picture(seed=0), 255 - tiny.picture(seed=5)
    for frame in (one, one, other, other, np.kron(other, np.ones((2, 2, 1), np.uint8))):
        model.predict_next(frame)
    assert (model.refreshes, model.reuses) == (3, 2)


@given(st.integers(0, 50), st.integers(-40, 40))
def test_the_same_scene_in_other_light_has_not_changed(seed, brighter):
    picture = np.random.default_rng(seed).integers(60, 180, (48, 64, 3), np.uint8)
    assert (
        summarise_frame(picture).change(summarise_frame((picture.astype(int) + brighter).astype(np.uint8)))
        < 0.01
    )
    assert summarise_frame(picture).change(summarise_frame(picture.astype(np.float32) / 255)) < 0.01


def test_two_scenes_have_changed_and_a_blank_wall_has_not():
    rng = np.random.default_rng(0)
    scenes = [
        np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((20, 20, 1))).astype(np.uint8) for _ in range(2)
    ]
    assert summarise_frame(scenes[0]).change(summarise_frame(scenes[1])) > 0.6
    walls = [rng.normal(128, 3, (120, 160, 3)).astype(np.uint8) for _ in range(2)]
    assert summarise_frame(walls[0]).change(summarise_frame(walls[1])) < 0.5


def test_a_longer_group_takes_its_selections_from_among_the_others():
    full, reuse = (
        tiny.selective_info(selections=layers, form=form)
        for layers, form in (((0, 2, 4, 6, 8, 10), "portable"), ((0, 4, 8), "reuse"))
    )
    assert selections_for(full, reuse, "m") == [0, 2, 4]


@pytest.mark.parametrize(
    "change",
    [{"form": "portable"}, {"selections": (1,)}, {"kept": 3}, {"weights_sha256": "other"}, {"height": 56}],
)
def test_forms_that_do_not_belong_together_are_refused(change):
    reuse = tiny.selective_info(**{"form": "reuse", **change})
    with pytest.raises(TosaEdgeError, match="cannot go on"):
        selections_for(tiny.selective_info(), reuse, "m")


def test_what_refresh_is_written_as():
    assert parse_refresh("1") is None
    assert parse_refresh("5") == EveryNFrames(5)
    assert parse_refresh("auto") is AUTO
    for text in ("0", "-1", "often", "1.5", "", "999999999"):
        with pytest.raises(TosaEdgeError, match="--refresh"):
            parse_refresh(text)


def test_which_forms_go_with_a_name():
    assert full_of("tosa_depth_s") == full_of("tosa_depth_s:g1") == "tosa_depth_s:g1"
    for engine in ("tosa_depth_s:g3", "m.onnx", "a/b.engine"):
        assert full_of(engine) == engine
    assert reuse_of("tosa_depth_s") == reuse_of("tosa_depth_s:g1") == "tosa_depth_s:g3.reuse"
    assert reuse_of("tosa_depth_s:g1.fp16") == "tosa_depth_s:g3.reuse.fp16"
    for engine in ("m.onnx", "a/b.engine", "tosa_depth_s:dense"):
        with pytest.raises(TosaEdgeError, match="--reuse"):
            reuse_of(engine)


def test_the_bundled_forms_belong_together_and_agree_on_one_picture():
    """On the picture it was chosen on, a reuse form of the same group is the full form."""
    full, reuse = DepthModel.load("tosa_depth_s:g3"), DepthModel.load("tosa_depth_s:g3.reuse")
    frame = np.random.default_rng(0).integers(0, 255, (252, 336, 3), np.uint8)
    model = StreamingModel(full, reuse, EveryNFrames(2))
    chosen, used = model.predict_next(frame), model.predict_next(frame)
    np.testing.assert_array_equal(chosen.kept, used.kept)
    np.testing.assert_allclose(chosen.depth, used.depth, rtol=1e-4, atol=1e-4)
