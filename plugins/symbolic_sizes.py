"""A rule written in Python for numbers, run once on symbols: what comes out is the same rule in C++."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Axis(NamedTuple):
    """An axis of an output: so many parts of an axis of an input."""

    input: int
    axis: int
    divisor: int = 1

    def __floordiv__(self, by: int) -> Axis:
        return self._replace(divisor=self.divisor * by)


@dataclass(frozen=True)
class Symbol:
    """A whole number that the program in C++ will know, and the sizes that it hangs on."""

    text: str
    sizes: frozenset[str]

    def _with(self, other: Symbol | int, text: str) -> Symbol:
        return Symbol(text, self.sizes | sizes_of(other))

    def __neg__(self) -> Symbol:
        return Symbol(f"-{self.text}", self.sizes)

    def __add__(self, other: Symbol | int) -> Symbol:
        return self._with(other, f"({self.text} + {text_of(other)})")

    def __mul__(self, other: Symbol | int) -> Symbol:
        return self._with(other, f"{self.text} * {text_of(other)}")

    def __floordiv__(self, other: Symbol | int) -> Symbol:
        return self._with(other, f"floor_div({self.text}, {text_of(other)})")

    __radd__ = __add__
    __rmul__ = __mul__


def size(name: str) -> Symbol:
    return Symbol(f"s[{name}]", frozenset({name}))


def text_of(value: Symbol | int) -> str:
    return value.text if isinstance(value, Symbol) else str(value)


def sizes_of(value: Symbol | int) -> frozenset[str]:
    return value.sizes if isinstance(value, Symbol) else frozenset()
