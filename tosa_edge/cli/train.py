"""`tosa-edge train`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, emit
from tosa_edge.console import say
from tosa_edge.progress import bars

EXAMPLES = (
    "tosa-edge train tosa_depth_s --data shards -o training",
    "tosa-edge train recipe.toml --data shards -o training --start tosa_depth_s",
)


def main(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A TOML file, or a bundled recipe's name.")],
    data: Annotated[
        Path,
        typer.Option("--data", help="Labelled frames: rendered shards, NYU, KITTI, DIODE, TUM, 7-Scenes."),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for weights, logs, and for going on after a kill.")
    ],
    start: Annotated[
        str, typer.Option(help="Begin from this checkpoint, and not from the one the recipe names.")
    ] = "",
    threads: Annotated[int, typer.Option(help="CPU threads of each process; 0: all cores, shared out.")] = 0,
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Train a depth model on labelled frames; under torchrun, on several GPUs, cores or machines."""
    from tosa_edge.verbs.train import train_model

    with bars() as on_step:
        result = train_model(
            recipe, data, out, start=start, threads=threads, force=force, on_step=on_step, say=say
        )
    if result is None:  # another of torchrun's processes says it
        return
    weights, curves = result["weights"], result["curves"]
    say(f"weights: {weights}; losses: {curves}   next: tosa-edge export {weights} -o MODEL")
    emit(result, as_json)
