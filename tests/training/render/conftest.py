"""A furniture bundle and photo textures made up on the spot: no package is needed."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

PIECES = {  # name: (category, width, depth, height in cm)
    "Sofa": ("Living room", 200, 90, 80),
    "Chair": ("Living room", 45, 50, 90),
    "Table": ("Living room", 120, 80, 74),
    "Desk": ("Office", 140, 70, 73),
    "Bed": ("Bedroom", 150, 205, 60),
    "Cupboard": ("Bedroom", 90, 45, 180),
    "Fridge": ("Kitchen", 60, 60, 160),
    "Mug": ("Kitchen", 9, 9, 10),
    "Plant": ("Living room", 40, 40, 80),
    "Truck": ("Vehicles", 200, 500, 250),
}
CUBE = """mtllib {name}.mtl
v 0 0 0\nv 3 0 0\nv 3 2 0\nv 0 2 0\nv 0 0 1\nv 3 0 1\nv 3 2 1\nv 0 2 1
vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1
usemtl skin
f 1/1 4/2 3/3 2/4\nf 5/1 6/2 7/3 8/4\nf 1/1 2/2 6/3 5/4\nf -6 -5 -1 -2
f 1/1 5/2 8/3 4/4\nf 2/1 3/2 7/3 6/4\nf 5/1 6/2 7/3 8/4
"""


def write_bundle(path: Path) -> None:
    lines = []
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, (category, width, depth, height)) in enumerate(PIECES.items(), start=1):
            entry = {
                "name": name,
                "category": category,
                "model": f"/made/{name}/{name}.obj",
                "creator": f"Author of {name}",
                "width": width,
                "depth": depth,
                "height": height,
            }
            lines += [f"{key}#{number}={value}" for key, value in entry.items()]
            archive.writestr(f"made/{name}/{name}.obj", CUBE.format(name=name))
            archive.writestr(f"made/{name}/{name}.mtl", "newmtl skin\nKd 0.8 0.3 0.2\nKs 1 1 1\n")
        archive.writestr("PluginFurnitureCatalog.properties", "\n".join(lines))


@pytest.fixture
def made_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with everything the renderer looks for; the real furniture and cache are out of sight."""
    from tosa_edge.training.render import catalogue  # reads safetensors
    from tosa_edge.training.render.textures import find_photos

    folder = tmp_path / "assets"
    textures = folder / "miniworld" / "textures"
    (textures / "portraits").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("wood_1", "brick_wall_1", "floor_tiles_white", "portraits/somebody"):
        cv2.imwrite(str(textures / f"{name}.png"), rng.integers(0, 255, (16, 16, 3), np.uint8))
    write_bundle(folder / "Scopia.sh3f")
    monkeypatch.setattr(catalogue, "SYSTEM_FOLDER", tmp_path / "nothing here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TOSA_EDGE_ASSETS", raising=False)
    assert find_photos(folder).pictures
    return folder
