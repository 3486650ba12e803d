"""`tosa-edge tune`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, emit, require_all, say_refused
from tosa_edge.cli.export import needs_export_extra
from tosa_edge.cli.tables import print_table, unsigned_zero
from tosa_edge.console import answers, console, counted, say
from tosa_edge.errors import CheckFailed, TosaEdgeError
from tosa_edge.find_model import find_checkpoint
from tosa_edge.output_paths import refuse_overwrites
from tosa_edge.progress import bars

if TYPE_CHECKING:
    from rich.console import Console

    from tosa_edge.tuning.candidates import Candidate
    from tosa_edge.tuning.tune import Tuned

EXAMPLES = (
    "tosa-edge tune tosa_depth_s --images drive.mp4 --target 1.5x -o tuned",
    "tosa-edge tune my_model --images photos --budget 0.5% -o tuned",
)
DENSE, TUNED = "dense", "tuned"
FRONT, CHART, FOLDER = "front.json", "front.svg", "model"


def holds_a_front(folder: Path) -> bool:
    """A former search, which is gone on with."""
    return (folder / "tried.json").is_file()


def main(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CKPT", help="A model of ours: a file, a folder, a bundled name.")
    ],
    images: Annotated[
        Path, typer.Option("--images", help="A folder of pictures and its folders, or a video: no labels.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the front, the model, and for going on.")
    ],
    target: Annotated[str, typer.Option(help="Take the best that is so many times as fast: 2.0x.")] = "",
    budget: Annotated[str, typer.Option(help="Take the fastest that loses at most so much: 0.5%.")] = "",
    most: Annotated[int, typer.Option(min=2, help="Use this many pictures, evenly spread.")] = 32,
    rounds: Annotated[int, typer.Option(min=1, help="How often each candidate is timed.")] = 20,
    threads: Annotated[int, typer.Option(min=0, help="0 is one for each core.")] = 0,
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Find out how a model is best made faster: smaller pictures, fewer rows, or both. Nothing is trained.

    Every way is compared with the dense model on your pictures, the best are timed here against each other,
    and the one that fits --target or --budget is written as a model.
    """
    factor, share = _number(target, "--target", "x"), _number(budget, "--budget", "%")
    path = find_checkpoint(checkpoint)
    refuse_overwrites([out], [path, images], force=force, former=holds_a_front)
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
    pictures, refused = read_pictures(images, size, most, zoom=net.config.crop)
    say_refused(refused)
    out.mkdir(parents=True, exist_ok=True)
    with bars("the dense model's answers") as on_step:
        tuned = tune(path, net, pictures, out, rounds=rounds, threads=threads, on_step=on_step)
    _say(tuned, len(pictures), answers(as_json))
    chosen = choose(tuned.best, target=factor, budget=None if share is None else share / 100)
    result: dict[str, object] = {
        "front": [vars(point) for point in tuned.best],
        "chosen": chosen.name if chosen else None,
        "model": None,
        "pictures": len(pictures),
        "refused": refused,
        "tried": {name: vars(distance) for name, distance in tuned.tried.items()},
        "machine": tuned.machine,
    }
    if (factor or share) and chosen and chosen.name != DENSE:
        result["model"] = str(_write(path, tuned, chosen.name, out))
        say(f"chosen: {chosen.name}   next: tosa-edge run 0 --model {result['model']}")
        say(f"to win back what it loses: {_distilling(checkpoint, images, tuned.candidates[chosen.name])}")
    _keep(tuned, result, out)
    emit(result, as_json)
    require_all(refused)
    if (factor or share) and not chosen:
        aim = f"{factor:g} times as fast" if factor else f"within {share:g} %"
        say(f"nothing that was tried is {aim}: {out / CHART} shows what there is")
        raise typer.Exit(CheckFailed.exit_code)


def _distilling(checkpoint: str, images: Path, chosen: Candidate) -> str:
    """The command that trains for this one."""
    sharing = f" --ways {'+'.join(map(str, chosen.pattern.ways))}" if chosen.pattern.ways else ""
    size = f"{chosen.size[0]}x{chosen.size[1]}"
    return f"tosa-edge distill {checkpoint} --images {images} -o distilled{sharing} --sizes {size}"


def _write(checkpoint: Path, tuned: Tuned, name: str, out: Path) -> Path:
    """A model folder: dense, and what was chosen as the variant `tuned`, which the folder's name means."""
    from tosa_edge.export.folder import Variant, export_folder
    from tosa_edge.nn.tosa import Pattern

    chosen = tuned.candidates[name]
    folder = out / FOLDER
    with console.status("tracing the model"):
        others = {TUNED: Variant(chosen.pattern, chosen.size)}
        export_folder(checkpoint, folder, {DENSE: Pattern()}, others=others, default=TUNED)
    return folder


def _keep(tuned: Tuned, result: dict[str, object], out: Path) -> None:
    import json

    from tosa_edge.atomic_files import write_bytes
    from tosa_edge.tuning.chart import chart

    write_bytes(out / FRONT, (json.dumps(result, indent=2) + "\n").encode())
    title = f"{tuned.machine['cpu']}, {tuned.machine['cores']} cores, ONNX Runtime, float32"
    write_bytes(out / CHART, chart(tuned.points, tuned.best, title).encode())
    say(f"wrote {out / FRONT} and {out / CHART}")


def _say(tuned: Tuned, pictures: int, to: Console) -> None:
    front = {point.name for point in tuned.best}
    rows = [
        (
            f"{'*' if point.name in front else ' '} {point.name}",
            f"{point.p50_ms:.1f}",
            f"{point.ratio:.2f}",
            *(
                "" if share is None else f"{unsigned_zero(share, 3):.1%}"
                for share in (point.loss, point.within, point.edges)
            ),
        )
        for point in sorted(tuned.points, key=lambda point: point.ratio)
    ]
    title = f"{counted(pictures, 'picture')}; lost against dense, of all and near edges; *: nothing beats it"
    print_table(to, ("way",), ("p50 ms", "ratio", "lost", "±", "edges"), rows, title)


def _number(text: str, flag: str, unit: str) -> Optional[float]:
    """`2.0x` or `0.5%`; nothing to None."""
    if not text:
        return None
    try:
        value = float(text.removesuffix(unit))
    except ValueError:
        value = -1.0
    if not 0 < value < 1000:
        example = "2.0x" if unit == "x" else "0.5%"
        raise TosaEdgeError(f"{flag} {text[:20]} is no number to aim at", f"Write it like {example}.")
    return value
