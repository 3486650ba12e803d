"""`tosa-edge train` as a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.console import counted
from tosa_edge.find_model import find_checkpoint
from tosa_edge.output_paths import refuse_overwrites
from tosa_edge.verbs.arguments import StrPath, check_between, ignore
from tosa_edge.verbs.distill import holds_a_record
from tosa_edge.verbs.extras import needs_export_extra

if TYPE_CHECKING:
    from tosa_edge.progress import OnStep
    from tosa_edge.training.datasets import Dataset
    from tosa_edge.training.recipe import Recipe


def train_model(
    recipe: StrPath,
    data: StrPath,
    out: StrPath,
    *,
    start: StrPath = "",
    threads: int = 0,
    force: bool = False,
    on_step: OnStep = ignore,
    say: Callable[[str], None] = ignore,
) -> dict[str, Any] | None:
    """Trains a depth model on labelled frames; under torchrun, on several GPUs, cores or machines.

    Args:
        recipe: a TOML file, or a bundled recipe's name.
        data: labelled frames: rendered shards, NYU, KITTI, DIODE, TUM, 7-Scenes.
        out: the folder for weights and logs; the same call goes on in it after a kill.
        start: begin from this checkpoint, and not from the one the recipe names.
        threads: of the CPU, for each process; 0: all cores, shared out.
        force: begin in a folder that holds other things.

    Returns:
        `weights` (a path), `frames` (how many), `refused` (those that were left out), and `curves`, a picture
        of the losses. Under torchrun the first process gets this, and the others None.

    Example:
        >>> train_model("tosa_depth_s", "shards", "training")["weights"]
    """
    check_between("--threads", threads, 0)
    with needs_export_extra("training"):
        from tosa_edge.training.curves import CURVES, draw_curves
        from tosa_edge.training.datasets import open_dataset
        from tosa_edge.training.parallel import process_rank, share_cores
        from tosa_edge.training.recipe import read_recipe
        from tosa_edge.training.record import keep_record
        from tosa_edge.training.train_stages import finished, start_of, train_stages

    parsed = read_recipe(str(recipe))
    checkpoint = find_checkpoint(str(start) or parsed.start)
    labelled, place = Path(data), Path(out)
    process = process_rank()
    if not process.rank:  # before the first of them makes the folder
        inputs = [checkpoint, labelled, Path(recipe)]
        refuse_overwrites([place], inputs, force=force, former=holds_a_record)
    share_cores(process, threads)
    frames = open_dataset(labelled, (parsed.height, parsed.width))
    weights = finished(place, parsed)
    if process.rank:  # only rank 0 says anything, and writes the record
        if weights is None:
            train_stages(checkpoint, frames, place, parsed)
        return None
    _, foreign = start_of(checkpoint, parsed)  # refused before anything is written,
    frames.batch([0])  # and so are data that nothing can be learned from
    if foreign:
        say(foreign)
    keep_record(place, parsed, checkpoint, labelled, len(frames), frames.refused)
    if weights is not None:
        say(f"{place} is complete already")
    else:
        weights = _train(checkpoint, frames, place, parsed, on_step, say)
        keep_record(place, parsed, checkpoint, labelled, len(frames), frames.refused, done=True)
        draw_curves(place, [stage.name for stage in parsed.stages])
    found = {"weights": str(weights), "frames": len(frames), "refused": frames.refused}
    return {**found, "curves": str(place / CURVES)}


def _train(
    checkpoint: Path,
    frames: Dataset,
    out: Path,
    parsed: Recipe,
    on_step: OnStep,
    say: Callable[[str], None],
) -> Path:
    """To the end, with a line for every frame that turns out to be damaged."""
    from tosa_edge.training.train_stages import reached, train_stages

    stage, step = reached(out, parsed)
    begins = (
        f"going on with stage {stage} at step {step}"
        if step
        else f"no state in {out}: starting from {checkpoint}"
    )
    say(f"{counted(len(frames), 'frame')}; {begins}")
    reported, total = 0, sum(stage.steps for stage in parsed.stages)

    def after_step(step: int, losses: dict[str, float]) -> None:
        nonlocal reported
        for what in frames.refused[reported:]:  # a damaged frame shows when it is first met
            say(f"left out: {what}")
        reported = len(frames.refused)
        on_step("training", step, total)

    return train_stages(checkpoint, frames, out, parsed, after_step)
