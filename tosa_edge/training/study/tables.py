"""The scores as Markdown: what every variant costs in arithmetic and in accuracy, flicker, baselines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tosa_edge.training.study.bootstrap import RESAMPLES, Loss, relative_loss
from tosa_edge.training.study.results import Results
from tosa_edge.training.study.variants import DENSE

NONE = "–"
SHARING, SIZE = re.compile(r"\b(windows|groups|pairs|quads)\b"), re.compile(r"\d+x\d+")


@dataclass(frozen=True)
class Report:
    """What is to be written of the scores. `order`: names of variants; `alike`: sets whose neighbouring
    frames are alike, and are drawn in runs of `block`."""

    results: Results
    order: list[str]
    clip: str
    alike: frozenset[str]
    block: int = 10
    resamples: int = RESAMPLES

    def markdown(self) -> str:
        parts = [*self._accuracy(), "", *self._legend(), ""]
        if sharing := [name for name in self._rows() if SHARING.search(name[1])]:
            parts += ["Where tokens share rows, against smaller pictures under the same weights on the same"]
            parts += ["frames: less than 0 is in favour of sharing.", ""]
            sets = list(self.results.sets)
            head = ["weights", "variant", *(f"against {size}, %" for size in self.sizes)]
            head += [f"on {s} against {size}, %" for size in self.sizes for s in sets]
            parts += [*_table(head, (self._against_sizes(*name) for name in sharing)), ""]
        flickers = [row for row in (self._flicker(*name) for name in self._rows()) if row[2] != NONE]
        if flickers:
            parts += [f"Flicker on {self.clip}: mean |Δ log depth − Δ log truth| of neighbouring frames.", ""]
            aligned = ["each frame aligned", "of dense", "clip aligned once", "of dense"]
            parts += [*_table(["weights", "variant", *aligned], flickers), ""]
        parts += ["Pictures of nothing score, δ1 / AbsRel:", ""]
        parts += _table(["set", "frames", "constant", "ramp"], (self._baseline(s) for s in self.results.sets))
        return "\n".join(parts) + "\n"

    def _accuracy(self) -> list[str]:
        sets = list(self.results.sets)
        head = ["weights", "variant", "encoder GFLOP", "of dense", *(f"δ1 {s} (frames)" for s in sets)]
        head += ["loss, all sets, %"] if len(sets) > 1 else []
        head += [f"loss {s}, %" for s in sets]
        return _table(head, (self._row(*name) for name in self._rows()))

    def _legend(self) -> list[str]:
        alike = ", ".join(sorted(self.alike)) or "none"
        return [
            "Encoder only, without the depth head; a multiply-add is two operations. ToMe, pruning and the",
            "smaller picture have, as nearly as whole tokens allow, the arithmetic of the variant they are",
            "named after; a smaller picture's depth is enlarged again, and its smaller head is not counted.",
            "Loss: how much smaller the mean δ1 is than that of dense under the same weights on the same",
            "frames; in brackets, where frames are enough, the 95 % interval of a paired bootstrap of",
            f"{self.resamples} resamples.",
            f"Sets whose neighbouring frames are alike ({alike}), and all sets together when there is such a",
            f"set, are drawn in runs of {self.block} frames. A frame that is in several sets counts once in",
            "all sets together.",
        ]

    def _rows(self) -> Iterator[tuple[str, str]]:
        for label, weights in self.results.weights.items():
            for name in sorted(weights["variants"], key=_placed(self.order)):
                if weights["variants"][name]["scores"]:
                    yield label, name

    def _row(self, label: str, name: str) -> list[str]:
        variant, sets = self._variant(label, name), list(self.results.sets)
        row = [label, name, f"{variant['gflop']:.2f}", f"{variant['share']:.1%}"]
        for s in sets:
            values = variant["scores"].get(s, {}).get("delta1", [])
            row.append(f"{np.mean(values):.4f} ({len(values)})" if values else NONE)
        wanted = [sets] if len(sets) > 1 else []
        return row + [_percent(self.loss(label, name, some)) for some in [*wanted, *([s] for s in sets)]]

    @property
    def sizes(self) -> list[str]:
        """The smaller pictures that were scored."""
        return sorted({name for _, name in self._rows() if SIZE.fullmatch(name)}, reverse=True)

    def _against_sizes(self, label: str, name: str) -> list[str]:
        sets = list(self.results.sets)
        row = [_percent(self.loss(label, name, sets, size)) for size in self.sizes]
        row += [_percent(self.loss(label, name, [s], size)) for size in self.sizes for s in sets]
        return [label, name, *row]

    def loss(self, label: str, name: str, sets: list[str], against: str = DENSE) -> Loss | None:
        """Against dense, or another variant, under the same weights, over the frames that both have."""
        if name == against or against not in self.results.weights[label]["variants"]:
            return None
        pairs, seen = [], set()
        for s in sets:
            dense, other = (_by_frame(self._variant(label, n), s) for n in (against, name))
            for frame in sorted(dense.keys() & other.keys()):
                digest = self.results.sets[s]["frames"][frame]
                if digest not in seen:
                    seen.add(digest)
                    pairs.append((dense[frame], other[frame]))
        if not pairs:
            return None
        reference, scores = np.array(pairs).T
        return relative_loss(reference, scores, self.block if self.alike & {*sets} else 1, self.resamples)

    def _flicker(self, label: str, name: str) -> list[str]:
        row = [label, name]
        for kind in ("flicker each", "flicker once"):
            value, dense = (self._mean_flicker(label, n, kind) for n in (name, DENSE))
            row.append(NONE if value is None else f"{value:.4f}")
            row.append(f"{value / dense:.1%}" if value and dense else NONE)
        return row

    def _mean_flicker(self, label: str, name: str, kind: str) -> float | None:
        if name not in self.results.weights[label]["variants"]:
            return None
        values = self._variant(label, name)["scores"].get(self.clip, {}).get(kind, [])
        return float(np.mean(values)) if values else None

    def _baseline(self, name: str) -> list[str]:
        about = self.results.sets[name]
        cells = [[float(np.mean(about[k][m])) for m in ("delta1", "absrel")] for k in ("constant", "ramp")]
        return [name, str(len(about["frames"])), *(f"{delta:.4f} / {absrel:.4f}" for delta, absrel in cells)]

    def _variant(self, label: str, name: str) -> dict[str, Any]:
        return self.results.weights[label]["variants"][name]


def _by_frame(variant: dict[str, Any], name: str) -> dict[int, float]:
    scores = variant["scores"].get(name, {"frames": [], "delta1": []})
    return dict(zip(scores["frames"], scores["delta1"], strict=True))


def _placed(order: list[str]):  # type: ignore[no-untyped-def]
    return lambda name: order.index(name) if name in order else len(order)


def _percent(loss: Loss | None) -> str:
    if loss is None or np.isnan(loss.percent):
        return NONE
    interval = "" if np.isnan(loss.low) else f" [{loss.low:.2f}, {loss.high:.2f}]"
    return f"{loss.percent:.2f}{interval}"


def _table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
