"""A scene as flat arrays with a bounding volume hierarchy: what the shading reads for each ray."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from .mesh import Material, Mesh, box, face_normals, merge

BACKDROP_M = 20.0  # metres; the backdrop beyond every window is kept at most this deep
TEXTURE_SIDE = 256
LEVELS = 6  # 256, 128, ... 8 pixels
TO_LINEAR = ((np.arange(256) / 255.0) ** 2.2).astype(np.float32)


@dataclass(frozen=True)
class Light:
    """A rectangle (centre, two half edges) that sheds light from its front, cross(side, up)."""

    centre: np.ndarray
    side: np.ndarray
    up: np.ndarray
    colour: np.ndarray  # radiance, RGB


@dataclass(frozen=True)
class Hits:
    """For N rays: triangle [N], distance in units of the direction [N], barycentric u, v [N]."""

    triangle: np.ndarray
    distance: np.ndarray
    u: np.ndarray
    v: np.ndarray


class Geometry:
    """Triangles [F, 3, 3], most often inside a box that stands for the sky: every ray hits something.

    A ray can slip between two triangles of the sky; it sees the last one then.
    """

    def __init__(self, corners: np.ndarray, closed: bool = True) -> None:
        self.last = len(corners) - 1
        self.miss = self.last if closed else -1
        self._tree = EmbreeScene()
        TriangleMesh(self._tree, np.ascontiguousarray(corners, np.float32))

    def intersect(self, origins: np.ndarray, directions: np.ndarray) -> Hits:
        found = self._tree.run(origins, directions, output=True)
        triangle = np.where(found["primID"] < 0, self.miss, found["primID"])
        return Hits(triangle, np.minimum(found["tfar"], 60.0), found["u"], found["v"])

    def blocked(self, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Whether anything lies between each origin and origin + direction; [N] bool."""
        return (
            self._tree.run(origins, directions, np.full(len(origins), 0.995, np.float32), query="OCCLUDED")
            >= 0
        )


def under_sky(meshes: list[Mesh]) -> Mesh:
    return merge([*meshes, box((-30, -30, -30), (30, 30, 30), Material((0.9, 0.95, 1.0), emission=2.0))])


