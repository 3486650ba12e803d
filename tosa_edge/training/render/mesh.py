"""Triangle soups: what every object of a scene is made of, and simple shapes built from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """How a surface looks. Colours are sRGB in 0..1, as a catalogue or a photo gives them."""

    colour: Colour = (0.7, 0.7, 0.7)
    texture: np.ndarray | None = None  # [S, S, 3] uint8, multiplied by colour
    tile: float = 0.0  # metres covered by one texture repeat; 0 keeps the mesh's own coordinates
    gloss: float = 0.0  # reflectance at normal incidence
    emission: float = 0.0  # radiance relative to a white surface under unit light
    clear: float = 0.0  # share of the light that goes straight through: glass
    mirror: float = 0.0  # share of the light that comes back as from a looking glass
    pane: bool = False  # glass in a window: its depth is that of what lies behind it


@dataclass(frozen=True)
class Mesh:
    """Triangles in metres, z up, standing on z = 0 and facing -y.

    corners [F, 3, 3], normals [F, 3, 3], uv [F, 3, 2] and slot [F], an index into materials.
    """

    corners: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    slot: np.ndarray
    materials: tuple[Material, ...]

    @cached_property
    def low(self) -> np.ndarray:
        return np.array([self.corners[..., axis].min() for axis in range(3)])

    @cached_property
    def high(self) -> np.ndarray:
        return np.array([self.corners[..., axis].max() for axis in range(3)])

    @property
    def size(self) -> np.ndarray:
        return self.high - self.low

    def part(self, triangles: np.ndarray) -> Mesh:
        """The triangles of these numbers, in this order."""
        return replace(
            self,
            corners=self.corners[triangles],
            normals=self.normals[triangles],
            uv=self.uv[triangles],
            slot=self.slot[triangles],
        )

    def painted(self, *materials: Material) -> Mesh:
        return replace(self, materials=tuple(materials))


def place(mesh: Mesh, offset, yaw: float = 0.0, scale=1.0) -> Mesh:
    """Scales, then turns about the vertical by yaw radians, then moves."""
    c, s = np.cos(yaw), np.sin(yaw)
    turn: np.ndarray = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], np.float32)  # rows times matrix
    if np.ndim(scale) == 0:
        corners, normals = (mesh.corners * np.float32(scale)) @ turn, mesh.normals @ turn
    else:
        stretch = np.asarray(scale, np.float32)
        corners, normals = (mesh.corners * stretch) @ turn, (mesh.normals / stretch) @ turn
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9
    corners += np.asarray(offset, np.float32)
    return replace(mesh, corners=corners, normals=normals)


def tilt(mesh: Mesh, axis: int, angle: float) -> Mesh:
    """Turns about the x (0) or y (1) axis, for leaning books and fallen cups."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.eye(3, dtype=np.float32)
    first, second = ((1, 2), (2, 0))[axis]
    turn[first, first], turn[first, second], turn[second, first], turn[second, second] = c, s, -s, c
    return replace(mesh, corners=mesh.corners @ turn, normals=mesh.normals @ turn)


def face_normals(corners: np.ndarray) -> np.ndarray:
    """[F, 3, 3] -> unit normals [F, 3]; a degenerate triangle gets zeros."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return normal / (np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-12)


def from_corners(corners, material: Material, uv=None, normals=None) -> Mesh:
    corners = np.asarray(corners, np.float32).reshape(-1, 3, 3)
    if normals is None:
        normals = np.repeat(face_normals(corners)[:, None], 3, axis=1)
    if uv is None:
        uv = np.zeros((len(corners), 3, 2), np.float32)
    slot = np.zeros(len(corners), np.int32)
    return Mesh(corners, np.asarray(normals, np.float32), np.asarray(uv, np.float32), slot, (material,))


def merge(meshes: list[Mesh]) -> Mesh:
    first = np.cumsum([0] + [len(mesh.materials) for mesh in meshes])
    return Mesh(
        np.concatenate([mesh.corners for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.slot + start for mesh, start in zip(meshes, first[:-1], strict=True)]),
        tuple(material for mesh in meshes for material in mesh.materials),
    )


def quad(origin, side, up, material: Material) -> Mesh:
    """A rectangle from its corner and two edges, its picture upright along up."""
    o, s, u = (np.asarray(v, np.float32) for v in (origin, side, up))
    corners = [o, o + s, o + s + u, o, o + s + u, o + u]
    uv = [[0, 1], [1, 1], [1, 0], [0, 1], [1, 0], [0, 0]]
    return from_corners(corners, material, np.asarray(uv, np.float32).reshape(-1, 3, 2))


def _unit_box() -> Mesh:
    white = Material()
    x, y, z = np.eye(3)
    return merge(
        [
            quad(o, side, up, white)
            for o, side, up in ((0 * x, x, z), (x, y, z), (x + y, -x, z), (y, -y, z), (z, x, y), (y, x, -y))
        ]
    )


UNIT_BOX = _unit_box()


def box(low, high, material: Material) -> Mesh:
    start, size = np.asarray(low, np.float32), np.subtract(high, low, dtype=np.float32)
    return Mesh(
        UNIT_BOX.corners * size + start, UNIT_BOX.normals, UNIT_BOX.uv, np.zeros(12, np.int32), (material,)
    )


def grid(points: np.ndarray, material: Material) -> Mesh:
    """A smooth sheet through points [A, B, 3]: a curtain, a turned vase, a bent cable."""
    across, along = np.gradient(points, axis=0), np.gradient(points, axis=1)
    normal = np.cross(across, along)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-12
    a, b = points.shape[:2]
    u, v = np.meshgrid(np.linspace(0, 1, a), np.linspace(1, 0, b), indexing="ij")
    index = np.arange(a * b).reshape(a, b)
    p00, p10, p11, p01 = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    triangles = np.stack([p00, p10, p11, p00, p11, p01], -1).reshape(-1, 3)
    uv = np.stack([u, v], -1).reshape(-1, 2)
    return from_corners(
        points.reshape(-1, 3)[triangles], material, uv[triangles], normal.reshape(-1, 3)[triangles]
    )


def lathe(profile, material: Material, sides: int = 14) -> Mesh:
    """Turns a profile of (radius, height) pairs about the vertical: cups, bottles, lamp shades."""
    profile = np.asarray(profile, np.float32)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack([np.cos(angle), np.sin(angle)], -1)
    points = np.concatenate(
        [
            ring[:, None] * profile[None, :, :1],
            np.broadcast_to(profile[None, :, 1:], (sides + 1, len(profile), 1)),
        ],
        -1,
    )
    return grid(points, material)


def tube(path, radius: float, material: Material, sides: int = 6) -> Mesh:
    """A round bar along path [N, 3]: cables, handles, lamp arms."""
    path = np.asarray(path, np.float64)
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=-1, keepdims=True) + 1e-12
    helper = np.where(np.abs(along[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    side = np.cross(along, helper)
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    up = np.cross(side, along)
    angle = np.linspace(0, 2 * np.pi, sides + 1)[:, None, None]
    return grid(path + radius * (np.cos(angle) * side + np.sin(angle) * up), material)
