"""What stale tokens cost: `python -m tosa_edge.training.study.token_age --shards DIR [--model NAME]`.

The reuse form on the tokens of another picture, the one a few pixels aside or another scene altogether,
against the same form on the tokens of its own: the loss of delta1 by how much the picture has changed, as
`--refresh auto` measures it.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

from tosa_edge.depth_model import DepthModel
from tosa_edge.errors import exit_code_of
from tosa_edge.evaluation.metrics import score_relative
from tosa_edge.find_model import DEFAULT_MODEL
from tosa_edge.runtime.refresh import summarise_frame
from tosa_edge.runtime.streaming import selections_for
from tosa_edge.training.shard_batches import Shards

ASIDE = (4, 12, 28, 56)  # pixels
OTHERS = (1, 7)  # so many frames on is another scene
BINS = (0.0, 0.25, 0.5, 0.75, 1.0, 2.0)


def losses(full: DepthModel, reuse: DepthModel, images: np.ndarray, depths: np.ndarray) -> np.ndarray:
    """[M, 2]: change, and delta1 lost."""
    rows = selections_for(full.info, reuse.info, reuse.label)
    count = len(images)

    def delta1(number: int, kept: np.ndarray) -> float:
        depth = reuse.predict(images[number], kept=kept).depth
        return score_relative(depth, depths[number], depths[number] > 0)["delta1"]

    def chosen(picture: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(full.predict(picture).kept[rows])

    own = [chosen(image) for image in images]
    best = [delta1(number, kept) for number, kept in enumerate(own)]
    found = []
    for number in range(count):
        seen = summarise_frame(images[number])
        for further in OTHERS:
            other = (number + further) % count
            found.append(
                (summarise_frame(images[other]).change(seen), best[number] - delta1(number, own[other]))
            )
        aside = np.roll(images[number], ASIDE[number % len(ASIDE)], axis=1)
        found.append((summarise_frame(aside).change(seen), best[number] - delta1(number, chosen(aside))))
    return np.array(found)


def table(found: np.ndarray) -> list[dict[str, float]]:
    """Mean loss and its standard error, by change."""
    out = []
    for low, high in pairwise(BINS):
        some = found[(found[:, 0] >= low) & (found[:, 0] < high), 1]
        if len(some) > 1:
            error = float(some.std(ddof=1) / len(some) ** 0.5)
            out.append({"from": low, "to": high, "n": len(some), "loss": float(some.mean()), "error": error})
    return out


def main(arguments: list[str] | None = None) -> int:
    parse = argparse.ArgumentParser(prog="python -m tosa_edge.training.study.token_age")
    parse.add_argument("--shards", type=Path, required=True, help="frames that no training saw")
    parse.add_argument("--model", default=DEFAULT_MODEL)
    parse.add_argument("--frames", type=int, default=100)
    args = parse.parse_args(arguments)
    return exit_code_of(lambda: measure(args))


def measure(args: argparse.Namespace) -> None:
    shards = Shards(args.shards)
    images, depths = shards.batch(list(range(min(args.frames, len(shards)))))
    full, reuse = DepthModel.load(f"{args.model}:g1"), DepthModel.load(f"{args.model}:g3.reuse")
    print(json.dumps(table(losses(full, reuse, images, depths)), indent=1))


if __name__ == "__main__":
    sys.exit(main())
