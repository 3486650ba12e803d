import numpy as np
import pytest

from tests.calibration.make import pictures, tiny_graph
from tosa_edge.calibration.agreement import FAR, NEAR, as_room, compare, outputs_of, shared_probability

DEPTH = np.add.outer(np.linspace(0, 3, 40), np.linspace(0, 1, 60)).astype(np.float32)
KEPT = np.arange(12).reshape(1, 2, 6)


def outputs(depth, kept=KEPT):
    return [{"depth": depth[None], "kept": kept}]


def test_a_model_agrees_with_itself():
    for kind in ("relative_inverse_depth", "metric_depth"):
        same = compare(outputs(DEPTH), outputs(DEPTH), kind)
        assert (same.share, same.kept, same.drop) == (1, 1, 0)
        assert same.error < 1e-6
    graph = tiny_graph()
    real = outputs_of(graph, pictures(2), threads=1)
    assert compare(real, real, graph.info.output).share == 1


def test_scale_and_shift_mean_nothing_to_a_relative_model_and_all_to_a_metric_one():
    moved = outputs(3 * DEPTH + 1)
    assert compare(moved, outputs(DEPTH), "relative_inverse_depth").share == 1
    assert compare(moved, outputs(DEPTH), "metric_depth").share < 0.2


def test_more_noise_agrees_less():
    noise = np.random.default_rng(0).normal(0, 1, DEPTH.shape).astype(np.float32)
    found = [
        compare(outputs(DEPTH + s * noise), outputs(DEPTH), "relative_inverse_depth") for s in (0.1, 0.5, 1)
    ]
    assert found[0].share > found[1].share > found[2].share
    assert found[0].error < found[1].error < found[2].error


def test_kept_patches_are_sets():
    turned = np.concatenate([KEPT[..., 3:], KEPT[..., :3]], axis=-1)
    assert compare(outputs(DEPTH, turned), outputs(DEPTH), "metric_depth").kept == 1
    half = np.where(KEPT % 2, KEPT, 99)
    assert compare(outputs(DEPTH, half), outputs(DEPTH), "metric_depth").kept == 0.5
    dense = [{"depth": DEPTH[None]}]
    assert compare(dense, dense, "metric_depth").kept == 1


def test_relative_depth_is_laid_out_as_a_room():
    room = as_room(DEPTH)
    assert room[0, 0] > room[-1, -1]  # larger is nearer
    assert np.percentile(room, [2, 98]) == pytest.approx([NEAR, FAR], rel=0.02)
    assert np.isfinite(as_room(np.full((4, 4), 7.0))).all()


def test_classes_agree_by_the_probability_that_both_give():
    exact = np.array([2.0, 0.0, 0.0])
    assert shared_probability(exact + 7, exact) == (pytest.approx(1), pytest.approx(0))
    flat = shared_probability(np.zeros(3), exact)[0]
    p = np.exp(exact) / np.exp(exact).sum()
    assert flat == pytest.approx(2 * p[1] + 1 / 3)
    other = np.array([0.0, 2.0, 0.0])
    assert compare([{"logits": other[None]}], [{"logits": exact[None]}], "class_logits").share < flat