class Scene(Geometry):
    """Triangles F with materials M, built once and looked at by many cameras."""

    def __init__(self, meshes: list[Mesh], lights: list[Light], ambient: np.ndarray) -> None:
        everything = under_sky(meshes)
        self.clear = np.array([m.clear for m in everything.materials], np.float32)
        self.mirror = np.array([m.mirror for m in everything.materials], np.float32)
        self.pane = np.array([m.pane for m in everything.materials])
        self.has_glass = bool(np.any(self.clear + self.mirror > 0))
        # Glass stands in a tree of its own: shadows and bounces go through it, only cameras meet it.
        is_glass = self.clear[everything.slot] > 0
        order = np.argsort(is_glass, kind="stable")
        everything = everything.part(order)
        count = int(is_glass.sum())
        super().__init__(everything.corners[: len(order) - count])
        self._glass = Geometry(everything.corners[len(order) - count :], closed=False) if count else None
        self.lights = lights
        self.ambient = np.asarray(ambient, np.float32)
        corners = everything.corners
        self.flat_normals = face_normals(corners).astype(np.float32)
        self.normals = everything.normals.astype(np.float32)
        self.slot = everything.slot
        materials = everything.materials
        self.colour = np.array([m.colour for m in materials], np.float32) ** 2.2
        self.gloss = np.array([m.gloss for m in materials], np.float32)
        self.emission = np.array([m.emission for m in materials], np.float32)
        tile = np.array([m.tile for m in materials], np.float32)
        self.uv = _project(corners, self.flat_normals, everything.uv, tile[self.slot])
        self._stack_textures(materials)
        self.density = _texel_density(corners, self.uv)

    def first_hits(self, origins: np.ndarray, directions: np.ndarray) -> Hits:
        """What a camera ray meets first, glass included."""
        hits = self.intersect(origins, directions)
        if self._glass is None:
            return hits
        found = self._glass.intersect(origins, directions)
        nearer = (found.triangle >= 0) & (found.distance < hits.distance)
        at = np.flatnonzero(nearer)
        hits.triangle[at] = found.triangle[at] + self.last + 1
        for name in ("distance", "u", "v"):
            getattr(hits, name)[at] = getattr(found, name)[at]
        return hits

    def _stack_textures(self, materials: tuple[Material, ...]) -> None:
        """Joins the pictures of all materials, each with its smaller versions, into one table."""
        index: dict[int, int] = {}
        pyramids: list[np.ndarray] = []
        picture_of = np.full(len(materials), -1, np.int64)
        for i, material in enumerate(materials):
            if material.texture is None:
                continue
            if id(material.texture) not in index:
                index[id(material.texture)] = len(pyramids)
                pyramids.append(_pyramid(material.texture))
            picture_of[i] = index[id(material.texture)]
        self.picture_of = picture_of
        means = np.array([TO_LINEAR[p[-64:]].mean(axis=0) for p in pyramids] + [np.ones(3)], np.float32)
        self.mean_colour = self.colour * means[picture_of]  # -1, no picture, reads the ones at the end
        self.texels = np.concatenate(pyramids) if pyramids else np.full((1, 3), 255, np.uint8)
        self.level_start = np.cumsum([0] + [(TEXTURE_SIDE >> level) ** 2 for level in range(LEVELS)])

    def normal_at(self, hits: Hits, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shading and flat unit normals [N, 3], both on the side that the ray came from."""
        flat = self.flat_normals[hits.triangle]
        flat = flat * -np.sign(np.einsum("nk,nk->n", flat, directions))[:, None]
        at = self.normals[hits.triangle]
        u, v = hits.u[:, None], hits.v[:, None]
        smooth = at[:, 0] * (1 - u - v) + at[:, 1] * u + at[:, 2] * v
        smooth *= np.sign(np.einsum("nk,nk->n", smooth, flat))[:, None]
        smooth = smooth + 0.05 * flat
        return smooth / (np.linalg.norm(smooth, axis=-1, keepdims=True) + 1e-9), flat

    def albedo(self, hits: Hits, footprint: np.ndarray | float) -> np.ndarray:
        """Linear colour [N, 3]; footprint is the width in metres that a ray stands for."""
        slot = self.slot[hits.triangle]
        colour = self.colour[slot]
        picture = self.picture_of[slot]
        seen = np.flatnonzero(picture >= 0)
        if len(seen):
            triangle = hits.triangle[seen]
            u, v = hits.u[seen, None], hits.v[seen, None]
            corner = self.uv[triangle]
            at = corner[:, 0] * (1 - u - v) + corner[:, 1] * u + corner[:, 2] * v
            width = np.broadcast_to(footprint, picture.shape)[seen] * self.density[triangle] * TEXTURE_SIDE
            colour[seen] *= self._sample(picture[seen], at, width)
        return colour

    def _sample(self, picture: np.ndarray, at: np.ndarray, width: np.ndarray) -> np.ndarray:
        """Bilinear colour from the level whose texels are about as wide as the ray."""
        level = np.clip(np.round(np.log2(np.maximum(width, 1e-3))), 0, LEVELS - 1).astype(np.int64)
        side = TEXTURE_SIDE >> level
        start = picture * self.level_start[-1] + self.level_start[level]
        place = (at - np.floor(at)) * side[:, None] - 0.5
        low = np.floor(place).astype(np.int64)
        share = (place - low).astype(np.float32)
        (x0, y0), (x1, y1) = (low % side[:, None]).T, ((low + 1) % side[:, None]).T
        fx, fy = share[:, :1], share[:, 1:]

        def texel(x, y):
            return TO_LINEAR[self.texels[start + y * side + x]]

        top = texel(x0, y0) * (1 - fx) + texel(x1, y0) * fx
        bottom = texel(x0, y1) * (1 - fx) + texel(x1, y1) * fx
        return top * (1 - fy) + bottom * fy


def _pyramid(picture: np.ndarray) -> np.ndarray:
    levels = [picture]
    for level in range(1, LEVELS):
        side = TEXTURE_SIDE >> level
        levels.append(cv2.resize(levels[-1], (side, side), interpolation=cv2.INTER_AREA))
    return np.concatenate([level.reshape(-1, 3) for level in levels])


def _project(corners: np.ndarray, normals: np.ndarray, uv: np.ndarray, tile: np.ndarray) -> np.ndarray:
    """Texture coordinates [F, 3, 2]: seen along the nearest axis where a tile size is given."""
    axis = np.abs(normals).argmax(axis=1)
    across = np.where(axis == 0, 1, 0)
    along = np.where(axis == 2, 1, 2)
    rows = np.arange(len(corners))
    seen = np.stack([corners[rows, :, across], -corners[rows, :, along]], -1)
    return np.where((tile > 0)[:, None, None], seen / np.maximum(tile, 1e-3)[:, None, None], uv).astype(
        np.float32
    )


def _texel_density(corners: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Texture repeats per metre of each triangle [F]."""
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=-1)
    a, b = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    return np.sqrt(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / np.maximum(area, 1e-10)).astype(np.float32)
