"""`tosa-edge train`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, emit
from tosa_edge.cli.distill import holds_a_record
from tosa_edge.cli.export import needs_export_extra
from tosa_edge.console import counted, say
from tosa_edge.find_model import find_checkpoint
from tosa_edge.output_paths import refuse_overwrites
from tosa_edge.progress import progress

if TYPE_CHECKING:
    from tosa_edge.training.datasets import Dataset
    from tosa_edge.training.recipe import Recipe

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
    with needs_export_extra("training"):
        from tosa_edge.training.curves import draw_curves
        from tosa_edge.training.datasets import open_dataset
        from tosa_edge.training.parallel import process_rank, share_cores
        from tosa_edge.training.recipe import read_recipe
        from tosa_edge.training.record import keep_record
        from tosa_edge.training.train_stages import finished, start_of, train_model

    parsed = read_recipe(recipe)
    checkpoint = find_checkpoint(start or parsed.start)
    place = process_rank()
    if not place.rank:  # before the first of them makes the folder
        refuse_overwrites([out], [checkpoint, data, Path(recipe)], force=force, former=holds_a_record)
    share_cores(place, threads)
    frames = open_dataset(data, (parsed.height, parsed.width))
    weights = finished(out, parsed)
    if place.rank:  # only rank 0 prints, and writes the record
        if weights is None:
            train_model(checkpoint, frames, out, parsed)
        return
    _, foreign = start_of(checkpoint, parsed)  # refused before anything is written,
    frames.batch([0])  # and so are data that nothing can be learned from
    if foreign:
        say(foreign)
    keep_record(out, parsed, checkpoint, data, len(frames), frames.refused)
    if weights is None:
        weights = _train(checkpoint, frames, out, parsed)
        keep_record(out, parsed, checkpoint, data, len(frames), frames.refused, done=True)
        curves = draw_curves(out, [stage.name for stage in parsed.stages])
        reported = f"wrote {weights} and {curves}"
    else:
        reported = f"{out} is complete already"
    say(f"{reported}   next: tosa-edge export {weights} -o MODEL")
    emit({"weights": str(weights), "frames": len(frames), "refused": frames.refused}, as_json)


def _train(checkpoint: Path, frames: Dataset, out: Path, parsed: Recipe) -> Path:
    """To the end, with a bar, and with a line for every frame that turns out to be damaged."""
    from tosa_edge.training.train_stages import reached, train_model

    stage, step = reached(out, parsed)
    begins = (
        f"going on with stage {stage} at step {step}"
        if step
        else f"no state in {out}: starting from {checkpoint}"
    )
    say(f"{counted(len(frames), 'frame')}; {begins}")
    reported = 0
    with progress("training", sum(stage.steps for stage in parsed.stages), "steps") as advance:

        def on_step(step: int, losses: dict[str, float]) -> None:
            nonlocal reported
            for what in frames.refused[reported:]:  # a damaged frame shows when it is first met
                say(f"left out: {what}")
            reported = len(frames.refused)
            advance(step - 1)

        return train_model(checkpoint, frames, out, parsed, on_step)
