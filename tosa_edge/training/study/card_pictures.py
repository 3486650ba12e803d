"""A model card's pictures: held-out renders, the best, the middling and the worst, beside the truth.

    python -m tosa_edge.training.study.card_pictures tosa_depth_s --shards HELD_OUT -o FILE.jpg

Rows are chosen by how dense scores, so that failures are shown with the same right as successes. Columns:
picture, truth, dense, g1 and g3 at keep 0.5, and where dense is wrong (black right, white 50 % off or more).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from tosa_edge.errors import TosaEdgeError, exit_code_of
from tosa_edge.evaluation import metrics
from tosa_edge.find_model import find_checkpoint
from tosa_edge.nn.tosa import Pattern, grouped
from tosa_edge.nn.weights import load_net
from tosa_edge.pictures.colour import colour
from tosa_edge.pictures.opencv import opencv
from tosa_edge.training.study.frame_sets import ScoredFrame, read_renders
from tosa_edge.training.study.score import depths, net_in
from tosa_edge.training.study.variants import GROUPS, selecting

WORST_SHOWN = 0.5  # relative error that is drawn white
LABEL = 24  # pixels of the bar above a picture
GAP = 4


def chosen_rows(scores: list[float], count: int) -> list[int]:
    """The best, then those around the middle, then the worst: `count` of each, without repeating."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    middle = max(count, (len(order) - count) // 2)
    picked = order[:count] + order[middle : middle + count] + order[-count:]
    return list(dict.fromkeys(picked))


def row(frame: ScoredFrame, predictions: list[np.ndarray]) -> np.ndarray:
    """One frame's tiles side by side, uint8 [h, w, 3]: all on the truth's scale, near is bright."""
    near = np.where(frame.valid, 1 / np.maximum(frame.truth, metrics.MIN_EVAL_M), 0)
    low, high = np.percentile(near[frame.valid], (2, 98))

    def painted(inverse: np.ndarray) -> np.ndarray:
        share = np.clip((inverse - low) / max(high - low, 1e-6), 0, 1)
        return colour(np.round(share * 255).astype(np.uint8))

    aligned = [
        metrics.to_depth(p, *metrics.align(p[frame.valid], frame.truth[frame.valid])) for p in predictions
    ]
    off = np.where(frame.valid, np.abs(aligned[0] / np.maximum(frame.truth, 1e-3) - 1), 0)
    error = np.round(np.clip(off / WORST_SHOWN, 0, 1) * 255).astype(np.uint8)
    tiles = [frame.picture, painted(near), *(painted(1 / a) for a in aligned), np.dstack([error] * 3)]
    return np.hstack([np.pad(t, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for t in tiles])


def draw_card_pictures(checkpoint: Path, shards: Path, frames: int, count: int) -> np.ndarray:
    config = load_net(checkpoint).config
    kept = read_renders("renders", shards, (config.height, config.width), frames).frames
    net = net_in(checkpoint, torch.float32)
    variants = [Pattern(), *(selecting(grouped(config.layers, group)) for group in GROUPS)]
    dense = [depth for _, depth in depths(net, kept, variants[0], 16)]
    scores = [
        metrics.score_relative(depth, frame.truth, frame.valid)["delta1"]
        for frame, depth in zip(kept, dense, strict=True)
    ]
    rows = chosen_rows(scores, count)
    shown = [kept[i] for i in rows]
    others = [[depth for _, depth in depths(net, shown, way, 16)] for way in variants[1:]]
    drawn = [row(frame, [dense[i], *some]) for i, frame, *some in zip(rows, shown, *others, strict=True)]
    titles = ("picture", "truth", "dense", "g1, keep 0.5", "g3, keep 0.5", "error of dense")
    return np.vstack([_titles(titles, drawn[0].shape[1]), *drawn])


def _titles(titles: tuple[str, ...], width: int) -> np.ndarray:
    cv2 = opencv()
    bar = np.full((LABEL, width, 3), 255, np.uint8)
    for number, title in enumerate(titles):
        at = (number * width // len(titles) + 6, 17)
        cv2.putText(bar, title, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return bar


def main(arguments: list[str] | None = None) -> int:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("checkpoint", help="a bundled model's name, a folder or a file")
    parse.add_argument("--shards", type=Path, required=True, help="renders that no training saw")
    parse.add_argument("--frames", type=int, default=200, help="how many of them to choose from")
    parse.add_argument("--count", type=int, default=3, help="rows of each kind")
    parse.add_argument("-o", "--out", type=Path, required=True)
    args = parse.parse_args(arguments)
    return exit_code_of(lambda: write_card_pictures(args))


def write_card_pictures(args: argparse.Namespace) -> None:
    sheet = draw_card_pictures(find_checkpoint(args.checkpoint), args.shards, args.frames, args.count)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    cv2 = opencv()
    if not cv2.imwrite(str(args.out), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85]):
        raise TosaEdgeError(
            f"{args.out} could not be written", "Give a .jpg or .png in a folder you may write to."
        )


if __name__ == "__main__":
    sys.exit(main())
