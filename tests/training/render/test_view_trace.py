"""Glass and mirrors: which depth counts, and what is seen there."""

import numpy as np
import pytest

from tosa_edge.training.render.camera import look
from tosa_edge.training.render.mesh import Material, box, quad
from tosa_edge.training.render.obj import parse_materials
from tosa_edge.training.render.scene import Light, Scene
from tosa_edge.training.render.shade import render

GREY, RED = Material((0.5, 0.5, 0.5)), Material((0.9, 0.05, 0.05))
LAMP = Light(np.array([2, 1.5, 2.4]), np.array([0.3, 0, 0]), np.array([0, -0.3, 0]), np.full(3, 10.0))
CAMERA = look((1.0, 1.5, 1.25), 0.0, 0.0, 0.0, (30, 40), np.deg2rad(45))  # 3 m from the wall ahead
CENTRE = (slice(10, 20), slice(10, 30))


def photograph(*extra, lights=(LAMP,)):
    scene = Scene([box((0, 0, 0), (4, 3, 2.5), GREY), *extra], list(lights), np.full(3, 0.1))
    return render(scene, CAMERA, np.random.default_rng(0))


def sheet(x, material):
    return quad((x, 0, 0), (0, 3, 0), (0, 0, 2.5), material)


@pytest.mark.parametrize(
    ("material", "depth"),
    [
        (Material(clear=0.9, gloss=0.08, pane=True), 3.0),  # a window: what lies behind it
        (Material(clear=0.8, gloss=0.04), 1.5),  # a table top: an obstacle
        (Material(mirror=0.9), 1.5),  # a mirror: its own surface
    ],
)
def test_each_kind_of_glass_is_labelled_with_the_depth_that_counts(material, depth):
    np.testing.assert_allclose(photograph(sheet(2.5, material)).depth[CENTRE], depth, rtol=1e-4)


def test_the_depth_behind_two_panes_is_that_of_the_wall_and_of_a_table_behind_a_pane_its_own():
    pane = Material(clear=0.9, gloss=0.08, pane=True)
    two = photograph(sheet(2.0, pane), sheet(2.2, pane)).depth[CENTRE]
    table = photograph(sheet(2.0, pane), sheet(2.5, Material(clear=0.8))).depth[CENTRE]
    np.testing.assert_allclose(two, 3.0, rtol=1e-4)
    np.testing.assert_allclose(table, 1.5, rtol=1e-4)


def test_glass_lets_most_of_the_light_through():
    bare = photograph().radiance[CENTRE].mean()
    behind = photograph(sheet(2.5, Material(clear=0.9, gloss=0.04))).radiance[CENTRE].mean()
    assert 0.75 * bare < behind < 1.15 * bare


def test_a_mirror_shows_what_is_behind_the_camera():
    red = box((0.05, 0, 0), (0.1, 3, 2.5), RED)
    mirrored = photograph(sheet(2.5, Material(mirror=0.9)), red).radiance[CENTRE].mean(axis=(0, 1))
    plain = photograph(red).radiance[CENTRE].mean(axis=(0, 1))
    assert mirrored[0] > 5 * mirrored[1]
    assert plain[0] < 2 * plain[1]


def test_pictures_with_glass_are_finite_and_repeat():
    things = (sheet(2.0, Material(clear=0.9, pane=True)), sheet(3.0, Material(mirror=0.9)))
    first, again = photograph(*things), photograph(*things)
    assert np.isfinite(first.radiance).all()
    assert np.isfinite(first.depth).all()
    assert np.array_equal(first.radiance, again.radiance)


def test_clear_materials_are_read_and_frosted_ones_stay_opaque():
    read = parse_materials("newmtl pane\nd 0.2\nnewmtl lid\nTr 0.6\nnewmtl frosted\nd 0.8\nnewmtl wood\n")
    assert read["pane"]["clear"] == pytest.approx(0.8)
    assert read["lid"]["clear"] == pytest.approx(0.6)
    assert read["frosted"]["clear"] == 0
    assert "clear" not in read["wood"]
