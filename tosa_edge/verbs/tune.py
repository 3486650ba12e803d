"""`tosa-edge tune` as a function."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import find_checkpoint
from tosa_edge.output_paths import refuse_overwrites
from tosa_edge.verbs.arguments import StrPath, check_between, ignore
from tosa_edge.verbs.extras import needs_export_extra

if TYPE_CHECKING:
    from tosa_edge.progress import OnStep
    from tosa_edge.tuning.candidates import Candidate
    from tosa_edge.tuning.tune import Tuned

DENSE, TUNED = "dense", "tuned"
FRONT, CHART, FOLDER = "front.json", "front.svg", "model"


def tune_model(
    checkpoint: StrPath,
    images: StrPath,
    out: StrPath,
    *,
    target: float | None = None,
    budget: float | None = None,
    most: int = 32,
    rounds: int = 20,
    threads: int = 0,
    force: bool = False,
    on_step: OnStep = ignore,
    say: Callable[[str], None] = ignore,
) -> dict[str, Any]:
    """Finds out how a model is best made faster: smaller pictures, fewer rows, or both. Nothing is trained.

    Args:
        checkpoint: a model of ours: a file, a folder, a bundled name.
        images: a folder of pictures and its folders, or a video: no labels.
        out: the folder for the front and the model; the same call goes on in it after a kill.
        target: take the best that is so many times as fast: 2.0.
        budget: take the fastest that loses at most this share: 0.005.
        most: use this many pictures, evenly spread.
        rounds: how often each candidate is timed.
        threads: of the CPU; 0 is one for each core.
        force: begin in a folder that holds other things.

    Returns:
        `front`: the ways that nothing beats, slowest first, each with its `name`, `loss` against dense,
        `ratio` (times as fast) and so on; `points`, all that was timed; `tried`, all that was compared.
        `chosen`: the name of the way that fits, None where none does, and `model`, the folder it was written
        to, None where neither was asked for or dense is the one. `distill`: the command that trains for it.
        Also `pictures`, `refused`, `machine`, and the files `summary` and `chart`.

    Example:
        >>> model = tune_model("tosa_depth_s", "photos", "tuned", target=1.5)["model"]
        >>> DepthModel.load(model)(frame)
    """
    _check_numbers(target, budget, most, rounds, threads)
    path, pictures_at, place = find_checkpoint(str(checkpoint)), Path(images), Path(out)
    refuse_overwrites([place], [path, pictures_at], force=force, former=_holds_a_front)
    with needs_export_extra("tuning"):
        from tosa_edge.calibration.pictures import read_pictures
        from tosa_edge.nn.examine import examine
        from tosa_edge.nn.weights import load_net
        from tosa_edge.tuning.front import choose
        from tosa_edge.tuning.tune import tune

    if examine(path).foreign:
        raise TosaEdgeError(
            f"{path.name} is no model of ours yet",
            f"Make it one first: tosa-edge export {checkpoint} -o MODEL; then: tosa-edge tune MODEL.",
        )
    net = load_net(path)
    size = net.config.height, net.config.width
    pictures, refused = read_pictures(pictures_at, size, most, middle=net.config.seen)
    for what in refused:
        say(f"left out: {what}")
    place.mkdir(parents=True, exist_ok=True)
    tuned = tune(path, net, pictures, place, rounds=rounds, threads=threads, on_step=on_step)
    chosen = choose(tuned.best, target=target, budget=budget)
    result: dict[str, Any] = {
        "front": [vars(point) for point in tuned.best],
        "points": [vars(point) for point in tuned.points],
        "chosen": chosen.name if chosen else None,
        "model": None,
        "distill": None,
        "pictures": len(pictures),
        "refused": refused,
        "tried": {name: vars(distance) for name, distance in tuned.tried.items()},
        "machine": tuned.machine,
        "summary": str(place / FRONT),
        "chart": str(place / CHART),
    }
    if (target or budget) and chosen and chosen.name != DENSE:
        way = tuned.candidates[chosen.name]
        result["model"] = str(_write_model(path, way, place / FOLDER, on_step))
        result["distill"] = _distilling(checkpoint, images, way)
    _keep(tuned, result, place)
    return result


def _check_numbers(target: float | None, budget: float | None, most: int, rounds: int, threads: int) -> None:
    check_between("--most", most, 2)
    check_between("--rounds", rounds, 1)
    check_between("--threads", threads, 0)
    for flag, number, example in (("target", target, "2.0"), ("budget", budget, "0.005")):
        if number is not None and not 0 < number < 1000:
            raise TosaEdgeError(f"--{flag} {number:g} is no number to aim at", f"Give one such as {example}.")


def _holds_a_front(folder: Path) -> bool:
    """A former search, which is gone on with."""
    return (folder / "tried.json").is_file()


def _distilling(checkpoint: StrPath, images: StrPath, chosen: Candidate) -> str:
    """The command that trains for this one."""
    sharing = f" --ways {'+'.join(map(str, chosen.pattern.ways))}" if chosen.pattern.ways else ""
    size = f"{chosen.size[0]}x{chosen.size[1]}"
    return f"tosa-edge distill {checkpoint} --images {images} -o distilled{sharing} --sizes {size}"


def _write_model(checkpoint: Path, chosen: Candidate, folder: Path, on_step: OnStep) -> Path:
    """A model folder: dense, and what was chosen as the variant `tuned`, which the folder's name means."""
    from tosa_edge.export.folder import Variant, export_folder
    from tosa_edge.nn.tosa import Pattern

    others = {TUNED: Variant(chosen.pattern, chosen.size)}
    export_folder(
        checkpoint,
        folder,
        {DENSE: Pattern()},
        others=others,
        default=TUNED,
        on_graph=lambda done, total: on_step("tracing the model", done, total),
    )
    return folder


def _keep(tuned: Tuned, result: dict[str, Any], out: Path) -> None:
    from tosa_edge.atomic_files import write_bytes
    from tosa_edge.tuning.chart import chart

    write_bytes(out / FRONT, (json.dumps(result, indent=2) + "\n").encode())
    title = f"{tuned.machine['cpu']}, {tuned.machine['cores']} cores, ONNX Runtime, float32"
    write_bytes(out / CHART, chart(tuned.points, tuned.best, title).encode())
