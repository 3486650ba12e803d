"""`tosa-edge distill`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, emit, require_all
from tosa_edge.cli.sizes import parse_sizes
from tosa_edge.console import say
from tosa_edge.progress import bars

EXAMPLES = (
    "tosa-edge distill tosa_depth_s --images photos -o mine",
    "tosa-edge distill tosa_depth_s --images drive.mp4 -o mine --ways windows=0.2,0.4:3-11",
)


def main(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CKPT", help="A model of ours: a file, a folder, a bundled name.")
    ],
    images: Annotated[
        Path,
        typer.Option(
            "--images", help="A folder of pictures and its folders, a video, or rendered shards: no labels."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Folder for weights.safetensors, and for going on after a kill."),
    ],
    steps: Annotated[int, typer.Option(min=1, help="Steps with tokens being skipped.")] = 600,
    selector_steps: Annotated[int, typer.Option(min=1, help="Steps of the selectors alone, before.")] = 200,
    ways: Annotated[
        str,
        typer.Option(
            help="Train for this one way of sharing rows (docs/represented.md); any: for all of them."
        ),
    ] = "",
    sizes: Annotated[
        str, typer.Option(help="Every step draws one of these sizes, as in 252x336,252x336,168x224.")
    ] = "",
    rate: Annotated[float, typer.Option(min=0, help="The peak rate at which weights move.")] = 3e-6,
    batch: Annotated[int, typer.Option(min=1, help="Pictures in each step.")] = 8,
    most: Annotated[int, typer.Option(min=1, help="Use this many pictures, evenly spread.")] = 2000,
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Teach a model to skip or share tokens in your own surroundings, from pictures without labels."""
    from tosa_edge.verbs.distill import distill_model

    with bars() as on_step:
        result = distill_model(
            checkpoint,
            images,
            out,
            steps=steps,
            selector_steps=selector_steps,
            ways=ways,
            sizes=parse_sizes(sizes, "--sizes"),
            rate=rate,
            batch=batch,
            most=most,
            force=force,
            on_step=on_step,
            say=say,
        )
    say(f"wrote {result['weights']}   next: tosa-edge export {result['weights']} -o MODEL")
    emit(result, as_json)
    require_all(result["refused"])
