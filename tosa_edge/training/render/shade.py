"""What each camera ray sees: depth, direct light with soft shadows, one bounce, and gloss.

Every pixel takes two shadow rays and one bounce ray; what noise that leaves is smoothed across
pixels of the same surface, so shadows stay soft and edges stay sharp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .camera import Camera
from .scene import FARTHEST, Hits, Light, Scene

EDGE_SAMPLES = 3
SHADOW_RAYS = 2
BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16


@dataclass(frozen=True)
class Picture:
    """Linear radiance [H, W, 3] and depth along the optical axis [H, W] in metres."""

    radiance: np.ndarray
    depth: np.ndarray


def render(scene: Scene, camera: Camera, rng: np.random.Generator) -> Picture:
    height, width = camera.size
    rays = camera.rays(np.zeros(2, np.float32))
    origins = np.broadcast_to(camera.position, rays.shape).astype(np.float32)
    hits = scene.intersect(origins, rays)
    length = np.linalg.norm(rays, axis=-1)
    toward = rays / length[:, None]
    normal, flat = scene.normal_at(hits, toward)
    points = origins + rays * hits.distance[:, None] + flat * 1e-3
    slant = np.maximum(-np.einsum("nk,nk->n", flat, toward), 0.15)
    albedo = scene.albedo(hits, hits.distance * length * camera.pixel_angle / np.sqrt(slant))
    dither = np.tile(BAYER, (height // 4 + 1, width // 4 + 1))[:height, :width].ravel()

    light = _direct(scene, points, normal, dither, rng) + _bounce(scene, points, normal, rng)
    shine = _gloss(scene, hits, points, normal, toward, rng)
    shape = (height, width)
    light, shine = smooth_on_surfaces(
        np.concatenate([light, shine], -1).reshape(*shape, 6),
        points.reshape(*shape, 3),
        normal.reshape(*shape, 3),
        (hits.distance * camera.pixel_angle).reshape(shape),
    )
    glow = scene.emission[scene.slot[hits.triangle]][:, None] * albedo
    radiance = albedo.reshape(*shape, 3) * light + shine + glow.reshape(*shape, 3)
    depth = np.minimum(hits.distance.reshape(shape), FARTHEST)
    _soften_edges(scene, camera, radiance, light, shine, hits, rng)
    return Picture(radiance, depth)


def _direct(scene: Scene, points, normal, dither, rng) -> np.ndarray:
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
    centre, side, up, color = (
        np.array([getattr(light, name) for light in scene.lights], np.float32)
        for name in ("centre", "side", "up", "color")
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
        total += np.minimum(weight, 10)[:, None] * color[pick]
    return total


def _reach(light: Light, points: np.ndarray) -> np.ndarray:
    """A rough guess of how much a light matters at each point [N], never zero."""
    offset = points - light.centre.astype(np.float32)
    face = np.cross(light.side, light.up).astype(np.float32)
    ahead = np.maximum(offset @ (face / np.linalg.norm(face)), 0)
    square = np.einsum("nk,nk->n", offset, offset) + 0.1
    power = light.color.mean() * np.linalg.norm(face)
    return (power * ahead / (square * np.sqrt(square)) + 1e-4).astype(np.float32)


def _bounce(scene: Scene, points, normal, rng) -> np.ndarray:
    """Irradiance / pi [N, 3] from one ray over the hemisphere: dark in corners, tinted by neighbours."""
    spread = rng.standard_normal(points.shape, np.float32)
    spread /= np.linalg.norm(spread, axis=-1, keepdims=True)
    directions = normal + 0.98 * spread
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    found = scene.intersect(points, directions)
    return _dim_view(scene, found)


def _dim_view(scene: Scene, found: Hits) -> np.ndarray:
    """Radiance guessed without further rays: near surfaces are taken to be shaded ones."""
    slot = scene.slot[found.triangle]
    open_air = np.clip(found.distance / 1.2, 0.15, 1)[:, None]
    return scene.mean_color[slot] * (
        scene.ambient * open_air + np.minimum(scene.emission[slot], 2.0)[:, None]
    )


def _gloss(scene: Scene, hits: Hits, points, normal, toward, rng) -> np.ndarray:
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
    shine[shiny] = np.minimum(reflect[:, None] * _dim_view(scene, found), 3.0)
    return shine


def smooth_on_surfaces(values, points, normal, pixel) -> tuple[np.ndarray, np.ndarray]:
    """Averages [H, W, 6] over neighbours on the same plane; returns its two halves [H, W, 3].

    Rounds with widening steps reach far for few looks; these steps leave no pattern behind.
    """
    height, width = pixel.shape
    values, points, normal = (np.ascontiguousarray(np.moveaxis(a, -1, 0)) for a in (values, points, normal))
    tolerance = 1 / (4 * pixel + 0.002)
    for step in (1, 2, 3, 5):
        total, weights = values.copy(), np.ones((height, width), np.float32)
        for dy, dx in ((0, step), (step, 0), (step, step), (step, -step)):
            a = (slice(dy, height), slice(max(dx, 0), width + min(dx, 0)))
            b = (slice(0, height - dy), slice(max(-dx, 0), width - max(dx, 0)))
            at_a, at_b = (..., *a), (..., *b)
            same, gap = 0.0, 0.0
            for n, m, p, q in zip(normal[at_a], normal[at_b], points[at_a], points[at_b], strict=True):
                same, gap = same + n * m, gap + n * (p - q)
            weight = np.clip(6 * same - 5, 0, 1) * np.clip(1.5 - np.abs(gap) * tolerance[a] / step, 0, 1)
            total[at_a] += weight * values[at_b]
            total[at_b] += weight * values[at_a]
            weights[a] += weight
            weights[b] += weight
        values = total / weights
    values = np.moveaxis(values, 0, -1)
    return values[..., :3], values[..., 3:]


def _soften_edges(scene, camera, radiance, light, shine, hits, rng) -> None:
    """Antialiases in place: pixels beside another surface take extra looks within the pixel.

    An extra look has its own colour and borrows the light of the neighbouring pixel that shows
    the surface most like it.
    """
    height, width = camera.size
    distance = hits.distance.reshape(height, width)
    slot = scene.slot[hits.triangle].reshape(height, width)
    jump = np.zeros((height, width), bool)
    for axis in (0, 1):
        a = [slice(None)] * 2
        b = [slice(None)] * 2
        a[axis], b[axis] = slice(1, None), slice(None, -1)
        near, far = tuple(a), tuple(b)
        differs = (slot[near] != slot[far]) | (np.abs(1 / distance[near] - 1 / distance[far]) > 0.03)
        jump[near] |= differs
        jump[far] |= differs
    rows, columns = np.nonzero(jump)
    if not len(rows):
        return
    pixel = rows * width + columns
    total = radiance[rows, columns].copy()
    for _ in range(EDGE_SAMPLES):
        offset = rng.uniform(-0.5, 0.5, (len(pixel), 2)).astype(np.float32)
        rays = camera.rays(offset, pixel)
        found = scene.intersect(np.broadcast_to(camera.position, rays.shape).astype(np.float32), rays)
        found_slot = scene.slot[found.triangle]
        best = np.full(len(pixel), np.inf, np.float32)
        borrowed = np.zeros((len(pixel), 2), np.int64)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                y, x = np.clip(rows + dy, 0, height - 1), np.clip(columns + dx, 0, width - 1)
                unlike = np.abs(distance[y, x] / found.distance - 1) + 0.2 * (slot[y, x] != found_slot)
                better = unlike < best
                best[better] = unlike[better]
                borrowed[better, 0], borrowed[better, 1] = y[better], x[better]
        y, x = borrowed.T
        color = scene.albedo(found, found.distance * camera.pixel_angle)
        glow = scene.emission[found_slot][:, None] * color
        total += color * light[y, x] + shine[y, x] * (slot[y, x] == found_slot)[:, None] + glow
    radiance[rows, columns] = total / (EDGE_SAMPLES + 1)
