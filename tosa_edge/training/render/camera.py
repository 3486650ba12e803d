"""Where a hand-held camera stands, where it looks, and the rays of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .scene import Scene


@dataclass(frozen=True)
class Camera:
    """axes [3, 3]: rows are right, down and forward. lens is the strength of its barrel distortion."""

    position: np.ndarray
    axes: np.ndarray
    size: tuple[int, int]
    focal: float  # pixels
    lens: float = 0.0
    pixel_angle: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixel_angle", 1 / self.focal)

    def rays(self, offset: np.ndarray, pixel: np.ndarray | None = None) -> np.ndarray:
        """Directions [N, 3] of all pixels or of the flat indices given, moved by offset pixels.

        They advance one metre along the optical axis, so a ray's distance is its depth.
        """
        height, width = self.size
        pixel = np.arange(height * width) if pixel is None else pixel
        at = np.stack([pixel % width, pixel // width], -1).astype(np.float32) + offset
        at = (at - np.array([width - 1, height - 1], np.float32) / 2) / np.float32(self.focal)
        at *= 1 + np.float32(self.lens) * np.einsum("nk,nk->n", at, at)[:, None]
        return np.concatenate([at, np.ones_like(at[:, :1])], -1) @ self.axes.astype(np.float32)


def look(position, yaw: float, pitch: float, roll: float, size, field_of_view: float, lens=0.0) -> Camera:
    """Yaw 0 looks along +x; pitch is positive upwards; all angles in radians."""
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    axes = np.stack([c * right + s * down, c * down - s * right, forward])
    focal = size[1] / 2 / np.tan(field_of_view / 2)
    return Camera(np.asarray(position, np.float64), axes, tuple(size), float(focal), lens)


def choose(
    scene: Scene, bounds, subjects: np.ndarray, thin: np.ndarray, size, rng: np.random.Generator
) -> Camera:
    """A view worth a photograph, in a room given by its bounds (x0, y0, x1, y1, height).

    subjects [K, 3] are points on things, thin [T, 3] on things with thin parts: a quarter of the
    views look past one of those, a quarter go close to some thing, some look down the room.
    """
    best, best_score = None, -np.inf
    kind = str(rng.choice(["past", "close", "along", "any"], p=[0.25, 0.25, 0.15, 0.35]))
    for turn in range(14):
        kind = kind if turn < 9 else "any"  # where the wished view is blocked
        camera = _draw(kind if len(thin) or kind != "past" else "any", bounds, subjects, thin, size, rng)
        score = _score(scene, camera)
        if score > best_score:
            best, best_score = camera, score
        if score > 0:
            break
    assert best is not None
    return best


def _draw(kind: str, bounds, subjects, thin, size, rng) -> Camera:
    x0, y0, x1, y1, ceiling = bounds
    view = np.deg2rad(rng.uniform(45, 80) if rng.random() < 0.5 else rng.normal(60, 4))
    roll = np.deg2rad(np.clip(rng.normal(0, 3), -8, 8))
    lens = rng.uniform(-0.04, 0.02)
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2, 0.8])
    subject = subjects[rng.integers(len(subjects))] if len(subjects) else middle
    height = np.clip(rng.normal(1.4, 0.28), 0.5, 2.0)
    if kind == "close":
        angle, down, reach = rng.uniform(-np.pi, np.pi), np.deg2rad(rng.uniform(0, 45)), rng.uniform(0.6, 2.0)
        back = np.array([np.cos(angle) * np.cos(down), np.sin(angle) * np.cos(down), np.sin(down)])
        position = subject + reach * back
        aim = subject + rng.normal(0, 0.12, 3)
    elif kind == "past":
        angle, reach = rng.uniform(-np.pi, np.pi), rng.uniform(0.8, 2.0)
        near = thin[rng.integers(len(thin))]
        position = np.array([*(near[:2] + reach * np.array([np.cos(angle), np.sin(angle)])), 0.9 * height])
        aim = near + np.array([*rng.normal(0, 0.25, 2), rng.uniform(0.0, 0.3)])
    elif kind == "along":
        sides = np.array([x1 - x0, y1 - y0])
        half = np.where(sides == sides.max(), 0.5, 0.0) * sides * rng.choice([-1, 1])
        position = np.array([*(middle[:2] + half + rng.normal(0, 0.4, 2)), height])
        aim = np.array([*(middle[:2] - half + rng.normal(0, 0.8, 2)), rng.uniform(0.4, 1.2)])
    else:
        position = np.array([rng.uniform(x0, x1), rng.uniform(y0, y1), height])
        aim = subject + rng.normal(0, 0.4, 3)
    position[:2] = np.clip(position[:2], [x0 + 0.2, y0 + 0.2], [x1 - 0.2, y1 - 0.2])
    position[2] = np.clip(position[2], 0.4, min(ceiling - 0.2, 2.0))
    offset = aim - position
    yaw = np.arctan2(offset[1], offset[0])
    pitch = np.arctan2(offset[2], np.hypot(offset[0], offset[1])) * rng.uniform(0.5, 1.0)
    pitch = np.clip(pitch + np.deg2rad(rng.normal(0, 4)), np.deg2rad(-42), np.deg2rad(15))
    return look(position, yaw, pitch, roll, size, view, lens)


def _score(scene: Scene, camera: Camera) -> float:
    """Positive when nothing blocks the lens and the view has some shape to it."""
    height, width = camera.size
    rows, columns = np.linspace(0, height - 1, 18).astype(int), np.linspace(0, width - 1, 24).astype(int)
    pixel = (rows[:, None] * width + columns).ravel()
    rays = camera.rays(np.zeros(2, np.float32), pixel)
    around = np.concatenate([rays, np.eye(3, dtype=np.float32), -np.eye(3, dtype=np.float32)])
    hits = scene.first_hits(np.broadcast_to(camera.position, around.shape).astype(np.float32), around)
    depth, clearance = hits.distance[:-6], hits.distance[-6:].min()
    normal = scene.flat_normals[hits.triangle[:-6]]
    points = camera.position + rays * depth[:, None]
    plane = np.round(np.concatenate([4 * normal, 8 * np.sum(normal * points, -1, keepdims=True)], -1))
    plain = np.unique(np.abs(plane), axis=0, return_counts=True)[1].max() / len(pixel)
    middle = np.median(depth)
    good = (clearance > 0.12) and np.percentile(depth, 2) > 0.35 and plain < 0.5 and 0.7 < middle < 7
    return 1.0 if good else min(clearance, 0.3) + np.percentile(depth, 2) - plain - 2.0


def path(camera: Camera, count: int, rng: np.random.Generator) -> list[Camera]:
    """count consecutive hand-held frames that start at camera: a slow walk with a little tremor."""
    walk = rng.normal(0, 0.02, 3) * [1, 1, 0.3]
    turn = rng.normal(0, np.deg2rad(0.8), 3) * [1, 0.5, 0.2]
    cameras = []
    for i in range(count):
        drift = i * walk + rng.normal(0, 0.002, 3)
        right, down, forward = camera.axes
        yaw, pitch, roll = i * turn + rng.normal(0, np.deg2rad(0.1), 3)
        forward = forward + yaw * right + pitch * down
        forward /= np.linalg.norm(forward)
        right = right + roll * down
        right = right - forward * (right @ forward)
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(forward, right), forward])
        cameras.append(Camera(camera.position + drift, axes, camera.size, camera.focal, camera.lens))
    return cameras
