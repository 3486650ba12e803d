"""`tosa-edge distill` as a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.console import counted
from tosa_edge.find_model import find_checkpoint
from tosa_edge.output_paths import refuse_overwrites
from tosa_edge.row_sharing import parse_ways
from tosa_edge.verbs.arguments import StrPath, check_between, ignore
from tosa_edge.verbs.extras import needs_export_extra

if TYPE_CHECKING:
    from tosa_edge.progress import OnStep

ANY = "any"


def distill_model(
    checkpoint: StrPath,
    images: StrPath,
    out: StrPath,
    *,
    steps: int = 600,
    selector_steps: int = 200,
    ways: str = "",
    sizes: Sequence[tuple[int, int]] = (),
    rate: float = 3e-6,
    batch: int = 8,
    most: int = 2000,
    force: bool = False,
    on_step: OnStep = ignore,
    say: Callable[[str], None] = ignore,
) -> dict[str, Any]:
    """Teaches a model to skip or share tokens in your own surroundings, from pictures without labels.

    Args:
        checkpoint: a model of ours: a file, a folder, a bundled name.
        images: a folder of pictures and its folders, a video, or rendered shards.
        out: the folder for `weights.safetensors`; the same call goes on in it after a kill.
        steps: with tokens being skipped.
        selector_steps: of the selectors alone, before.
        ways: train for this one way of sharing rows (docs/represented.md); `any`: for all of them.
        sizes: (height, width), of which every step draws one; none: the model's own.
        rate: the peak rate at which weights move.
        batch: pictures in each step.
        most: use this many pictures, evenly spread.
        force: begin in a folder that holds other things.

    Returns:
        `weights` (a path), `pictures` (how many) and `refused`, pictures that were left out.

    Example:
        >>> weights = distill_model("tosa_depth_s", "photos", "mine", steps=600)["weights"]
        >>> export_model(weights, "my_model")
    """
    numbers = {"--steps": steps, "--selector-steps": selector_steps, "--batch": batch, "--most": most}
    for option, number in numbers.items():
        check_between(option, number, 1)
    check_between("--rate", rate, 0)
    path, pictures_at, place = find_checkpoint(str(checkpoint)), Path(images), Path(out)
    refuse_overwrites([place], [path, pictures_at], force=force, former=holds_a_record)
    with needs_export_extra("distilling"):
        from tosa_edge.calibration.pictures import read_pictures
        from tosa_edge.nn.weights import load_net
        from tosa_edge.training.distill import Recipe, distill, reached
        from tosa_edge.training.record import keep_distillation
        from tosa_edge.training.shard_batches import Shards

    config = load_net(path).config
    for size in sizes:
        config.at(*size)  # refuses what the patch does not divide
    if ways and ways != ANY:
        parse_ways(ways, config.layers)
    if pictures_at.is_dir() and any(pictures_at.glob("shard-*.safetensors")):
        shards = Shards(pictures_at)
        pictures, refused = shards.pictures((config.height, config.width), most), shards.refused
    else:
        own = config.height, config.width
        pictures, refused = read_pictures(pictures_at, own, most, middle=config.seen)
    for what in refused:
        say(f"left out: {what}")
    say(f"{counted(len(pictures), 'picture')} at {config.height}x{config.width}")
    recipe = Recipe(
        selector_steps=selector_steps,
        steps=steps,
        batch=min(batch, len(pictures)),
        rate=rate,
        represented=1.0 if ways else Recipe.represented,
        ways="" if ways == ANY else ways,
        sizes=tuple(sizes),
    )
    keep_distillation(place, recipe, path, pictures)
    done = reached(place)
    if done:
        whole = done >= recipe.all_steps
        say(f"{place} is complete already" if whole else f"going on in {place} at step {done}")
    weights = distill(
        path, pictures, place, recipe, lambda step: on_step("distilling", step, recipe.all_steps)
    )
    return {"weights": str(weights), "pictures": len(pictures), "refused": refused}


def holds_a_record(folder: Path) -> bool:
    """A former run, which is gone on with or refused, and not replaced."""
    return (folder / "record.json").is_file()
