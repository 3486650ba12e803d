"""`tosa-edge distill`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, emit, require_all, say_refused
from tosa_edge.cli.export import needs_export_extra, parse_sizes
from tosa_edge.console import console, counted, say
from tosa_edge.find_model import find_checkpoint
from tosa_edge.output_paths import refuse_overwrites
from tosa_edge.progress import progress
from tosa_edge.row_sharing import parse_ways

EXAMPLES = (
    "tosa-edge distill tosa_depth_s --images photos -o mine",
    "tosa-edge distill tosa_depth_s --images drive.mp4 -o mine --ways windows=0.2,0.4:3-11",
)

ANY = "any"


def holds_a_record(folder: Path) -> bool:
    """A former run, which is gone on with or refused, and not replaced."""
    return (folder / "record.json").is_file()


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
    path = find_checkpoint(checkpoint)
    refuse_overwrites([out], [path, images], force=force, former=holds_a_record)
    with needs_export_extra("distilling"):
        from tosa_edge.calibration.pictures import read_pictures
        from tosa_edge.nn.weights import load_net
        from tosa_edge.training.distill import Recipe, distill, reached
        from tosa_edge.training.record import keep_distillation
        from tosa_edge.training.shard_batches import Shards

    config = load_net(path).config
    each = parse_sizes(sizes, "--sizes")
    for size in each:
        config.at(*size)  # refuses what the patch does not divide
    if ways and ways != ANY:
        parse_ways(ways, config.layers)
    if images.is_dir() and any(images.glob("shard-*.safetensors")):
        shards = Shards(images)
        pictures, refused = shards.pictures((config.height, config.width), most), shards.refused
    else:
        pictures, refused = read_pictures(images, (config.height, config.width), most, zoom=config.crop)
    say_refused(refused)
    console.print(f"{counted(len(pictures), 'picture')} at {config.height}x{config.width}")
    recipe = Recipe(
        selector_steps=selector_steps,
        steps=steps,
        batch=min(batch, len(pictures)),
        rate=rate,
        represented=1.0 if ways else Recipe.represented,
        ways="" if ways == ANY else ways,
        sizes=each,
    )
    keep_distillation(out, recipe, path, pictures)
    done = reached(out)
    if done:
        say(f"{out} is complete already" if done >= recipe.all_steps else f"going on in {out} at step {done}")
    with progress("distilling", recipe.all_steps, "steps") as advance:
        weights = distill(path, pictures, out, recipe, lambda step: advance(step - 1))
    say(f"wrote {weights}   next: tosa-edge export {weights} -o MODEL")
    emit({"weights": str(weights), "pictures": len(pictures), "refused": refused}, as_json)
    require_all(refused)
