"""Puts furniture where people put it: against walls, around tables, in front of sofas."""

from __future__ import annotations

import numpy as np

from . import joinery, paint, things
from .mesh import Material, Mesh, place, quad
from .placing import against_wall, footprint, in_the_open, put, top
from .room import Room, on_wall, upright
from .stock import Stock
from .textures import Photos


def chairs_around(room: Room, table: Mesh, stock: Stock, photos: Photos, rng) -> None:
    chair = stock.pick("chair", rng)
    if chair is None:
        return
    chair = paint.restyle(chair, rng, photos)
    x0, y0, x1, y1 = footprint(table)
    reach = float(chair.size[1]) / 2
    for side in range(4):
        length = x1 - x0 if side % 2 == 0 else y1 - y0
        for i in range(count := max(int(length / 0.65), 1)):
            if rng.random() < 0.3:
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
            stood = place(chair, upright(spot, 0), yaw)
            if room.free(_shrunk(footprint(stood), table)):
                room.taken.append(footprint(stood))
                room.meshes.append(stood)


def _shrunk(spot, table: Mesh):
    """The part of a chair's floor that is not under its own table."""
    x0, y0, x1, y1 = spot
    a, b, c, d = footprint(table)
    if y1 > b and y0 < d:
        x0, x1 = (max(x0, c), x1) if x1 > c else (x0, min(x1, a)) if x0 < a else (x0, x1)
    if x1 > a and x0 < c:
        y0, y1 = (max(y0, d), y1) if y1 > d else (y0, min(y1, b)) if y0 < b else (y0, y1)
    return x0, y0, x1, y1


def desk_group(room: Room, stock: Stock, photos: Photos, rng) -> None:
    catalogue_desk = stock.pick("desk", rng) if rng.random() < 0.4 else None
    desk = paint.restyle(catalogue_desk, rng, photos) if catalogue_desk else joinery.desk(rng, photos)
    stood = against_wall(room, desk, rng) if rng.random() < 0.8 else in_the_open(room, desk, rng)
    if stood is None:
        return
    x0, y0, x1, y1 = footprint(stood)
    top(room, stood, int(rng.integers(5, 16)))
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
                place(things.monitor(rng, photos), upright(spot, stood.high[2]), yaw + rng.normal(0, 0.2))
            )
        room.meshes.append(
            place(
                things.keyboard(rng), upright(centre + facing * 0.15, stood.high[2]), yaw + rng.normal(0, 0.1)
            )
        )
    chairs_around(room, stood, stock, photos, rng)


def kitchen(room: Room, stock: Stock, photos: Photos, rng) -> None:
    """Counters along one to three walls with cupboards over them, then the appliances."""
    style = joinery.KitchenStyle.draw(rng, photos)
    for index in rng.permutation(4)[: rng.integers(1, 4)]:
        start, along, inward, length = room.wall(int(index))
        run = length if rng.random() < 0.5 else rng.uniform(1.2, length)
        low = rng.choice([0.0, length - run])
        if any(
            w == index and a < low + run and b > low and _is_door(room, int(index), a, b)
            for w, a, b in room.blocked_walls
        ):
            low, run = _longest_clear(room, int(index), length)
        if run < 0.8:
            continue
        counter = joinery.counter(run - 0.02, style, rng)
        yaw = np.arctan2(-inward[1], -inward[0]) - np.pi / 2
        stood = place(counter, upright(start + along * (low + run / 2) + inward * 0.31, 0), yaw)
        if not put(room, stood, gap=-0.01):
            continue
        top(room, stood, int(run * rng.uniform(3, 9)))
        for at in np.arange(low + 0.3, low + run - 0.25, 0.6):
            if room.wall_free(int(index), at - 0.3, at + 0.3) and rng.random() < 0.75:
                cupboard = joinery.wall_cupboard(style, rng)
                room.meshes.append(
                    place(cupboard, upright(start + along * at + inward * 0.18, style.cupboard_low), yaw)
                )
    for _ in range(rng.integers(1, 4)):
        piece = stock.pick("appliance", rng)
        if piece is not None:
            against_wall(room, piece, rng)
    if rng.random() < 0.5:
        table_group(room, stock, photos, rng)


def _is_door(room: Room, index: int, a: float, b: float) -> bool:
    start, along, inward, _ = room.wall(index)
    spot = start + along * (a + b) / 2 + inward * 0.3
    return any(x0 <= spot[0] <= x1 and y0 <= spot[1] <= y1 for x0, y0, x1, y1 in room.taken)


def _longest_clear(room: Room, index: int, length: float) -> tuple[float, float]:
    edges = sorted([(a, b) for w, a, b in room.blocked_walls if w == index])
    starts = [0.0, *(b for _, b in edges)]
    ends = [*(a for a, _ in edges), length]
    gaps = [(e - s, s) for s, e in zip(starts, ends, strict=True)]
    run, low = max(gaps)
    return low, run


def table_group(room: Room, stock: Stock, photos: Photos, rng) -> None:
    table = stock.pick("table", rng)
    if table is None:
        return
    stood = in_the_open(room, paint.restyle(table, rng, photos), rng)
    if stood is not None:
        top(room, stood, int(rng.integers(2, 12)))
        chairs_around(room, stood, stock, photos, rng)


