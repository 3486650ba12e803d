"""How much each kernel has to do, counted from sizes: what a roofline is made of.

`python -m tosa_edge.plugins.cost` prints the table of docs/kernels.md.

An operation is one multiplication or addition; exponentials and comparisons are not counted. Bytes are those
of every tensor once: what is read again comes from cache.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

from tosa_edge.plugins.token_importance import PARTS


@dataclass(frozen=True)
class Sizes:
    """T tokens of which K are kept, of width D in h heads; `size` is the bytes of a number."""

    tokens: int
    kept: int
    width: int = 384
    heads: int = 6
    hidden: int = 12
    stride: int = 1
    size: int = 2
    batch: int = 1

    @property
    def queries(self) -> int:
        return math.ceil(self.tokens / self.stride)


@dataclass(frozen=True)
class Cost:
    """Operations of matrix products, operations of the ordinary cores, bytes."""

    matrix: int
    ordinary: int
    bytes: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.matrix + other.matrix, self.ordinary + other.ordinary, self.bytes + other.bytes)


def statistics(s: Sizes) -> Cost:
    q, t, statistics = s.queries, s.tokens, 2 * 4 * s.heads * PARTS * s.queries
    weights = s.size * s.hidden * (2 * s.heads + 1)
    return Cost(
        s.batch * 2 * q * t * s.width,
        s.batch * 4 * q * t * s.heads * s.hidden,
        s.batch * (s.size * (q + t) * s.width + statistics) + weights,
    )


def columns(s: Sizes) -> Cost:
    first = statistics(s)
    return Cost(
        first.matrix, first.ordinary, first.bytes + 4 * s.batch * (s.tokens + 2 * s.heads * s.queries)
    )


def importance(s: Sizes) -> Cost:
    return statistics(s) + columns(s)


def gather(s: Sizes) -> Cost:
    numbers = s.kept * s.width
    return Cost(
        0, 8 * s.batch * numbers, s.batch * (3 * s.size * numbers + 4 * s.kept) + 2 * s.size * s.width
    )


def attention(s: Sizes) -> Cost:
    return Cost(4 * s.batch * s.kept**2 * s.width, 0, 4 * s.batch * s.kept * s.width * s.size)


def scatter(s: Sizes) -> Cost:
    rows = (s.tokens - s.kept) + 2 * s.kept + s.tokens
    moved = s.batch * (s.size * rows * s.width + 4 * s.kept) + s.size * s.width
    return Cost(0, 2 * s.batch * s.kept * s.width, moved)


def table(tokens: int, width: int, heads: int, keep: float) -> str:
    """Markdown: what each kernel does for one picture in float16."""
    kept = round(keep * tokens)
    kernels = [
        *((f"statistics, stride {n}", statistics, n) for n in (1, 8)),
        *((f"columns, stride {n}", columns, n) for n in (1, 8)),
        ("gather", gather, 1),
        ("selective attention", attention, 1),
        ("scatter", scatter, 1),
    ]
    lines = [
        "| kernel | MFLOP in matrix products | other MFLOP | MB | FLOP a byte |",
        "|---|---|---|---|---|",
    ]
    for name, count, stride in kernels:
        work = count(Sizes(tokens, kept, width, heads, 2 * heads, stride))
        figures = (work.matrix / 1e6, work.ordinary / 1e6, work.bytes / 1e6)
        intensity = (work.matrix + work.ordinary) / work.bytes
        lines.append(f"| {name} | " + " | ".join(f"{f:.2f}" for f in figures) + f" | {intensity:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tosa_edge.plugins.cost", description=__doc__)
    parser.add_argument("--tokens", type=int, default=1369)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--keep", type=float, default=0.5)
    given = parser.parse_args()
    print(table(given.tokens, given.width, given.heads, given.keep))


if __name__ == "__main__":
    main()
