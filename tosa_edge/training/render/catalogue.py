"""Furniture models at their true size, from the Sweet Home 3D bundles, parsed once and cached."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from tosa_edge.errors import MachineLacks
from tosa_edge.machine import cache_folder

from .mesh import Material, Mesh
from .obj import parse_materials, parse_obj

BUNDLES = ("BlendSwap-CC-0", "BlendSwap-CC-BY", "KatorLegaz", "Reallusion", "Scopia")
SYSTEM_FOLDER = Path("/usr/share/sweethome3d/furniture")
MOST_TRIANGLES = 16_000  # a dearer model would cost more than it shows at this frame size
TEXTURE_SIDE = 256
CACHE_VERSION = 4


@dataclass(frozen=True)
class Model:
    """One catalogue entry; sizes in metres (width along x, depth along y, height)."""

    bundle: str
    path: str
    name: str
    category: str
    creator: str
    size: tuple[float, float, float]
    elevation: float
    rotation: tuple[float, ...]

    @property
    def key(self) -> str:
        return f"{self.bundle}-{Path(self.path).stem}"


def find_bundles(assets: Path | None) -> list[Path]:
    for folder in (assets, SYSTEM_FOLDER):
        found = [folder / f"{name}.sh3f" for name in BUNDLES] if folder else []
        found = [path for path in found if path.is_file()]
        if found:
            return found
    raise MachineLacks(
        f"no furniture models (*.sh3f) in {SYSTEM_FOLDER} or in the assets folder",
        "get them with: apt-get install sweethome3d-furniture",
    )


def read_catalogue(bundle: Path) -> list[Model]:
    entries: dict[str, dict[str, str]] = {}
    with zipfile.ZipFile(bundle) as archive:
        text = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*?)\s*$", text, re.M):
        entries.setdefault(number, {})[key] = value
    return [
        Model(
            bundle=bundle.stem,
            path=entry["model"].lstrip("/"),
            name=entry["name"],
            category=entry["category"],
            creator=entry.get("creator", bundle.stem),
            size=tuple(float(entry[key]) / 100 for key in ("width", "depth", "height")),  # type: ignore[arg-type]
            elevation=float(entry.get("elevation", 0)) / 100,
            rotation=tuple(float(v) for v in entry.get("modelRotation", "1 0 0 0 1 0 0 0 1").split()),
        )
        for entry in entries.values()
    ]


def load_model(bundle: Path, model: Model) -> Mesh | None:
    """Parses one model out of its bundle; None when it is too heavy or has no triangles."""
    with zipfile.ZipFile(bundle) as archive:
        folder = model.path.rsplit("/", 1)[0]
        names = {name.lower(): name for name in archive.namelist()}
        parsed = parse_obj(archive.read(model.path).decode("latin-1"), MOST_TRIANGLES)
        if parsed is None:
            return None
        library: dict[str, dict] = {}
        for name in parsed.libraries:
            inside = names.get(f"{folder}/{name}".lower())
            if inside:
                library |= parse_materials(archive.read(inside).decode("latin-1"))
        materials = tuple(
            _material(library.get(name, {}), archive, names, folder) for name in parsed.materials
        )
    corners, normals = parsed.corners, parsed.normals
    turn = np.array(model.rotation, np.float32).reshape(3, 3).T
    corners, normals = corners @ turn, normals @ turn
    to_z_up = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], np.float32)  # (x, y, z) -> (x, -z, y)
    corners, normals = corners @ to_z_up, normals @ to_z_up
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    stretch = np.asarray(model.size, np.float32) / np.maximum(high - low, 1e-6)
    centre = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]], np.float32)
    normals = normals / stretch
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9
    return Mesh((corners - centre) * stretch, normals, parsed.uv, parsed.slot, materials)


def _material(entry: dict, archive: zipfile.ZipFile, names: dict[str, str], folder: str) -> Material:
    texture, colour = None, entry.get("colour", (0.7, 0.7, 0.7))
    inside = names.get(f"{folder}/{entry['texture']}".lower()) if "texture" in entry else None
    if inside:
        picture = cv2.imdecode(np.frombuffer(archive.read(inside), np.uint8), cv2.IMREAD_COLOR)
        if picture is not None:
            small = cv2.resize(picture, (TEXTURE_SIDE, TEXTURE_SIDE), interpolation=cv2.INTER_AREA)
            texture, colour = np.ascontiguousarray(small[..., ::-1]), (1.0, 1.0, 1.0)
    return Material(
        colour=colour, texture=texture, gloss=entry.get("gloss", 0.0), clear=entry.get("clear", 0.0)
    )


class Furniture:
    """The models by key, loaded from the cache when a scene first wants them."""

    def __init__(self, models: list[Model], folder: Path) -> None:
        self.models = models
        self.folder = folder
        self.mesh = lru_cache(maxsize=400)(self._read)

    def _read(self, model: Model) -> Mesh:
        with safe_open(self.folder / f"{model.key}.safetensors", "numpy") as file:
            described = json.loads(file.metadata()["materials"])
            arrays = {name: file.get_tensor(name) for name in file.offset_keys()}
        materials = tuple(
            Material(
                tuple(entry["color"]), arrays.get(f"texture{i}"), gloss=entry["gloss"], clear=entry["clear"]
            )
            for i, entry in enumerate(described)
        )
        return Mesh(
            arrays["corners"], arrays["normals"].astype(np.float32), arrays["uv"], arrays["slot"], materials
        )


def _write(path: Path, mesh: Mesh) -> None:
    arrays = {
        "corners": mesh.corners,
        "normals": mesh.normals.astype(np.float16),
        "uv": mesh.uv,
        "slot": mesh.slot,
    }
    arrays |= {f"texture{i}": m.texture for i, m in enumerate(mesh.materials) if m.texture is not None}
    described = [{"color": m.colour, "gloss": m.gloss, "clear": m.clear} for m in mesh.materials]
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    partial = path.with_suffix(f".{os.getpid()}.partial")
    save_file(arrays, partial, metadata={"materials": json.dumps(described)})
    os.replace(partial, path)


def load_furniture(assets: Path | None) -> Furniture:
    """Reads the cache, filling it first (a minute, once) where it is not there."""
    folder = cache_folder() / f"furniture-v{CACHE_VERSION}"
    listing = folder / "models.json"
    if listing.is_file():
        entries = json.loads(listing.read_text())
        tuples = [{key: tuple(entry[key]) for key in ("size", "rotation")} for entry in entries]
        return Furniture([Model(**(e | t)) for e, t in zip(entries, tuples, strict=True)], folder)
    bundles, kept = find_bundles(assets), []
    folder.mkdir(parents=True, exist_ok=True)
    for bundle in bundles:
        for model in read_catalogue(bundle):
            if model.category in ("Exterior", "Vehicles", "Staircases"):
                continue
            mesh = load_model(bundle, model)
            if mesh is not None:
                _write(folder / f"{model.key}.safetensors", mesh)
                kept.append(model)
    partial = listing.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps([asdict(model) for model in kept]))
    os.replace(partial, listing)
    return Furniture(kept, folder)


def attribution(models: list[Model]) -> Iterator[str]:
    """One line for each author whose models are under CC-BY 3.0, for a NOTICE file."""
    by_author: dict[tuple[str, str], list[str]] = {}
    for model in models:
        if model.bundle != "BlendSwap-CC-0":
            by_author.setdefault((model.creator, model.bundle), []).append(model.name)
    for (author, bundle), names in sorted(by_author.items()):
        yield f"{author} ({bundle}, CC BY 3.0): {', '.join(sorted(set(names)))}"
