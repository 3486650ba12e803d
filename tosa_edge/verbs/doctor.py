"""`tosa-edge doctor` as a function."""

from __future__ import annotations

from typing import Any


def diagnose_machine() -> dict[str, Any]:
    """What this machine has and lacks, and what to do about it.

    Returns:
        `checks`: each with its `name`, `value`, `verdict` (ok; optional or needed: how much it matters that
        it is missing) and `remedy`, empty where it is ok. `ready`: whether nothing that is needed is missing.

    Example:
        >>> found = diagnose_machine()
        >>> [check["remedy"] for check in found["checks"] if check["verdict"] == "needed"]
        []
    """
    from dataclasses import asdict

    from tosa_edge.diagnosis import NEEDED, diagnose

    findings = diagnose()
    ready = all(finding.verdict != NEEDED for finding in findings)
    return {"ready": ready, "checks": [asdict(finding) for finding in findings]}
