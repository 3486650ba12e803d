"""A checkpoint's depth for the frames of a set, along one way through the encoder, and how right it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from tosa_edge.errors import TosaEdgeError
from tosa_edge.evaluation import metrics
from tosa_edge.nn.net import VisionNet
from tosa_edge.nn.weights import load_net
from tosa_edge.training.loop import flushed_denormals
from tosa_edge.training.parallel import device
from tosa_edge.training.study.flicker import flicker
from tosa_edge.training.study.flops import Method
from tosa_edge.training.study.frame_sets import ScoredFrame
from tosa_edge.training.study.variants import predict

METRICS = ("delta1", "absrel")
FLICKERS = {"each": False, "once": True}
_DIGITS = 6


def net_in(path: Path, compute: torch.dtype, size: tuple[int, int] | None = None) -> VisionNet:
    """A checkpoint, ready to compute in that precision."""
    net = load_net(path, size)
    if net.config.output == "metric_depth":
        raise TosaEdgeError(
            f"{path} states metric depth", "The study aligns relative depth: give a relative model."
        )
    # The constants of the normalisation stay as they are: bfloat16 has no 123.675.
    mean, std = net.pixel_mean.to(device()), net.pixel_std.to(device())
    net = net.to(device(), compute)
    net.pixel_mean, net.pixel_std = mean, std
    return net.requires_grad_(False)


def depths(
    net: VisionNet, frames: Sequence[ScoredFrame], method: Method, batch: int
) -> Iterator[tuple[ScoredFrame, np.ndarray]]:
    """Each frame with the prediction for it, float32 [H, W] at the size of its truth."""
    for begin in range(0, len(frames), batch):
        some = frames[begin : begin + batch]
        pictures = torch.from_numpy(np.stack([f.picture for f in some])).to(device())
        with torch.no_grad(), flushed_denormals():
            output = predict(net, pictures, method, [int(f.digest, 16) for f in some])
        for frame, depth in zip(some, output.float().cpu().numpy(), strict=True):
            yield frame, frame.restore(depth)


def score_frames(
    net: VisionNet,
    frames: Sequence[ScoredFrame],
    method: Method,
    *,
    batch: int,
    clip: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:
    """Scores by name, one number a frame; of a clip also its flicker, one number a pair of frames."""
    scores: dict[str, list[float]] = {name: [] for name in METRICS}
    predicted = []
    for frame, depth in depths(net, frames, method, batch):
        one = metrics.score_relative(depth, frame.truth, frame.valid)
        for name in METRICS:
            scores[name].append(round(one[name], _DIGITS))
        if clip:
            predicted.append(depth)
        on_frame()
    if clip:
        truth, valid = [f.truth for f in frames], [f.valid for f in frames]
        for kind, once in FLICKERS.items():
            values = flicker(predicted, truth, valid, once)
            scores[f"flicker {kind}"] = [round(v, _DIGITS) for v in values]
    return scores


def score_nothing(frames: Sequence[ScoredFrame]) -> dict[str, dict[str, list[float]]]:
    """The baselines that know nothing: `constant` and `ramp`, scores as above."""
    each = [metrics.baselines(f.truth, f.valid) for f in frames]
    return {
        kind: {name: [round(one[kind][name], _DIGITS) for one in each] for name in METRICS}
        for kind in ("constant", "ramp")
    }
