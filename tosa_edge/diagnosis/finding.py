"""One fact about a machine."""

from __future__ import annotations

from dataclasses import dataclass

# Without `needed` nothing runs; without `optional` a verb or a backend is missing, or slower than need be.
OK, OPTIONAL, NEEDED = "ok", "optional", "needed"


@dataclass(frozen=True)
class Finding:
    """`verdict` is ok, or how much the lack of it matters; `remedy` is empty when it is ok."""

    name: str
    value: str
    verdict: str = OK
    remedy: str = ""


def finding(name: str, value: str, remedy: str = "", verdict: str = OPTIONAL) -> Finding:
    """Ok unless there is a remedy; then as bad as `verdict`."""
    return Finding(name, value, verdict if remedy else OK, remedy)
