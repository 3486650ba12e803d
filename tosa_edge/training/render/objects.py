"""A labelled set of single things: `python -m tosa_edge.training.render.objects --out DIR`.

Furniture models by what they are, each seen alone in some room. Whole models are held out, not views of them:
what is in `val` has never been in `train`. The layout is ImageNet's. It is a made set, small and hard
(few models of a class, seen from anywhere), for proving that classifiers go through; it is no benchmark.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tosa_edge.atomic_files import write_bytes
from tosa_edge.console import say
from tosa_edge.errors import TosaEdgeError, exit_code_of
from tosa_edge.progress import progress

from . import camera as cameras
from . import paint
from .catalogue import Model, attribution
from .frames import Assets, load_assets
from .house import build_rooms
from .mesh import Mesh, box, place
from .placing import in_the_open
from .room import Room, upright
from .scene import Scene
from .sensor import photograph
from .shade import render

# By whole words of the name, the first that fits; a class of few models is left out.
CLASSES = {
    "lamp": r"lamp|lantern|spotlight|light|candle|chandelier",
    "armchair": r"armchair|puff|ottoman",
    "bed": r"(?<!hospital )bed|bunk|futon|BZ",
    "bottle": r"bottle|flacon|vase|jar|carafe|milk",
    "cabinet": r"cabinet|cupboard|chest(?! freezer)|drawers|dresser|wardrobe|tv stand",
    "stool": r"stool|bar chair",
    "chair": r"chair",
    "desk": r"desk",
    "appliance": r"fridge|refrigerator|freezer|oven|washing machine|dryer machine|stove|cooler|dishwasher|"
    r"microwave",
    "person": r"male|female|man|woman|boy|girl|mannequin",
    "plant": r"plant|yucca|ficus|bamboo|tree|flowers|bonsai",
    "shelf": r"bookcase|shelves|shelf|rack",
    "sofa": r"sofa|couch",
    "table": r"table",
    "tableware": r"cup|glass$|glasses|bowl|plate|mug|tray|pot|pan|teapot|cutlery",
    "device": r"phone|computer|laptop|camera|tv|television|printer|scanner|speaker|monitor|keyboard|"
    r"radio|console|headphones|calculator",
}
FEWEST = 6  # models of a class
HELD_OUT = 4  # one of so many
SMALL_M = 0.7  # what is lower stands on something


@dataclass(frozen=True)
class View:
    """One picture: what it shows, where it goes, and the seed that makes it."""

    model: int
    path: str
    seed: tuple[int, ...]


def class_of(name: str) -> str | None:
    return next((c for c, words in CLASSES.items() if re.search(rf"\b(?:{words})\b", name, re.I)), None)


def by_class(models: list[Model]) -> dict[str, list[int]]:
    """Numbers of the models of each class that has enough of them."""
    found: dict[str, list[int]] = {name: [] for name in sorted(CLASSES)}
    for number, model in enumerate(models):
        if name := class_of(model.name):
            found[name].append(number)
    return {name: numbers for name, numbers in found.items() if len(numbers) >= FEWEST}


def views_of(models: list[Model], views: int, seed: int) -> list[View]:
    """Fewer views of what is held out: it is for measuring."""
    found = []
    for name, numbers in by_class(models).items():
        order = sorted(numbers, key=lambda n: hashlib.sha256(f"{seed} {models[n].key}".encode()).digest())
        held_out = set(order[: max(2, len(order) // HELD_OUT)])
        for number in numbers:
            part, count = ("val", max(2, views // 2)) if number in held_out else ("train", views)
            found += [
                View(number, f"{part}/{name}/{models[number].key}-{turn}.jpg", (seed, number, turn))
                for turn in range(count)
            ]
    return found


def picture_of(assets: Assets, mesh: Mesh, seed: tuple[int, ...], size: int) -> np.ndarray | None:
    """The thing in a room, RGB uint8 [size, size, 3]; None of one that no room has place for."""
    for attempt in range(20):
        rng = np.random.default_rng([*seed, attempt])
        rooms = build_rooms(rng, assets.photos)
        shown = paint.restyle(mesh, rng, assets.photos) if rng.random() < 0.3 else mesh
        stood = _stand(rooms[0], shown, assets, rng)
        if stood is None:
            continue
        ambient = rng.uniform(0.2, 0.6) * np.array([1.0, rng.uniform(0.9, 1.0), rng.uniform(0.75, 1.05)])
        meshes = [one for room in rooms for one in room.meshes]
        scene = Scene(meshes, [light for room in rooms for light in room.lights], ambient)
        view = _look_at(scene, rooms[0], stood, rng, size)
        if view is not None:
            return photograph(render(scene, view, rng).radiance, rng)
    return None


def _stand(room: Room, mesh: Mesh, assets: Assets, rng: np.random.Generator) -> Mesh | None:
    """On the floor, or what is small on something as high as a table."""
    if mesh.high[2] >= SMALL_M or rng.random() < 0.15:
        return in_the_open(room, mesh, rng, square=False)
    height, (width, depth) = rng.uniform(0.4, 0.95), np.maximum(mesh.size[:2] * rng.uniform(1.2, 3.0), 0.4)
    base = box((-width / 2, -depth / 2, 0), (width / 2, depth / 2, height), paint.wood(rng, assets.photos))
    under = in_the_open(room, base, rng, square=False)
    if under is None:
        return None
    middle = (under.low + under.high) / 2
    stood = place(mesh, upright(middle[:2], height), rng.uniform(0, 2 * np.pi))
    room.meshes.append(stood)
    return stood


def _look_at(
    scene: Scene, room: Room, thing: Mesh, rng: np.random.Generator, size: int
) -> cameras.Camera | None:
    """From within the room, at a thing that fills most of the picture and that nothing hides."""
    middle, reach = (thing.low + thing.high) / 2, float(np.linalg.norm(thing.size)) / 2
    x0, y0, x1, y1 = room.bounds
    for _ in range(30):
        field = rng.uniform(0.7, 1.1)
        away = reach / np.tan(field / 2) / rng.uniform(0.65, 1.1)
        yaw, down = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.6)
        back = np.array([np.cos(yaw) * np.cos(down), np.sin(yaw) * np.cos(down), -np.sin(down)])
        at = middle - away * back
        if not (
            x0 + 0.1 < at[0] < x1 - 0.1 and y0 + 0.1 < at[1] < y1 - 0.1 and 0.1 < at[2] < room.height - 0.1
        ):
            continue
        way = (middle - at) * max(0.1, 1 - reach / away)  # up to where the thing may begin
        if scene.blocked(at[None].astype(np.float32), way[None].astype(np.float32))[0]:
            continue
        turn = rng.normal(0, 0.06, 2)
        return cameras.look(at, yaw + turn[0], -down + turn[1], rng.normal(0, 0.04), (size, size), field)
    return None


_shared: dict[str, Assets] = {}


def _begin(folder: Path | None) -> None:
    cv2.setNumThreads(1)
    _shared["assets"] = load_assets(folder)


def _render(job: tuple[View, Path, int]) -> bool:
    """Whether there was a picture of it."""
    view, out, size = job
    assets = _shared["assets"]
    models = assets.stock.furniture.models
    picture = picture_of(assets, assets.stock.furniture.mesh(models[view.model]), view.seed, size)
    if picture is None:
        return False
    whole, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    assert whole
    write_bytes(out / view.path, data.tobytes())
    return True


def render_set(out: Path, views: list[View], size: int, folder: Path | None, workers: int) -> Iterator[int]:
    """Renders what is not there yet; gives how many are."""
    left = [(view, out, size) for view in views if not (out / view.path).is_file()]
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _begin, (folder,)) as pool:
        for done, _ in enumerate(pool.imap_unordered(_render, left, chunksize=4), 1):
            yield len(views) - len(left) + done


def _claim(path: Path, about: dict[str, int]) -> None:
    """Of another seed other models are held out: the pictures of both in one folder would be no set."""
    if path.is_file():
        former = json.loads(path.read_text())
        if {key: former.get(key) for key in about} != about:
            raise TosaEdgeError(
                f"{path.parent} holds another set: {former}"[:200], "Give another --out, or remove it."
            )
    write_bytes(path, json.dumps(about).encode())


def render_all(args: argparse.Namespace) -> None:
    models = load_assets(args.assets).stock.furniture.models
    views = views_of(models, args.views, args.seed)
    if args.attribution:
        print("\n".join(attribution([models[number] for number in sorted({v.model for v in views})])))
        return
    about = {"seed": args.seed, "views": args.views, "size": args.size}
    _claim(args.out / "set.json", about)
    with progress("rendering", len(views)) as advance:
        for done in render_set(args.out, views, args.size, args.assets, args.workers):
            advance(done - 1)
    counts: dict[str, int] = {}
    there = [view for view in views if (args.out / view.path).is_file()]
    for view in there:
        folder = str(Path(view.path).parent)
        counts[folder] = counts.get(folder, 0) + 1
    write_bytes(args.out / "set.json", (json.dumps({**about, "pictures": counts}, indent=2) + "\n").encode())
    say(f"wrote {args.out}: {len(there)} pictures of {len(by_class(models))} classes")


def main(arguments: list[str] | None = None) -> int:
    parse = argparse.ArgumentParser(
        prog="python -m tosa_edge.training.render.objects", description="Render single things, by class."
    )
    parse.add_argument("--out", type=Path, help="folder for train/CLASS and val/CLASS")
    parse.add_argument("--views", type=int, default=16, help="of each model; half as many of those held out")
    parse.add_argument("--seed", type=int, default=0)
    parse.add_argument("--size", type=int, default=224)
    parse.add_argument("--workers", type=int, default=2)
    parse.add_argument("--assets", type=Path, help="as for python -m tosa_edge.training.render")
    parse.add_argument("--attribution", action="store_true", help="print the authors to credit, and stop")
    args = parse.parse_args(arguments)
    if args.out is None and not args.attribution:
        parse.error("--out is needed: the folder for the pictures")
    return exit_code_of(lambda: render_all(args))


if __name__ == "__main__":
    sys.exit(main())
