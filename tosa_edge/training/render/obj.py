"""Wavefront OBJ and MTL text to arrays: the few statements that furniture models use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .mesh import face_normals


@dataclass(frozen=True)
class ParsedObj:
    """corners [F, 3, 3], normals [F, 3, 3], uv [F, 3, 2], slot [F] into the material names."""

    corners: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    slot: np.ndarray
    materials: list[str]
    libraries: list[str]


def parse_obj(text: str, most_triangles: int) -> ParsedObj | None:
    """None when the file has no triangle, or more than most_triangles."""
    points: list[list[float]] = []
    shading: list[list[float]] = []
    mapping: list[list[float]] = []
    triangles: list[tuple] = []
    slots: list[int] = []
    materials: list[str] = []
    libraries: list[str] = []
    current = 0
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "v":
            points.append([float(v) for v in rest.split()[:3]])
        elif word == "vn":
            shading.append([float(v) for v in rest.split()[:3]])
        elif word == "vt":
            mapping.append([float(v) for v in rest.split()[:2]])
        elif word == "f":
            count = (len(points), len(mapping), len(shading))
            ring = [_corner(item, count) for item in rest.split()]
            triangles += [(ring[0], ring[i], ring[i + 1]) for i in range(1, len(ring) - 1)]
            slots += [current] * (len(ring) - 2)
            if len(triangles) > most_triangles:
                return None
        elif word == "usemtl":
            name = rest.strip()
            if name not in materials:
                materials.append(name)
            current = materials.index(name)
        elif word == "mtllib":
            libraries.append(rest.strip())
    if not triangles:
        return None
    index = np.array(triangles, np.int64)  # [F, 3, (point, mapping, shading)], -1 where absent
    corners = np.array(points, np.float32)[index[..., 0]]
    uv = np.array([*mapping, [0, 0]], np.float32)[index[..., 1]]
    uv[..., 1] = 1 - uv[..., 1]  # pictures are stored from the top
    flat = np.repeat(face_normals(corners)[:, None], 3, axis=1)
    normals = np.array([*shading, [0, 0, 0]], np.float32)[index[..., 2]]
    normals = np.where(np.linalg.norm(normals, axis=-1, keepdims=True) > 0.1, normals, flat)
    keep = _distinct(corners)
    return ParsedObj(
        corners[keep], normals[keep], uv[keep], np.array(slots, np.int32)[keep], materials or [""], libraries
    )


def _corner(item: str, count: tuple[int, int, int]) -> tuple[int, int, int]:
    fields = [*item.split("/"), "", ""][:3]
    numbers = [int(field) if field else 0 for field in fields]
    point, mapping, shading = (n - 1 if n >= 0 else c + n for n, c in zip(numbers, count, strict=True))
    return point, mapping, shading


def _distinct(corners: np.ndarray) -> np.ndarray:
    """Indices of triangles that have an area and no twin: a ray could hit either of two twins."""
    span = np.ptp(corners, axis=(0, 1)).max()
    middle = np.round(corners.sum(axis=1) / (span * 1e-5)).astype(np.int64)
    largest = np.round(corners.max(axis=1) / (span * 1e-5)).astype(np.int64)
    _, first = np.unique(np.concatenate([middle, largest], 1), axis=0, return_index=True)
    has_area = np.linalg.norm(face_normals(corners), axis=-1) > 0.5
    return np.sort(first[has_area[first]])


LEAST_OPAQUE_GLASS = 0.7  # a higher d is frosted or dark glass, which hides what is behind it


def parse_materials(text: str) -> dict[str, dict]:
    """MTL text to {name: {colour, gloss, texture, clear}}, each key only where the file gives it."""
    found: dict[str, dict] = {}
    entry: dict = {}
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "newmtl":
            entry = found.setdefault(rest.strip(), {})
        elif word == "Kd":
            entry["colour"] = tuple(min(float(v), 1.0) for v in rest.split()[:3])
        elif word == "Ks":
            entry["gloss"] = 0.06 * min(float(rest.split()[0]), 1.0)
        elif word in ("d", "Tr"):
            opaque = float(rest.split()[-1])
            opaque = 1 - opaque if word == "Tr" else opaque
            entry["clear"] = min(1 - opaque, 0.92) if opaque < LEAST_OPAQUE_GLASS else 0.0
        elif word == "map_Kd":
            entry["texture"] = rest.split()[-1].replace("\\", "/").rsplit("/", 1)[-1]
    return found
