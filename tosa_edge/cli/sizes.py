"""Sizes of pictures as people write them."""

from __future__ import annotations

from tosa_edge.errors import TosaEdgeError


def parse_size(text: str, flag: str) -> tuple[int, int] | None:
    """`252x336` to (252, 336); nothing to None."""
    if not text:
        return None
    from tosa_edge.runtime.sources.address import two_sides

    try:
        return two_sides(text.lower())
    except ValueError:
        raise TosaEdgeError(f"{flag} {text[:40]} is not HEIGHTxWIDTH", "Write it like 252x336.") from None


def parse_sizes(text: str, flag: str) -> tuple[tuple[int, int], ...]:
    """`252x336,168x224` to both; nothing to none."""
    return tuple(size for part in text.split(",") if (size := parse_size(part.strip(), flag)))