def sofa_group(room: Room, stock: Stock, photos: Photos, rng) -> None:
    sofa = stock.pick("sofa", rng)
    stood = against_wall(room, paint.restyle(sofa, rng, photos), rng) if sofa is not None else None
    if stood is None:
        return
    room.surfaces.append((footprint(stood), 0.4, 2))
    centre = (stood.low + stood.high)[:2] / 2
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


def rug(room: Room, photos: Photos, rng) -> None:
    x0, y0, x1, y1 = room.bounds
    size = rng.uniform([0.6, 0.5], [min(2.6, x1 - x0 - 0.3), min(2.2, y1 - y0 - 0.3)])
    low = rng.uniform([x0, y0], np.maximum([x1, y1] - size, [x0 + 0.01, y0 + 0.01]))
    material = paint.cloth(rng) if rng.random() < 0.7 else Material((1, 1, 1), photos.picture(rng))
    room.meshes.append(quad((*low, 0.008), (size[0], 0, 0), (0, size[1], 0), material))


def pictures(room: Room, photos: Photos, rng) -> None:
    """Framed pictures and, now and then, a shelf on the walls."""
    for _ in range(rng.integers(3, 12)):
        index = int(rng.integers(4))
        length = room.wall(index)[3]
        wide, tall = rng.uniform(0.15, 1.1), rng.uniform(0.15, 0.8)
        s, z = rng.uniform(0.1, max(length - wide - 0.1, 0.11)), rng.uniform(1.1, 1.7)
        if z + tall > room.height - 0.1 or s + wide > length or not room.wall_free(index, s, s + wide):
            continue
        room.blocked_walls.append((index, s, s + wide))
        start, along, inward, _ = room.wall(index)
        rim = paint.plain(rng, (0.05, 0.95))
        if rng.random() < 0.22:
            shelf = on_wall(room, index, (s, 0, z), (s + wide, 0.22, z + 0.025), paint.wood(rng, photos))
            room.meshes.append(shelf)
            room.surfaces.append((footprint(shelf), float(z + 0.025), int(wide * 9)))
            continue
        room.meshes.append(on_wall(room, index, (s, 0.001, z), (s + wide, 0.025, z + tall), rim))
        edge = min(wide, tall) * rng.uniform(0.03, 0.15)
        origin = upright(start + along * (s + wide - edge) + inward * 0.027, z + edge)
        room.meshes.append(
            quad(
                origin,
                upright(-along * (wide - 2 * edge), 0),
                (0, 0, tall - 2 * edge),
                Material((1, 1, 1), photos.picture(rng), gloss=float(rng.choice([0, 0, 0.04]))),
            )
        )


def furnish(room: Room, stock: Stock, photos: Photos, rng: np.random.Generator) -> None:
    """Fills a room after its kind; what does not fit is left out."""
    if room.kind == "kitchen":
        kitchen(room, stock, photos, rng)
    groups = {
        "living": (sofa_group, sofa_group, table_group),
        "office": (desk_group, desk_group, desk_group),
        "dining": (table_group,),
        "bedroom": (desk_group,),
        "kitchen": (),
        "corridor": (),
    }[room.kind]
    if room.kind == "bedroom":
        stand(room, "bed", 1, stock, photos, rng)
        stand(room, "night_table", 2, stock, photos, rng)
    for group in groups:
        if rng.random() < 0.8:
            group(room, stock, photos, rng)
    for _ in range(rng.integers(0, 5)):
        if room.kind != "kitchen":
            shelf = against_wall(room, joinery.bookcase(rng, photos), rng)
            top(room, shelf, 2)
    stand(room, "storage", int(rng.integers(1, 5)), stock, photos, rng)
    stand(room, "armchair", int(rng.integers(0, 2)) if room.kind != "kitchen" else 0, stock, photos, rng)
    stand(room, "plant", int(rng.integers(0, 3)), stock, photos, rng)
    stand(room, "floor_lamp", int(rng.integers(0, 3)), stock, photos, rng)
    stand(room, "loose", int(rng.integers(2, 10)), stock, photos, rng)
    if rng.random() < 0.08:
        stand(room, "person", 1, stock, photos, rng)
    for _ in range(rng.integers(0, 4)):
        spare = stock.pick("chair", rng)
        if spare is not None:
            in_the_open(room, paint.restyle(spare, rng, photos), rng, square=False)
    if rng.random() < 0.45:
        rug(room, photos, rng)
    pictures(room, photos, rng)


def stand(room: Room, role: str, count: int, stock: Stock, photos: Photos, rng) -> None:
    for _ in range(count):
        piece = stock.pick(role, rng)
        if piece is None:
            return
        piece = paint.restyle(piece, rng, photos)
        loose = role in ("loose", "person", "plant") and rng.random() < 0.6
        stood = in_the_open(room, piece, rng, square=False) if loose else against_wall(room, piece, rng)
        if stood is not None and role in ("storage", "night_table", "bed"):
            top(room, stood, int(rng.integers(1, 6)))
