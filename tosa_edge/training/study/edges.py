"""How right depth is where it jumps: `python -m tosa_edge.training.study.edges CKPT --shards DIR`.

delta1 over a whole frame is mostly walls and floors. This is delta1 of the pixels near a step in the true
depth, of frames aligned as a whole, along the ways that save arithmetic.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import numpy as np

from tosa_edge.errors import TosaEdgeError, exit_code_of
from tosa_edge.evaluation.edges import delta1_near_edges, near_edges
from tosa_edge.find_model import find_checkpoint
from tosa_edge.training.state import compute_type
from tosa_edge.training.study.frame_sets import read_renders
from tosa_edge.training.study.score import depths, net_in
from tosa_edge.training.study.variants import study_variants

_ROWS = r"^(dense|g[13]@0\.5|ToMe .*|smaller picture at .*|\d+x\d+|(\d+x\d+ )?(windows|groups)=.*)$"


def main(arguments: list[str] | None = None) -> int:
    parse = argparse.ArgumentParser(prog="python -m tosa_edge.training.study.edges", description=__doc__)
    parse.add_argument("checkpoint", help="a bundled model's name, a folder or a file")
    parse.add_argument("--shards", type=Path, required=True, help="renders that no training saw")
    parse.add_argument("--renders", type=int, default=60, help="how many of them, evenly spread")
    parse.add_argument("--variants", default="", metavar="REGEX", help="only rows in which it is found")
    args = parse.parse_args(arguments)
    return exit_code_of(lambda: measure(args))


def measure(args: argparse.Namespace) -> None:
    net = net_in(find_checkpoint(args.checkpoint), compute_type())
    frames = read_renders("renders", args.shards, (net.config.height, net.config.width), args.renders).frames
    if not any(near_edges(f.truth, f.valid).any() for f in frames):
        raise TosaEdgeError(f"no frame of {args.shards} has a step in depth", "Give renders of rooms.")
    for variant in study_variants(net.config):
        if re.match(_ROWS, variant.name) and re.search(args.variants, variant.name):
            found = depths(net, frames, variant.method, batch=8)
            each = [delta1_near_edges(depth, f.truth, f.valid) for f, depth in found]
            print(f"{variant.name:32} {np.nanmean(each):.4f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
