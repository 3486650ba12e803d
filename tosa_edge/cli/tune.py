"""`tosa-edge tune`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, emit, require_all
from tosa_edge.cli.tables import print_table, unsigned_zero
from tosa_edge.console import answers, counted, say
from tosa_edge.errors import CheckFailed, TosaEdgeError
from tosa_edge.progress import bars

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    "tosa-edge tune tosa_depth_s --images drive.mp4 --target 1.5x -o tuned",
    "tosa-edge tune my_model --images photos --budget 0.5% -o tuned",
)


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
    from tosa_edge.verbs.tune import tune_model

    factor, share = _number(target, "--target", "x"), _number(budget, "--budget", "%")
    with bars("the dense model's depth") as on_step:
        result = tune_model(
            checkpoint,
            images,
            out,
            target=factor,
            budget=None if share is None else share / 100,
            most=most,
            rounds=rounds,
            threads=threads,
            force=force,
            on_step=on_step,
            say=say,
        )
    _say(result, answers(as_json))
    if result["model"]:
        say(f"chosen: {result['chosen']}   next: tosa-edge inspect {result['model']}")
        say(f"to win back what it loses: {result['distill']}")
    say(f"wrote {result['summary']} and {result['chart']}")
    emit(result, as_json)
    require_all(result["refused"])
    if (factor or share) and not result["chosen"]:
        aim = f"{factor:g} times as fast" if factor else f"within {share:g} %"
        say(f"nothing that was tried is {aim}: {result['chart']} shows what there is")
        raise typer.Exit(CheckFailed.exit_code)


def _say(result: dict[str, Any], to: Console) -> None:
    front = {point["name"] for point in result["front"]}
    rows = [
        (
            f"{'*' if point['name'] in front else ' '} {point['name']}",
            f"{point['p50_ms']:.1f}",
            f"{point['ratio']:.2f}",
            *(
                "" if share is None else f"{unsigned_zero(share, 3):.1%}"
                for share in (point["loss"], point["within"], point["edges"])
            ),
        )
        for point in sorted(result["points"], key=lambda point: point["ratio"])
    ]
    pictures = counted(result["pictures"], "picture")
    title = f"{pictures}; lost against dense, of all and near edges; *: nothing beats it"
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
