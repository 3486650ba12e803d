"""`tosa-edge doctor`"""

from __future__ import annotations

from tosa_edge.cli.common import JsonFlag, emit
from tosa_edge.console import answers

EXAMPLES = ("tosa-edge doctor", "tosa-edge doctor --json")


def main(as_json: JsonFlag = False) -> None:
    """What this machine has and lacks, and what to do about it."""
    from rich.table import Table
    from rich.text import Text

    from tosa_edge.diagnosis import NEEDED, OK
    from tosa_edge.verbs.doctor import diagnose_machine

    result = diagnose_machine()
    table = Table(show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    colours = {OK: "green", NEEDED: "bold red"}
    for check in result["checks"]:
        colour = colours.get(check["verdict"], "yellow")
        table.add_row(check["name"], check["value"], Text(check["verdict"], colour))
    to = answers(as_json)
    to.print(table)
    # Below the table, and unbroken: a command is there to be copied.
    for check in result["checks"]:
        if check["remedy"]:
            to.print(f"{check['name']}: {check['remedy']}", soft_wrap=True)
    ready = "Ready: try `tosa-edge demo`."
    to.print(ready if result["ready"] else "Not ready: mend what is marked `needed`.")
    emit(result, as_json)
