"""What is refused for its size before any memory is taken for it, and the variables that say otherwise.

`docs/reliability.md` has the table. A limit is a number of something that whoever wrote a file can claim in a
few bytes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from tosa_edge.errors import TosaEdgeError


@dataclass(frozen=True)
class Limit:
    """At most so many of a unit, unless the environment's `variable` has another number."""

    variable: str
    default: int
    unit: str

    @property
    def most(self) -> int:
        text = os.environ.get(self.variable, "")
        if not text:
            return self.default
        if not (text.isascii() and text.isdigit() and 0 < len(text) < 16):
            raise TosaEdgeError(f"{self.variable}={text[:40]!r} is not a whole number", "Mend or unset it.")
        return int(text)

    def check(self, count: int, what: str) -> None:
        """Refuses what is more."""
        if count > self.most:
            raise TosaEdgeError(
                f"{what}: {count:,} {self.unit}, and more than {self.most:,} are refused",
                f"If you trust it and have the memory, set {self.variable}={count}.",
            )


# A colour picture of so many pixels takes 200 MB, and its depth 268 MB. Also of a graph's input.
PIXELS = Limit("TOSA_EDGE_MAX_PIXELS", 1 << 26, "pixels")
# Attention takes memory by the square: 16,384 tokens are a picture of 1792x1792 in patches of 14.
TOKENS = Limit("TOSA_EDGE_MAX_TOKENS", 1 << 14, "tokens")
# Of a file that is read whole, and of all weights of one graph.
BYTES = Limit("TOSA_EDGE_MAX_BYTES", 1 << 30, "bytes")
# Of a checkpoint, which is mapped and not read whole: Depth Anything V2 L is one of 1.3 GB.
CHECKPOINT = Limit("TOSA_EDGE_MAX_CHECKPOINT", 1 << 31, "bytes")
# Of a graph after every call of a function was replaced by its body, which is what runtimes do.
NODES = Limit("TOSA_EDGE_MAX_NODES", 1 << 17, "nodes")
# Of a picture that a web server sends.
DOWNLOAD = Limit("TOSA_EDGE_MAX_DOWNLOAD", 1 << 28, "bytes")
