"""Rooms of the right sizes, open to each other, and furniture sorted by whole words."""

import colorsys

import numpy as np
import pytest

from tosa_edge.training.render import paint, thin
from tosa_edge.training.render.decor import mirror
from tosa_edge.training.render.frames import load_assets
from tosa_edge.training.render.furniture_roles import suits
from tosa_edge.training.render.house import build_rooms
from tosa_edge.training.render.mesh import Material, box
from tosa_edge.training.render.plan import LONGEST, main_room, neighbour, open_hole
from tosa_edge.training.render.room import Room
from tosa_edge.training.render.scene import Geometry, under_sky


@pytest.mark.parametrize(
    ("role", "name", "fits"),
    [
        ("loose", "Recycling bin", True),
        ("loose", "Lower cabinet", False),  # a cabinet holds the letters of a bin
        ("loose", "Hot dog", False),
        ("loose", "Pedestal vase lamp", False),
        ("storage", "Winchester armchair", False),  # and this one a chest
        ("storage", "Filing cabinet", True),
        ("storage", "Sink cabinet", False),
        ("kitchen_unit", "Sink cabinet", True),
        ("kitchen_unit", "Filing cabinet", False),
        ("person", "Armchair ottoman", False),
        ("person", "Sitting female", True),
        ("floor_lamp", "Clothes washing machine", False),
        ("chair", "Armchair", False),
        ("chair", "Baby high chair", False),
        ("chair", "Chair with cushion", True),
    ],
)
def test_roles_take_whole_words(role, name, fits):
    assert suits(role, name) == fits


def test_some_rooms_are_long_and_corridors_are_not_rare():
    rooms = [main_room(np.random.default_rng(seed)) for seed in range(1500)]
    long = [max(room.bounds[2:]) for room in rooms if room.kind in ("living", "dining", "office")]
    assert LONGEST - 0.5 < max(long) <= LONGEST
    assert 0.02 < np.mean(np.array(long) > 8) < 0.2
    assert 0.05 < np.mean([room.kind == "corridor" for room in rooms]) < 0.11


@pytest.mark.parametrize("index", range(4))
def test_a_wide_opening_joins_two_rooms(index):
    rng = np.random.default_rng(index)
    room = Room((0, 0, 5, 4), 2.5, "living")
    hole = open_hole(room, index, rng)
    other = neighbour(room, index, hole, True, True, rng)
    start, along, inward, _ = room.wall(index)
    width = hole[2] - hole[0]
    assert 1.99 < width <= 4
    for s in np.linspace(hole[0], hole[2], 5):
        x, y = start + along * s - inward * 0.2
        assert other.bounds[0] <= x <= other.bounds[2]
        assert other.bounds[1] <= y <= other.bounds[3]


def test_one_sees_through_an_opening_into_the_next_room(made_assets):
    assets = load_assets(made_assets)
    deepest = 0.0
    for seed in range(40):
        rooms = build_rooms(np.random.default_rng(seed), assets.photos)
        if len(rooms) < 2 or not rooms[0].opened:
            continue
        (index, low, high) = rooms[0].opened
        start, along, inward, _ = rooms[0].wall(index)
        scene = Geometry(under_sky([mesh for room in rooms for mesh in room.meshes]).corners)
        origin = np.array([*(start + along * (low + high) / 2 + inward * 0.3), 1.3], np.float32)[None]
        ray = np.array([[*-inward, 0]], np.float32)
        deepest = max(deepest, float(scene.intersect(origin, ray).distance[0]))
        assert scene.intersect(origin, ray).distance[0] > 0.3 + 0.14 + 2.5
    assert deepest > 4


def test_mirrors_hang_on_walls_and_face_the_room(made_assets):
    assets = load_assets(made_assets)
    for seed in range(6):
        room = Room((0, 0, 4, 4), 2.5, "living")
        mirror(room, assets.photos, np.random.default_rng(seed))
        glass = [mesh for mesh in room.meshes if mesh.materials[0].mirror]
        assert len(glass) == 1
        middle = (glass[0].low + glass[0].high)[:2] / 2
        assert min(*middle, *(4 - middle)) < 0.05
        toward = np.array([2, 2]) - middle
        assert glass[0].normals[0, 0, :2] @ toward > 0


def test_most_colours_are_quiet():
    rng = np.random.default_rng(0)
    strong = [colorsys.rgb_to_hsv(*paint.muted(rng))[1] > 0.45 for _ in range(800)]
    assert 0.005 < np.mean(strong) < 0.08


def test_vivid_things_are_toned_down_and_quiet_ones_left_alone():
    green, grey = Material((0.1, 0.9, 0.1)), Material((0.5, 0.45, 0.4))
    assert np.ptp(paint.calmer(green, 0.6).colour) < 0.5 * np.ptp(green.colour)
    assert paint.calmer(grey, 0.6) is grey


def test_repainting_leaves_glass_glass(made_assets):
    photos = load_assets(made_assets).photos
    pane = box((0, 0, 0), (1, 1, 1), Material((0.5, 0.6, 0.7), clear=0.8))
    for seed in range(8):
        assert paint.restyle(pane, np.random.default_rng(seed), photos).materials[0].clear == 0.8


def test_thin_furniture_stands_on_the_floor_within_the_room(made_assets):
    photos = load_assets(made_assets).photos
    for seed in range(12):
        rng = np.random.default_rng(seed)
        pieces = [make(rng, photos) for make in (thin.slatted_chair, thin.standard_lamp, thin.leafy_plant)]
        for piece in [*pieces, thin.railing(rng), thin.stairs(2.4, rng, photos)]:
            assert np.isfinite(piece.corners).all()
            assert np.isfinite(piece.normals).all()
            assert -0.05 < piece.low[2] < 0.2
            assert piece.high[2] < 2.38
