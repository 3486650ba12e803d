"""`tosa-edge doctor`"""

from __future__ import annotations

from tosa_edge.cli.common import JsonFlag, emit
from tosa_edge.console import answers

EXAMPLES = ("tosa-edge doctor", "tosa-edge doctor --json")


def main(as_json: JsonFlag = False) -> None:
    """What this machine has and lacks, and what to do about it."""
    from dataclasses import asdict

    from rich.table import Table
    from rich.text import Text

    from tosa_edge.diagnosis import NEEDED, OK, diagnose

    findings = diagnose()
    table = Table(show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    colours = {OK: "green", NEEDED: "bold red"}
    for finding in findings:
        colour = colours.get(finding.verdict, "yellow")
        table.add_row(finding.name, finding.value, Text(finding.verdict, colour))
    to = answers(as_json)
    to.print(table)
    # Below the table, and unbroken: a command is there to be copied.
    for finding in findings:
        if finding.remedy:
            to.print(f"{finding.name}: {finding.remedy}", soft_wrap=True)
    ready = all(finding.verdict != NEEDED for finding in findings)
    to.print("Ready: try `tosa-edge demo`." if ready else "Not ready: mend what is marked `needed`.")
    emit({"ready": ready, "checks": [asdict(finding) for finding in findings]}, as_json)
