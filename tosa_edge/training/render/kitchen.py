"""Fitted kitchens: counters and cupboards along the walls, and the appliances."""

from __future__ import annotations

import numpy as np

from . import generated_furniture
from .furniture_roles import FurnitureByRole
from .mesh import place
from .placing import against_wall, put, top
from .room import Room, upright
from .textures import Photos


def kitchen(room: Room, stock: FurnitureByRole, photos: Photos, rng) -> None:
    """Counters along one to three walls with cupboards over them, then the appliances."""
    style = generated_furniture.KitchenStyle.draw(rng, photos)
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
        counter = generated_furniture.counter(run - 0.02, style, rng)
        yaw = np.arctan2(-inward[1], -inward[0]) - np.pi / 2
        stood = place(counter, upright(start + along * (low + run / 2) + inward * 0.31, 0), yaw)
        if not put(room, stood, gap=-0.01):
            continue
        top(room, stood, int(run * rng.uniform(3, 9)))
        for at in np.arange(low + 0.3, low + run - 0.25, 0.6):
            if room.wall_free(int(index), at - 0.3, at + 0.3) and rng.random() < 0.75:
                cupboard = generated_furniture.wall_cupboard(style, rng)
                room.meshes.append(
                    place(cupboard, upright(start + along * at + inward * 0.18, style.cupboard_low), yaw)
                )
    for _ in range(rng.integers(1, 4)):
        piece = stock.pick("appliance", rng)
        if piece is not None:
            against_wall(room, piece, rng)


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
