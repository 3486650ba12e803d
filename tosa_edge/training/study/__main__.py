"""Shows what skipping tokens costs in accuracy: python -m tosa_edge.training.study --help.

    python -m tosa_edge.training.study --weights both=tosa_depth_s --data kitchen=DIR --data clip=DIR \\
        --shards DIR -o study.md

Scores of every frame go to a JSON file beside the table; a run that was cut goes on from there, and another
run adds to it. Evaluation pictures are only ever measured on.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path

import torch

from tosa_edge import machine
from tosa_edge.atomic_files import write_bytes
from tosa_edge.console import console
from tosa_edge.errors import TosaEdgeError, exit_code_of
from tosa_edge.find_model import find_checkpoint
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.weights import load_net
from tosa_edge.progress import progress
from tosa_edge.training.state import compute_type
from tosa_edge.training.study.frame_sets import FrameSet, read_folder, read_renders
from tosa_edge.training.study.results import Results
from tosa_edge.training.study.run import Checkpoint, Scope, run, to_do
from tosa_edge.training.study.tables import Report
from tosa_edge.training.study.variants import study_variants

RENDERS = "renders"
QUICK_FRAMES = 25


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(
        prog="python -m tosa_edge.training.study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parse.add_argument
    add("--weights", action="append", metavar="LABEL=FILE", required=True, help="the first is the main one")
    add("--data", action="append", metavar="NAME=DIR", default=[], help="NAME=DIR/BEGINNING takes a part")
    add("--shards", type=Path, help=f"held-out renders, the set {RENDERS}")
    add("--renders", type=int, default=500, help="how many of them, evenly spread")
    add("--clip", default="clip", help="the set of consecutive frames that flicker is measured on")
    add("--block", type=int, default=10, help="consecutive frames the bootstrap draws together")
    add("--sweep-limit", type=int, default=100, help="frames of a set for the rows keep 0.3 to 0.9")
    add("--variants", default="", metavar="REGEX", help="only rows 'LABEL: VARIANT' in which it is found")
    add("--quick", action="store_true", help=f"keep 0.5 and peers, {QUICK_FRAMES} frames of a set")
    add("--float32", action="store_true", help="compute as the exported graphs do, bfloat16 or not")
    add("--batch", type=int, default=16)
    add("--scores", type=Path, help="JSON with every frame's scores; default: beside the table")
    add("-o", "--out", type=Path, required=True, help="the table, Markdown")
    return parse


def named(entries: list[str], option: str) -> dict[str, str]:
    """`LABEL=VALUE` strings as a dictionary."""
    found: dict[str, str] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not (name and equals and value) or name in found:
            raise TosaEdgeError(
                f"{option} {entry} is not NAME=PATH with a name of its own", f"Write {option} NAME=PATH."
            )
        found[name] = value
    return found


def read_sets(args: argparse.Namespace, size: tuple[int, int]) -> list[FrameSet]:
    folders = named(args.data, "--data")
    if args.shards and RENDERS in folders:
        raise TosaEdgeError(f"two sets are called {RENDERS!r}", "Give that --data another name.")
    if not folders and not args.shards:
        raise TosaEdgeError("there are no frames to measure on", "Give --data NAME=DIR or --shards DIR.")
    sets = [read_folder(name, Path(folder), size) for name, folder in folders.items()]
    if args.shards:
        sets.append(read_renders(RENDERS, args.shards, size, args.renders))
    return sets


def shared_config(checkpoints: list[Checkpoint]) -> ModelConfig:
    """The shape of the first checkpoint, which all must have; their sizes of picture may differ."""
    first = load_net(checkpoints[0].path).config
    for other in checkpoints[1:]:
        config = load_net(other.path, (first.height, first.width)).config
        if replace(config, name=first.name) != first:
            raise TosaEdgeError(
                f"{other.path} is a model of another shape than {checkpoints[0].path}",
                "Compare checkpoints of one architecture, or run the study once for each.",
            )
    return first


def study(args: argparse.Namespace) -> None:
    compute = torch.float32 if args.float32 else compute_type()
    kind = str(compute).removeprefix("torch.")
    labels = named(args.weights, "--weights")
    checkpoints = [Checkpoint(label, find_checkpoint(spec)) for label, spec in labels.items()]
    try:
        wanted = re.compile(args.variants)
    except re.error as error:
        raise TosaEdgeError(f"--variants {args.variants}: {error}", "Give a regular expression.") from None
    config = shared_config(checkpoints)
    scope = Scope(wanted, args.clip, args.sweep_limit, QUICK_FRAMES if args.quick else None)
    results = Results.open(args.scores or args.out.with_suffix(".json"))
    with console.status("reading frames"):
        sets = read_sets(args, (config.height, config.width))
        for one in sets:
            results.take_set(one)
    tasks = to_do(results, checkpoints, sets, scope, config, kind)
    console.print(f"{len(tasks)} variants of sets to score, {sum(len(t.frames) for t in tasks)} frames")
    with progress("study", sum(len(t.frames) for t in tasks)) as step:
        run(results, tasks, compute, config, args.batch, step)
    results.save()
    report = Report(
        results,
        [v.name for v in study_variants(config)],
        args.clip,
        frozenset({args.clip, RENDERS} & {*results.sets}),
        args.block,
    )
    device_name = torch.cuda.get_device_name() if torch.cuda.is_available() else machine.cpu_name()
    about = f"{config.name} at {config.height}x{config.width}, {kind}, on {device_name}.\n\n"
    write_bytes(args.out, (about + report.markdown()).encode())
    console.print(f"wrote {args.out} and {results.path}")


def main(arguments: list[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    for option in ("renders", "block", "sweep_limit", "batch"):
        if getattr(args, option) < 1:
            parser().error(f"--{option.replace('_', '-')} must be at least 1")
    return exit_code_of(lambda: study(args))


if __name__ == "__main__":
    sys.exit(main())
