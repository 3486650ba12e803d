"""How tokens that do not attend are represented, as text: the method is in `nn/represented.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.field_checks import Check, exact_fields, integer, list_of, number, one_of

WAYS = ("pairs", "quads", "windows", "groups", "fused")
ONGOING = ("groups", "fused")  # each time rows are found they become fewer
MOST_LAYERS = 256
_share = number(0, 1)
_CHECKS: dict[str, Check] = {
    "layers": list_of(integer(0, MOST_LAYERS), MOST_LAYERS),
    "way": one_of(WAYS),
    "anew": integer(1, MOST_LAYERS),
    "whole": _share,
    "pairs": _share,
    "merged": _share,
}
_NUMBER = r"(\d*\.?\d+)"
_SPEC = re.compile(
    rf"(pairs|quads|windows={_NUMBER},{_NUMBER}|(?:groups|fused)={_NUMBER}):(\d{{1,3}})(?:-(\d{{1,3}}))?(?:/(\d{{1,3}}))?"
)


@dataclass(frozen=True)
class Way:
    """A run of layers in which rows stand for tokens.

    After every `anew` layers the rows are found anew. `whole` and `pairs` are shares of the 2x2 windows:
    those that stay whole, and those that become two pairs; the rest become one row each. `merged` is the
    share of all patches that each merging takes away, or of the rows that are left, that become one (fused).

    Example:
        >>> Way((3, 4, 5, 6), "windows", anew=2, whole=0.2, pairs=0.4)    # windows=0.2,0.4:3-6/2
    """

    layers: tuple[int, ...]
    way: str
    anew: int
    whole: float = 0.0
    pairs: float = 0.0
    merged: float = 0.0

    @property
    def starts(self) -> tuple[int, ...]:
        """The layers before which rows are found."""
        return self.layers[:: self.anew]

    @property
    def rows(self) -> float:
        """The share of the patches that are rows, where it does not change on the way."""
        return self.whole + self.pairs / 2 + (1 - self.whole - self.pairs) / 4

    @property
    def stop(self) -> int:
        return self.layers[-1] + 1

    @classmethod
    def from_object(cls, raw: Any) -> Way:
        """From JSON; raises ValueError for what is none."""
        found = cls(**exact_fields(raw, _CHECKS))
        first = found.layers[0] if found.layers else 0
        if found.layers != tuple(range(first, first + len(found.layers))) or found.whole + found.pairs > 1:
            raise ValueError(f"a way has layers {found.layers[:8]}, shares {found.whole:g}, {found.pairs:g}")
        return found

    def __str__(self) -> str:
        shares = {
            "windows": f"={self.whole:g},{self.pairs:g}",
            "groups": f"={self.merged:g}",
            "fused": f"={self.merged:g}",
        }
        return f"{self.way}{shares.get(self.way, '')}:{self.layers[0]}-{self.layers[-1]}/{self.anew}"


def fused_rows(share: float, rows: int) -> int:
    """How many of so many rows become one: two at least, since one would stay as it is."""
    return min(rows, max(2, round(share * rows)))


def split_layers(layers: range, runs: int) -> list[range]:
    """Layers in so many runs of nearly the same length."""
    ends = [len(layers) * n // runs for n in range(runs + 1)]
    return [layers[a:b] for a, b in pairwise(ends)]


def parse_ways(spec: str, layers: int = MOST_LAYERS) -> tuple[Way, ...]:
    """`groups=0.2:1-8/3+quads:9-11`: runs of layers, each with its way, for a model of so many layers."""
    ways = tuple(_parse(text.strip()) for text in spec.split("+"))
    before = Way((-1,), "", 1)
    for way in ways:
        if way.layers[0] < before.stop or way.stop > layers:
            raise TosaEdgeError(
                f"{way} does not fit: layers {before.stop} to {layers - 1} are left",
                "Name runs in ascending order that do not overlap.",
            )
        if way.way in ONGOING and way.layers[0] == before.stop:
            raise TosaEdgeError(
                f"{way} has no layer before it in which every token attends: its map tells what is alike",
                f"Begin at layer {way.layers[0] + 1}.",
            )
        before = way
    return ways


def _parse(text: str) -> Way:
    found = _SPEC.fullmatch(text)
    first, last = (int(found[5]), int(found[6] or found[5])) if found else (1, 0)
    if not found or first > last:
        raise TosaEdgeError(
            f"{text[:40]!r} is no way to represent tokens",
            "Write it like pairs:3-11, quads:6-11, windows=0.2,0.5:3-11, groups=0.2:2-11/3 or fused=0.3:4-9.",
        )
    kind = found[1].partition("=")[0]
    layers = tuple(range(first, last + 1))
    try:
        return Way.from_object(
            {
                "layers": layers,
                "way": kind,
                "anew": int(found[7] or len(layers)),
                "whole": float(found[2] or 0),
                "pairs": float(found[3] or kind == "pairs"),
                "merged": float(found[4] or 0),
            }
        )
    except ValueError as error:
        raise TosaEdgeError(f"{text[:40]!r}: {error}", "Shares of windows add up to 1 at most.") from None
