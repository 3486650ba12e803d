"""`tosa-edge distill`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, emit, require_all, say_refused
from tosa_edge.cli.export import needs_export_extra
from tosa_edge.console import console, counted, say
from tosa_edge.find_model import find_checkpoint
from tosa_edge.output_paths import refuse_overwrites
from tosa_edge.progress import progress

EXAMPLES = (
    "tosa-edge distill tosa_depth_s --images photos -o mine",
    "tosa-edge distill tosa_depth_s --images drive.mp4 -o mine --steps 200",
)


def holds_a_record(folder: Path) -> bool:
    """A former run, which is gone on with or refused, and not replaced."""
    return (folder / "record.json").is_file()


def main(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CKPT", help="A model of ours: a file, a folder, a bundled name.")
    ],
    images: Annotated[
        Path, typer.Option("--images", help="A folder of pictures and its folders, or a video: no labels.")
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Folder for weights.safetensors, and for going on after a kill."),
    ],
    steps: Annotated[int, typer.Option(min=1, help="Steps with tokens being skipped.")] = 600,
    selector_steps: Annotated[int, typer.Option(min=1, help="Steps of the selectors alone, before.")] = 200,
    batch: Annotated[int, typer.Option(min=1, help="Pictures in each step.")] = 8,
    most: Annotated[int, typer.Option(min=1, help="Use this many pictures, evenly spread.")] = 2000,
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Teach a model to skip tokens in your own surroundings, from pictures without labels."""
    path = find_checkpoint(checkpoint)
    refuse_overwrites([out], [path, images], force=force, former=holds_a_record)
    with needs_export_extra("distilling"):
        from tosa_edge.calibration.pictures import read_pictures
        from tosa_edge.nn.weights import load_depth_net
        from tosa_edge.training.distill import Recipe, distill, reached
        from tosa_edge.training.record import keep_distillation

    config = load_depth_net(path).config
    pictures, refused = read_pictures(images, (config.height, config.width), most)
    say_refused(refused)
    console.print(f"{counted(len(pictures), 'picture')} at {config.height}x{config.width}")
    recipe = Recipe(selector_steps=selector_steps, steps=steps, batch=min(batch, len(pictures)))
    keep_distillation(out, recipe, path, pictures)
    done = reached(out)
    if done:
        whole = done >= selector_steps + steps
        say(f"{out} is complete already" if whole else f"going on in {out} at step {done}")
    with progress("distilling", selector_steps + steps, "steps") as advance:
        weights = distill(path, pictures, out, recipe, lambda step: advance(step - 1))
    say(f"wrote {weights}   next: tosa-edge export {weights} -o MODEL")
    emit({"weights": str(weights), "pictures": len(pictures), "refused": refused}, as_json)
    require_all(refused)
