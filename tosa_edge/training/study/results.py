"""The scores of every frame in one JSON file, to which later runs add.

    sets:    NAME -> digest, frames (their digests), constant and ramp (scores of the two baselines)
    weights: LABEL -> digest, compute, variants: NAME -> settings, gflop, share (of dense),
             scores: SET -> frames (numbers), delta1, absrel, and of a clip flicker each, flicker once

What no longer fits together is dropped: scores of other weights under the same label, of other frames under
the same name, or of a variant that meant something else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tosa_edge.atomic_files import write_bytes
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import sha256_of
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.tosa import Pattern
from tosa_edge.training.study.flops import gflop, multiply_adds
from tosa_edge.training.study.frame_sets import FrameSet
from tosa_edge.training.study.score import score_nothing
from tosa_edge.training.study.variants import Variant

VERSION = 1  # raise it when the same settings would give other scores
FLICKER = "flicker each"


@dataclass(frozen=True)
class Results:
    path: Path
    sets: dict[str, Any]
    weights: dict[str, Any]

    @classmethod
    def open(cls, path: Path) -> Results:
        """What the file holds, or nothing yet."""
        if not path.exists():
            return cls(path, {}, {})
        try:
            data = json.loads(path.read_text())
            version, sets, weights = data["version"], data["sets"], data["weights"]
        except (ValueError, KeyError, TypeError) as error:
            raise TosaEdgeError(
                f"{path} does not hold a study's scores: {error}", "Give another --scores, or delete it."
            ) from error
        if version != VERSION:
            raise TosaEdgeError(
                f"{path} is of version {version}, not {VERSION}", "Give another --scores, or delete it."
            )
        return cls(path, sets, weights)

    def save(self) -> None:
        data = {"version": VERSION, "sets": self.sets, "weights": self.weights}
        write_bytes(self.path, json.dumps(data).encode())

    def take_set(self, frames: FrameSet) -> None:
        """Makes this the set of that name."""
        if self.sets.get(frames.name, {}).get("digest") == frames.digest:
            return
        about = {"digest": frames.digest, "frames": [f.digest for f in frames.frames]}
        self.sets[frames.name] = about | score_nothing(frames.frames)
        for one in self.weights.values():
            for variant in one["variants"].values():
                variant["scores"].pop(frames.name, None)

    def take_weights(self, label: str, path: Path, compute: str) -> None:
        """Makes this the checkpoint of that label."""
        digest = sha256_of(path)
        known = self.weights.get(label, {})
        if (known.get("digest"), known.get("compute")) != (digest, compute):
            self.weights[label] = {"digest": digest, "compute": compute, "variants": {}}

    def take_variant(self, label: str, variant: Variant, config: ModelConfig) -> None:
        """Makes this what the label's variant of that name means."""
        variants, settings = self.weights[label]["variants"], repr((variant.method, config))
        if variants.get(variant.name, {}).get("settings") == settings:
            return
        cost = multiply_adds(config, variant.method)
        share = cost / multiply_adds(config, Pattern())
        variants[variant.name] = {"settings": settings, "gflop": gflop(cost), "share": share, "scores": {}}

    def missing(self, label: str, variant: str, name: str, wanted: list[int], clip: bool) -> list[int]:
        """The frames still to be scored; flicker takes the whole clip in one go."""
        scores = self.weights[label]["variants"][variant]["scores"].get(name, {})
        if clip and FLICKER not in scores:
            return wanted
        known = set(scores.get("frames", []))
        return [i for i in wanted if i not in known]

    def add(
        self, label: str, variant: str, name: str, frames: list[int], scores: dict[str, list[float]]
    ) -> None:
        """Scores of these frames, beside those that are there already."""
        held = self.weights[label]["variants"][variant]["scores"].setdefault(name, {})
        before = held.get("frames", [])
        order = sorted({*before, *frames})
        for key, values in scores.items():
            if key.startswith("flicker"):
                held[key] = values
            else:
                merged = dict(zip(before, held.get(key, []), strict=True)) | dict(
                    zip(frames, values, strict=True)
                )
                held[key] = [merged[i] for i in order]
        held["frames"] = order
