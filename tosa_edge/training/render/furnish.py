"""Puts furniture where people put it: against walls, around tables, in front of sofas."""

from __future__ import annotations

import numpy as np

from . import clutter_objects, generated_furniture, paint, thin
from .decor import mirror, pictures, rug
from .furniture_roles import FurnitureByRole
from .kitchen import kitchen
from .mesh import Mesh, place
from .placing import against_wall, footprint, in_the_open, put, top
from .room import Room, upright
from .textures import Photos


def a_chair(stock: FurnitureByRole, photos: Photos, rng, slatted: float) -> Mesh | None:
    """A chair of slats as often as that, or one of the catalogue's."""
    if rng.random() < slatted:
        return thin.slatted_chair(rng, photos)
    chair = stock.pick("chair", rng)
    return paint.restyle(chair, rng, photos) if chair is not None else None


def chairs_around(room: Room, table: Mesh, stock: FurnitureByRole, photos: Photos, rng) -> None:
    chair = a_chair(stock, photos, rng, slatted=0.45)
    if chair is None:
        return
    x0, y0, x1, y1 = footprint(table)
    reach = float(chair.size[1]) / 2
    missing = rng.choice([0.05, 0.3, 0.5])  # a row of equal chairs, or only some of it
    for side in range(4):
        length = x1 - x0 if side % 2 == 0 else y1 - y0
        for i in range(count := max(int(length / 0.65), 1)):
            if rng.random() < missing:
                continue
            t, out = (i + 0.5) / count, reach + rng.uniform(-0.15, 0.2)
            spot = [
                (x0 + t * (x1 - x0), y0 - out),
                (x1 + out, y0 + t * (y1 - y0)),
                (x0 + t * (x1 - x0), y1 + out),
                (x0 - out, y0 + t * (y1 - y0)),
            ][side]
            # The chair faces the table: -y turned to point inwards.
            yaw = [np.pi, -np.pi / 2, 0.0, np.pi / 2][side] + rng.normal(0, 0.2)
            placed = place(chair, upright(spot, 0), yaw)
            if room.free(_shrunk(footprint(placed), table)):
                room.taken.append(footprint(placed))
                room.meshes.append(placed)
                room.thin.append((placed.low + placed.high) / 2)


def _shrunk(spot, table: Mesh):
    """The part of a chair's floor that is not under its own table."""
    x0, y0, x1, y1 = spot
    a, b, c, d = footprint(table)
    if y1 > b and y0 < d:
        x0, x1 = (max(x0, c), x1) if x1 > c else (x0, min(x1, a)) if x0 < a else (x0, x1)
    if x1 > a and x0 < c:
        y0, y1 = (max(y0, d), y1) if y1 > d else (y0, min(y1, b)) if y0 < b else (y0, y1)
    return x0, y0, x1, y1


def desk_group(room: Room, stock: FurnitureByRole, photos: Photos, rng) -> None:
    catalogue_desk = stock.pick("desk", rng) if rng.random() < 0.4 else None
    desk = (
        paint.restyle(catalogue_desk, rng, photos)
        if catalogue_desk
        else generated_furniture.desk(rng, photos)
    )
    placed = against_wall(room, desk, rng) if rng.random() < 0.8 else in_the_open(room, desk, rng)
    if placed is None:
        return
    x0, y0, x1, y1 = footprint(placed)
    top(room, placed, int(rng.integers(5, 16)))
    if catalogue_desk is None:
        centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        # A desk's facing is lost once it stands, so read it from the direction of the room's middle.
        middle = np.array([room.bounds[0] + room.bounds[2], room.bounds[1] + room.bounds[3]]) / 2
        across = 0 if (x1 - x0) < (y1 - y0) else 1
        facing = np.zeros(2)
        facing[across] = np.sign(middle[across] - centre[across]) or 1.0
        yaw = np.arctan2(facing[1], facing[0]) + np.pi / 2
        aside = np.array([-facing[1], facing[0]])
        for k in range(int(rng.choice([1, 1, 2, 2]))):
            spot = centre - facing * 0.12 + aside * (rng.uniform(-0.25, 0.25) if k == 0 else 0.55)
            room.meshes.append(
                place(
                    clutter_objects.monitor(rng, photos),
                    upright(spot, placed.high[2]),
                    yaw + rng.normal(0, 0.2),
                )
            )
        room.meshes.append(
            place(
                clutter_objects.keyboard(rng),
                upright(centre + facing * 0.15, placed.high[2]),
                yaw + rng.normal(0, 0.1),
            )
        )
    chairs_around(room, placed, stock, photos, rng)


def table_group(room: Room, stock: FurnitureByRole, photos: Photos, rng) -> None:
    table = stock.pick("table", rng)
    if table is None:
        return
    placed = in_the_open(room, paint.restyle(table, rng, photos), rng)
    if placed is not None:
        top(room, placed, int(rng.integers(2, 12)))
        chairs_around(room, placed, stock, photos, rng)


