"""`tosa-edge doctor`"""

from __future__ import annotations

from tosa_edge.cli.common import JsonFlag, console, emit


def main(as_json: JsonFlag = False) -> None:
    """What this machine has and lacks, and what to do about it."""
    from dataclasses import asdict

    from rich.table import Table

    from tosa_edge.diagnosis import NEEDED, OK, diagnose

    findings = diagnose()
    table = Table(show_header=False)
    colours = {OK: "green", NEEDED: "bold red"}
    for finding in findings:
        colour = colours.get(finding.verdict, "yellow")
        table.add_row(
            finding.name, finding.value, f"[{colour}]{finding.verdict}[/]", finding.remedy.replace("[", "\\[")
        )
    console.print(table)
    ready = all(finding.verdict != NEEDED for finding in findings)
    console.print("Ready: try `tosa-edge demo`." if ready else "Not ready: mend what is marked `needed`.")
    emit({"ready": ready, "checks": [asdict(finding) for finding in findings]}, as_json)
