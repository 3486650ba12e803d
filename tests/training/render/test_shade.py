import numpy as np
import pytest

from tosa_edge.training.render.camera import look, path
from tosa_edge.training.render.mesh import Material, box
from tosa_edge.training.render.scene import BACKDROP_M, Light, Scene
from tosa_edge.training.render.shade import render, smooth_on_surfaces

ROOM = np.array([4.0, 3.0, 2.5])
GREY = Material((0.5, 0.5, 0.5))
LAMP = Light(np.array([2, 1.5, 2.4]), np.array([0.3, 0, 0]), np.array([0, -0.3, 0]), np.full(3, 10.0))


def view(yaw=0.0, pitch=0.0, roll=0.0, degrees=60.0):
    return look((1.0, 1.5, 1.2), yaw, np.deg2rad(pitch), np.deg2rad(roll), (30, 40), np.deg2rad(degrees))


def photograph(extra=(), lights=(LAMP,), camera=None):
    scene = Scene([box((0, 0, 0), ROOM, GREY), *extra], list(lights), np.full(3, 0.1))
    return render(scene, camera or view(), np.random.default_rng(0))


def depth_in_empty_room(camera):
    """The nearest of the six planes of the room, by hand, for each pixel."""
    height, width = camera.size
    x = (np.arange(width) - (width - 1) / 2) / camera.focal
    y = (np.arange(height) - (height - 1) / 2) / camera.focal
    right, down, forward = camera.axes
    rays = forward + x[None, :, None] * right + y[:, None, None] * down
    with np.errstate(divide="ignore"):
        to_planes = np.stack([(0 - camera.position) / rays, (ROOM - camera.position) / rays])
    return np.where(to_planes > 0, to_planes, np.inf).min(axis=(0, -1))


@pytest.mark.parametrize(
    "camera",
    [
        view(),  # level, at a wall: one depth all over it, not the length of the ray
        view(yaw=2.1, pitch=-35, roll=8),  # floor and walls
        view(yaw=-0.7, pitch=15, degrees=80),  # the ceiling too
    ],
)
def test_depth_of_an_empty_room_is_that_of_its_planes(camera):
    np.testing.assert_allclose(photograph(camera=camera).depth, depth_in_empty_room(camera), rtol=1e-4)


def test_wall_straight_ahead_has_one_depth():
    camera = look((1.0, 1.5, 1.25), 0.0, 0.0, 0.0, (30, 40), np.deg2rad(45))
    centre = photograph(camera=camera).depth[10:20, 10:30]
    np.testing.assert_allclose(centre, 3.0, rtol=1e-5)


def test_depth_has_no_holes_and_ends_at_the_backdrop():
    scene = Scene([], [], np.ones(3))
    assert np.all(render(scene, view(), np.random.default_rng(0)).depth == BACKDROP_M)


def test_things_cast_shadows_and_lamps_light():
    down = look((2.0, 0.3, 1.8), np.pi / 2, np.deg2rad(-50), 0.0, (30, 40), np.deg2rad(60))
    shade = box((1.5, 1.0, 1.9), (2.5, 2.0, 1.95), GREY)
    lit, shaded, dark = (
        photograph(extra, lights, down).radiance[12:18, 15:25].mean()
        for extra, lights in (((), (LAMP,)), ((shade,), (LAMP,)), ((), ()))
    )
    assert shaded < 0.6 * lit
    assert dark < 0.2 * lit


def test_smoothing_stays_on_its_surface():
    values = np.zeros((12, 16, 6), np.float32)
    values[:, 8:] = 1
    normal = np.zeros((12, 16, 3), np.float32)
    normal[:, :8, 0] = normal[:, 8:, 1] = 1  # two walls that meet in a corner
    noise = np.random.default_rng(0).normal(0, 0.1, values.shape).astype(np.float32)
    first, second = smooth_on_surfaces(
        values + noise, np.zeros_like(normal), normal, np.full((12, 16), 0.01, np.float32)
    )
    for half, truth in ((first, values[..., :3]), (second, values[..., 3:])):
        assert np.abs(half - truth).max() < 0.15
        assert np.std(half - truth) < 0.4 * np.std(noise)


def test_camera_axes_are_a_right_handed_frame_and_paths_keep_them_so():
    start = view(yaw=1.0, pitch=-20, roll=5)
    for camera in (start, *path(start, 6, np.random.default_rng(1))):
        np.testing.assert_allclose(camera.axes @ camera.axes.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(camera.axes) == pytest.approx(1.0)
        assert np.linalg.norm(camera.position - start.position) < 0.6
