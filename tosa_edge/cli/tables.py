"""Tables for people, readable at 80 columns and in a pipe: names give way to numbers, which are never cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Optional

from tosa_edge.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

_NARROWEST = 12  # columns left to a name that has to wrap
_GAP = 2


def unsigned_zero(value: float, digits: int) -> float:
    """Rounded for print, and without the sign that nothing has when it came from below: `-0.0%`."""
    return round(value, digits) + 0.0


Row = Optional[Sequence[str]]


def print_table(
    to: Console, names: Sequence[str], numbers: Sequence[str], rows: Sequence[Row], title: str = ""
) -> None:
    """Columns of names, then columns of numbers; a row of None is a line across."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, title=Text(printable(title)) if title else None, title_justify="left")
    needed = 0
    for place, heading in enumerate((*names, *numbers)):
        is_name = place < len(names)
        widest = max(map(cell_len, (heading, *(row[place] for row in rows if row))))
        needed += _GAP + (min(widest, _NARROWEST) if is_name else widest)
        shown.add_column(
            heading, justify="left" if is_name else "right", no_wrap=not is_name, overflow="fold"
        )
    for row in rows:
        if row is None:
            shown.add_section()
        else:
            shown.add_row(*row)
    if to.width < needed:
        shown.width = needed
    to.print(shown, crop=False)
