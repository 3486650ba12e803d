"""The light that reaches surface points: lamps and windows with soft shadows, one bounce, gloss."""

from __future__ import annotations

import numpy as np

from .scene import Hits, Light, Scene

SHADOW_RAYS = 2


def direct(scene: Scene, points, normal, dither, rng) -> np.ndarray:
    """Irradiance / pi [N, 3] by SHADOW_RAYS looks, each at a random point of one light.

    Lights are picked by what they could give; a quarter of the picks are even, as a light that
    could give much may be hidden.
    """
    total = np.zeros_like(points)
    if not scene.lights:
        return total
    reach = np.stack([_reach(light, points) for light in scene.lights])  # [L, N]
    chance = 0.75 * reach / reach.sum(axis=0) + np.float32(0.25 / len(scene.lights))
    ladder = np.cumsum(chance, axis=0)[:-1]
    centre, side, up, colour = (
        np.array([getattr(light, name) for light in scene.lights], np.float32)
        for name in ("centre", "side", "up", "colour")
    )
    face = np.cross(side, up)
    area = 4 * np.linalg.norm(face, axis=-1)
    face /= np.linalg.norm(face, axis=-1, keepdims=True)
    for turn in range(SHADOW_RAYS):
        draw = (dither + turn / SHADOW_RAYS + rng.random(len(points), np.float32) / 16) % 1
        pick = (draw > ladder).sum(axis=0)
        a, b = 2 * rng.random((2, len(points), 1), np.float32) - 1
        to_light = centre[pick] + a * side[pick] + b * up[pick] - points
        square = np.einsum("nk,nk->n", to_light, to_light)
        at_point = np.maximum(np.einsum("nk,nk->n", to_light, normal), 0)
        at_light = np.maximum(-np.einsum("nk,nk->n", to_light, face[pick]), 0)
        weight = at_point * at_light * area[pick] / (np.pi * np.maximum(square, 0.02) * square)
        weight /= np.take_along_axis(chance, pick[None], 0)[0] * SHADOW_RAYS
        lit = np.flatnonzero(weight > 1e-4)
        weight[lit] *= ~scene.blocked(points[lit], to_light[lit])
        total += np.minimum(weight, 10)[:, None] * colour[pick]
    return total


def _reach(light: Light, points: np.ndarray) -> np.ndarray:
    """A rough guess of how much a light matters at each point [N], never zero."""
    offset = points - light.centre.astype(np.float32)
    face = np.cross(light.side, light.up).astype(np.float32)
    ahead = np.maximum(offset @ (face / np.linalg.norm(face)), 0)
    square = np.einsum("nk,nk->n", offset, offset) + 0.1
    power = light.colour.mean() * np.linalg.norm(face)
    return (power * ahead / (square * np.sqrt(square)) + 1e-4).astype(np.float32)


def bounce(scene: Scene, points, normal, rng) -> np.ndarray:
    """Irradiance / pi [N, 3] from one ray over the hemisphere: dark in corners, tinted by neighbours."""
    jitter = rng.standard_normal(points.shape, np.float32)
    jitter /= np.linalg.norm(jitter, axis=-1, keepdims=True)
    directions = normal + 0.98 * jitter
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    found = scene.intersect(points, directions)
    return dim_view(scene, found)


def dim_view(scene: Scene, found: Hits) -> np.ndarray:
    """Radiance guessed without further rays: near surfaces are taken to be shaded ones."""
    slot = scene.slot[found.triangle]
    open_air = np.clip(found.distance / 1.2, 0.15, 1)[:, None]
    return scene.mean_colour[slot] * (
        scene.ambient * open_air + np.minimum(scene.emission[slot], 2.0)[:, None]
    )


def gloss(scene: Scene, hits: Hits, points, normal, toward, rng) -> np.ndarray:
    """Radiance [N, 3] mirrored by shiny surfaces, by Schlick's formula."""
    shine = np.zeros_like(points)
    gloss = scene.gloss[scene.slot[hits.triangle]]
    shiny = np.flatnonzero(gloss > 0.01)
    if not len(shiny):
        return shine
    n, d = normal[shiny], toward[shiny]
    facing = np.einsum("nk,nk->n", n, d)
    rough = 0.04 * rng.standard_normal(d.shape, np.float32)
    mirrored = d - 2 * facing[:, None] * n + rough
    found = scene.intersect(points[shiny], mirrored)
    reflect = gloss[shiny] + (1 - gloss[shiny]) * (1 - np.abs(facing)) ** 5 * 0.5
    shine[shiny] = np.minimum(reflect[:, None] * dim_view(scene, found), 3.0)
    return shine