def sofa_group(room: Room, stock: FurnitureByRole, photos: Photos, rng) -> None:
    sofa = stock.pick("sofa", rng)
    placed = against_wall(room, paint.restyle(sofa, rng, photos), rng) if sofa is not None else None
    if placed is None:
        return
    room.surfaces.append((footprint(placed), 0.4, 2))
    centre = (placed.low + placed.high)[:2] / 2
    middle = np.array([room.bounds[0] + room.bounds[2], room.bounds[1] + room.bounds[3]]) / 2
    toward = middle - centre
    toward = toward / (np.linalg.norm(toward) + 1e-6)
    table = stock.pick("low_table", rng)
    if table is not None:
        low_table = place(
            paint.restyle(table, rng, photos),
            upright(centre + toward * rng.uniform(0.9, 1.3), 0),
            np.arctan2(toward[1], toward[0]).round(0) + rng.normal(0, 0.1),
        )
        if put(room, low_table):
            top(room, low_table, int(rng.integers(2, 9)))


def thin_pieces(room: Room, stock: FurnitureByRole, photos: Photos, rng) -> None:
    """A few things of thin parts out in the room, for a camera to stand near."""
    pieces = []
    for _ in range(rng.integers(0, 4)):
        pieces.append((a_chair(stock, photos, rng, slatted=0.7), False))
    for make in (thin.leafy_plant, thin.standard_lamp):
        if rng.random() < 0.5:
            pieces.append((make(rng, photos), rng.random() < 0.6))
    if rng.random() < 0.05:
        low = rng.random() < 0.5
        pieces.insert(0, (thin.railing(rng) if low else thin.stairs(room.height, rng, photos), not low))
    for piece, at_wall in pieces:
        if piece is None:
            continue
        placed = against_wall(room, piece, rng) if at_wall else in_the_open(room, piece, rng, square=False)
        if placed is not None:
            room.thin.append((placed.low + placed.high) / 2)


def furnish(room: Room, stock: FurnitureByRole, photos: Photos, rng: np.random.Generator) -> None:
    """Fills a room after its kind; what does not fit is left out."""
    if room.kind == "kitchen":
        kitchen(room, stock, photos, rng)
        place_pieces(room, "kitchen_unit", int(rng.integers(0, 3)), stock, photos, rng)
        place_pieces(room, "stool", int(rng.integers(0, 3)), stock, photos, rng)
    if room.kind in ("bedroom", "living", "corridor", "dining") and rng.random() < 0.2:
        mirror(room, photos, rng)
    groups = {
        "living": (sofa_group, sofa_group, table_group),
        "office": (desk_group, desk_group, desk_group),
        "dining": (table_group, table_group),
        "bedroom": (desk_group,),
        "kitchen": (table_group,),
        "corridor": (),
    }[room.kind]
    if room.kind == "bedroom":
        place_pieces(room, "bed", 1, stock, photos, rng)
        place_pieces(room, "night_table", 2, stock, photos, rng)
    for group in groups:
        if rng.random() < (0.5 if room.kind == "kitchen" else 0.8):
            group(room, stock, photos, rng)
    thin_pieces(room, stock, photos, rng)
    if room.kind != "kitchen":
        for _ in range(rng.integers(0, 5)):
            top(room, against_wall(room, generated_furniture.bookcase(rng, photos), rng), 2)
        place_pieces(room, "storage", int(rng.integers(1, 5)), stock, photos, rng)
        place_pieces(room, "armchair", int(rng.integers(0, 2)), stock, photos, rng)
    place_pieces(room, "plant", int(rng.integers(0, 2)), stock, photos, rng)
    place_pieces(room, "floor_lamp", int(rng.integers(0, 2)), stock, photos, rng)
    place_pieces(room, "loose", int(rng.integers(2, 10)), stock, photos, rng)
    if rng.random() < 0.08:
        place_pieces(room, "person", 1, stock, photos, rng)
    if rng.random() < 0.45:
        rug(room, rng)
    pictures(room, photos, rng)


def place_pieces(room: Room, role: str, count: int, stock: FurnitureByRole, photos: Photos, rng) -> None:
    for _ in range(count):
        piece = stock.pick(role, rng)
        if piece is None:
            return
        piece = paint.restyle(piece, rng, photos)
        loose = role in ("loose", "person", "plant", "stool") and rng.random() < 0.6
        placed = in_the_open(room, piece, rng, square=False) if loose else against_wall(room, piece, rng)
        if placed is None:
            continue
        if role in ("storage", "kitchen_unit", "night_table", "bed"):
            top(room, placed, int(rng.integers(1, 6)))
        if role in ("plant", "floor_lamp", "stool"):
            room.thin.append((placed.low + placed.high) / 2)
