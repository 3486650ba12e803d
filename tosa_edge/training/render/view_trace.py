"""What a ray meets: the first thing that is neither clear nor a mirror, and what lies on the way.

Which depth is right where light goes through or comes back? The label is what a robot may drive or
reach to:
- a window pane has no depth of its own; people and depth sensors alike look through it, and what
  is asked of the view is the outdoors behind it;
- glass furniture (table tops, cabinet fronts, bottles) is an obstacle within reach, so its own
  surface counts, faint as it looks;
- a mirror is a wall: its own surface counts, never the room that it shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .light import dim_view
from .scene import Hits, Scene

MAX_GLASS_SURFACES = 6  # surfaces of glass or mirrors that are followed one behind another

STEP = 1e-3  # metres


@dataclass(frozen=True)
class ViewTrace:
    """For N rays: what is seen (hits, its origins and directions), the way there in units of the
    direction, the labelled depth [N], the share of its light that arrives and the light added [N, 3]."""

    hits: Hits
    origins: np.ndarray
    directions: np.ndarray
    way: np.ndarray
    depth: np.ndarray
    arrives: np.ndarray
    added: np.ndarray


def trace_view(scene: Scene, position: np.ndarray, rays: np.ndarray) -> ViewTrace:
    origins = np.broadcast_to(position, rays.shape).astype(np.float32)
    hits = scene.first_hits(origins, rays)
    if not scene.has_glass:
        ones = np.ones((1, 1), np.float32)
        return ViewTrace(hits, origins, rays, hits.distance, hits.distance, ones, 0 * ones)
    directions, way = rays.copy(), hits.distance.copy()
    depth, labelled = hits.distance.copy(), np.zeros(len(rays), bool)
    arrives, added = np.ones_like(origins), np.zeros_like(origins)
    follow = np.arange(len(rays))
    for _ in range(MAX_GLASS_SURFACES):
        slot = scene.slot[hits.triangle[follow]]
        glassy = (scene.clear[slot] > 0) | (scene.mirror[slot] > 0)
        follow, slot = follow[glassy], slot[glassy]
        if not len(follow):
            break
        labelled[follow] |= ~scene.pane[slot]
        ray = directions[follow]
        part = Hits(*(getattr(hits, name)[follow] for name in ("triangle", "distance", "u", "v")))
        length = np.linalg.norm(ray, axis=-1, keepdims=True)
        _, flat = scene.normal_at(part, ray / length)
        facing = -np.einsum("nk,nk->n", flat, ray)[:, None]
        back = ray + 2 * facing * flat
        point = origins[follow] + ray * part.distance[:, None]
        is_mirror = scene.mirror[slot][:, None] > 0
        glass = np.flatnonzero(~is_mirror[:, 0])
        unit = back[glass] / length[glass]
        share, faint = _glass_image(scene, slot[glass], point[glass] + STEP * flat[glass], flat[glass], unit)
        added[follow[glass]] += arrives[follow[glass]] * faint
        passed = scene.mirror[slot][:, None] * np.ones(3, np.float32)
        passed[glass] = share
        arrives[follow] *= passed
        directions[follow] = np.where(is_mirror, back, ray)
        onward = STEP / length  # off the surface just met, so as not to meet it again
        origins[follow] = point + onward * directions[follow]
        found = scene.first_hits(origins[follow], directions[follow])
        for name in ("triangle", "distance", "u", "v"):
            getattr(hits, name)[follow] = getattr(found, name)
        way[follow] += found.distance + onward[:, 0]
        depth[follow] = np.where(labelled[follow], depth[follow], way[follow])
    return ViewTrace(hits, origins, directions, way, depth, arrives, added)


def _glass_image(scene: Scene, slot, points, flat, mirrored) -> tuple[np.ndarray, np.ndarray]:
    """What a surface of glass lets through [N, 1], and what it adds [N, 3]: a faint image of the
    room, by Schlick's formula, and a little of its own colour."""
    strength = scene.gloss[slot][:, None]
    facing = np.clip(np.einsum("nk,nk->n", flat, mirrored), 0, 1)[:, None]
    strength = strength + (1 - strength) * (1 - facing) ** 5
    image = dim_view(scene, scene.intersect(points, mirrored))
    clear = scene.clear[slot][:, None]
    own = 0.6 * (1 - clear) * scene.colour[slot] * scene.ambient
    return clear * (1 - strength), np.minimum(strength * image, 3.0) + own
