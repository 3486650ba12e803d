import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tosa_edge.training.render.frames import load_assets
from tosa_edge.training.render.furnish import furnish
from tosa_edge.training.render.house import build_rooms
from tosa_edge.training.render.mesh import Material, box, merge
from tosa_edge.training.render.place_clutter import drop
from tosa_edge.training.render.placing import against_wall, put
from tosa_edge.training.render.room import Room
from tosa_edge.training.render.scene import Geometry, under_sky

GREY = Material()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_any_house_can_be_built_and_stays_within_its_walls(made_assets, seed):
    assets = load_assets(made_assets)
    rng = np.random.default_rng(seed)
    rooms = build_rooms(rng, assets.photos)
    for room in rooms:
        before = len(room.meshes)
        furnish(room, assets.stock, assets.photos, rng)
        x0, y0, x1, y1 = room.bounds
        for mesh in room.meshes[before:]:
            assert np.isfinite(mesh.corners).all()
            assert np.all(mesh.low[:2] > [x0 - 0.5, y0 - 0.5])
            assert np.all(mesh.high[:2] < [x1 + 0.5, y1 + 0.5])


def test_furniture_does_not_share_floor():
    room = Room((0, 0, 3, 3), 2.5, "living")
    assert put(room, box((0.5, 0.5, 0), (1.5, 1.5, 1), GREY))
    assert not put(room, box((1.4, 1.4, 0), (2, 2, 1), GREY))  # overlaps
    assert not put(room, box((2.5, 2.5, 0), (3.5, 2.9, 1), GREY))  # through the wall
    assert not put(room, box((2, 2, 0), (2.5, 2.5, 2.6), GREY))  # through the ceiling
    assert put(room, box((2, 2, 0), (2.5, 2.5, 1), GREY))


@pytest.mark.parametrize("wall", range(4))
def test_backs_stand_at_the_wall(wall):
    room = Room((0, 0, 4, 3), 2.5, "living")
    back = box((-0.5, 0.25, 0), (0.5, 0.3, 1), GREY)
    seat = merge([box((-0.5, -0.3, 0), (0.5, 0.25, 0.4), GREY), back])
    stood = against_wall(room, seat, np.random.default_rng(0), wall=wall)
    assert stood is not None
    start, _, inward, _ = room.wall(wall)
    from_wall = (stood.corners[..., :2] - start) @ inward
    assert from_wall.min() >= 0
    assert from_wall[stood.slot == 1].max() < 0.15
    assert from_wall.max() == pytest.approx(from_wall.min() + 0.6, abs=1e-5)


def test_clutter_lands_on_what_is_below(made_assets):
    assets = load_assets(made_assets)
    room = Room((0, 0, 4, 4), 2.5, "living")
    floor, table = box((0, 0, -0.1), (4, 4, 0), GREY), box((1, 1, 0), (3, 3, 0.75), GREY)
    room.surfaces.append(((1, 1, 3, 3), 0.75, 12))
    scene = Geometry(under_sky([floor, table]).corners)
    fallen = drop(room, scene, assets.stock, assets.photos, np.random.default_rng(3))
    heights = {round(float(thing.low[2]), 2) for thing in fallen}
    assert heights == {0.0, 0.75}
