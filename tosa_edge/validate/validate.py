"""`tosa-edge validate` as a function: an engine or a MODEL, to what is printed of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.engine.providers import AUTO
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.validate.checks import Check
from tosa_edge.validate.engine_under_test import find_engine_under_test
from tosa_edge.validate.labelled import score_on_labels
from tosa_edge.validate.parity import ParityReport, compare_with_reference
from tosa_edge.validate.pictures import validation_pictures
from tosa_edge.validate.references import find_reference, refuse_foreign

if TYPE_CHECKING:
    from tosa_edge.progress import OnStep


def validate(
    engine: str,
    reference: str | None = None,
    data: Path | None = None,
    on_step: OnStep = lambda what, done, total: None,
    provider: str = AUTO,
) -> dict[str, Any]:
    """Judges an engine, or a MODEL as ONNX Runtime runs it.

    Args:
        reference: the float32 MODEL; None is the float32 graph of the variant the engine was built from.
        data: a folder of pictures with depth: compared on them, and scored on all of them.
        provider: of ONNX Runtime, for a MODEL.
    """
    under_test = find_engine_under_test(engine, reference, provider)
    try:
        exact = find_reference(reference or under_test.source)
    except MachineLacks:
        raise
    except TosaEdgeError as error:
        if reference is not None:
            raise
        raise TosaEdgeError(
            f"no float32 reference of {under_test.label}: {error.what}",
            "Name the float32 MODEL of the same variant and weights with --reference.",
        ) from error
    refuse_foreign(exact, under_test.info, under_test.label)
    refused: list[str] = []
    pictures = validation_pictures(exact.info, data, refused)
    report = compare_with_reference(under_test, exact, pictures, on_step)
    if data is not None and not any(check.name == "runs" for check in report.checks):
        report = _scored(report, score_on_labels(under_test, exact, data, on_step, refused))
    return {
        "passed": report.passed,
        "checks": [check.as_dict() for check in report.checks],
        "engine": str(under_test.path),
        "reference": exact.label,
        "precision": under_test.precision,
        "backend": under_test.backend,
        "provider": under_test.provider,
        "pictures": report.pictures,
        "data": None if data is None else str(data),
        "departed": report.divergence.layer if report.divergence else None,
        "reproduce": report.command,
        "notes": list(report.notes),
        "refused": list(dict.fromkeys(refused)),
    }


def _scored(report: ParityReport, found: list[Check] | str) -> ParityReport:
    """With the metrics, or with the reason why there are none."""
    if isinstance(found, str):
        return replace(report, notes=(*report.notes, found))
    return replace(report, checks=(*report.checks, *found))
