"""What each camera ray sees: depth, direct light with soft shadows, one bounce, and gloss.

Every pixel takes two shadow rays and one bounce ray; what noise that leaves is smoothed across
pixels of the same surface, so shadows stay soft and edges stay sharp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .camera import Camera
from .light import bounce, direct, gloss
from .scene import BACKDROP_M, Scene
from .view_trace import ViewTrace, trace_view

EDGE_SAMPLES = 3
BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16


@dataclass(frozen=True)
class Picture:
    """Linear radiance [H, W, 3] and depth along the optical axis [H, W] in metres."""

    radiance: np.ndarray
    depth: np.ndarray


def render(scene: Scene, camera: Camera, rng: np.random.Generator) -> Picture:
    height, width = shape = camera.size
    sight = trace_view(scene, camera.position, camera.rays(np.zeros(2, np.float32)))
    hits = sight.hits
    length = np.linalg.norm(sight.directions, axis=-1)
    toward = sight.directions / length[:, None]
    normal, flat = scene.normal_at(hits, toward)
    points = sight.origins + sight.directions * hits.distance[:, None] + flat * 1e-3
    slant = np.maximum(-np.einsum("nk,nk->n", flat, toward), 0.15)
    albedo = scene.albedo(hits, sight.way * length * camera.pixel_angle / np.sqrt(slant))
    dither = np.tile(BAYER, (height // 4 + 1, width // 4 + 1))[:height, :width].ravel()

    light = direct(scene, points, normal, dither, rng) + bounce(scene, points, normal, rng)
    shine = gloss(scene, hits, points, normal, toward, rng)
    light, shine = smooth_on_surfaces(
        np.concatenate([light, shine], -1).reshape(*shape, 6),
        points.reshape(*shape, 3),
        normal.reshape(*shape, 3),
        (sight.way * camera.pixel_angle).reshape(shape),
    )
    glow = scene.emission[scene.slot[hits.triangle]][:, None] * albedo
    seen = albedo * light.reshape(-1, 3) + shine.reshape(-1, 3) + glow
    radiance = (sight.arrives * seen + sight.added).reshape(*shape, 3)
    _soften_edges(scene, camera, radiance, light, shine, sight, rng)
    return Picture(radiance, np.minimum(sight.depth.reshape(shape), BACKDROP_M))


def smooth_on_surfaces(values, points, normal, pixel) -> tuple[np.ndarray, np.ndarray]:
    """Averages [H, W, 6] over neighbours on the same plane; returns its two halves [H, W, 3].

    Rounds with widening steps reach far for few looks; these steps leave no pattern behind.
    """
    height, width = pixel.shape
    values, points, normal = (np.ascontiguousarray(np.moveaxis(a, -1, 0)) for a in (values, points, normal))
    tolerance = 1 / (4 * pixel + 0.002)
    height_of = (normal * points).sum(axis=0)  # of each pixel's plane over the origin
    for step in (1, 2, 3, 5):
        total, weights = values.copy(), np.ones((height, width), np.float32)
        for dy, dx in ((0, step), (step, 0), (step, step), (step, -step)):
            a = (slice(dy, height), slice(max(dx, 0), width + min(dx, 0)))
            b = (slice(0, height - dy), slice(max(-dx, 0), width - max(dx, 0)))
            at_a, at_b = (..., *a), (..., *b)
            near, far = normal[at_a], points[at_b]
            same = near[0] * normal[at_b][0]
            gap = near[0] * far[0]
            for axis in (1, 2):
                same += near[axis] * normal[at_b][axis]
                gap += near[axis] * far[axis]
            gap -= height_of[a]
            np.abs(gap, out=gap)
            gap *= tolerance[a]
            gap /= -step
            weight = np.clip(6 * same - 5, 0, 1) * np.clip(1.5 + gap, 0, 1)
            total[at_a] += weight * values[at_b]
            total[at_b] += weight * values[at_a]
            weights[a] += weight
            weights[b] += weight
        values = total / weights
    values = np.moveaxis(values, 0, -1)
    return values[..., :3], values[..., 3:]


def _soften_edges(scene: Scene, camera: Camera, radiance, light, shine, sight: ViewTrace, rng) -> None:
    """Antialiases in place: pixels beside another surface take extra looks within the pixel.

    An extra look has its own colour and borrows the light of the neighbouring pixel that shows
    the surface most like it.
    """
    height, width = camera.size
    way = sight.way.reshape(height, width)
    slot = scene.slot[sight.hits.triangle].reshape(height, width)
    nearness = [1 / far.reshape(height, width) for far in (sight.way, sight.depth)]
    jump = np.zeros((height, width), bool)
    for axis in (0, 1):
        a = [slice(None)] * 2
        b = [slice(None)] * 2
        a[axis], b[axis] = slice(1, None), slice(None, -1)
        near, far = tuple(a), tuple(b)
        differs = slot[near] != slot[far]
        for inverse in nearness:
            differs |= np.abs(inverse[near] - inverse[far]) > 0.03
        jump[near] |= differs
        jump[far] |= differs
    rows, columns = np.nonzero(jump)
    if not len(rows):
        return
    pixel = rows * width + columns
    total = radiance[rows, columns].copy()
    down, right = np.mgrid[-1:2, -1:2].reshape(2, 9, 1)
    around_y, around_x = np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1)
    around_way, around_slot = way[around_y, around_x], slot[around_y, around_x]  # [9, N]
    for _ in range(EDGE_SAMPLES):
        offset = rng.uniform(-0.5, 0.5, (len(pixel), 2)).astype(np.float32)
        extra = trace_view(scene, camera.position, camera.rays(offset, pixel))
        found_slot = scene.slot[extra.hits.triangle]
        unlike = np.abs(around_way / extra.way - 1)
        unlike += np.where(around_slot != found_slot, np.float32(0.2), np.float32(0))
        best = unlike.argmin(axis=0)
        y, x = (np.take_along_axis(at, best[None], 0)[0] for at in (around_y, around_x))
        colour = scene.albedo(extra.hits, extra.way * camera.pixel_angle)
        glow = scene.emission[found_slot][:, None] * colour
        seen = colour * light[y, x] + shine[y, x] * (slot[y, x] == found_slot)[:, None] + glow
        total += extra.arrives * seen + extra.added
    radiance[rows, columns] = total / (EDGE_SAMPLES + 1)
