"""An engine against its float32 reference: runs, checks, and on failure the layer and the command.

The reference and its peers are computed by ONNX Runtime node for node, unoptimised: that is what the graphs
say, whatever an optimiser makes of them, and it is what lets the check fail where the engine is ONNX Runtime.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from tosa_edge.calibration.ranges import feeds_of
from tosa_edge.graph import LoadedGraph
from tosa_edge.validate import checks
from tosa_edge.validate.bisect import Comparison, Divergence, find_divergence
from tosa_edge.validate.checks import Check
from tosa_edge.validate.engine_under_test import EngineUnderTest
from tosa_edge.validate.reproduce import FailureCase, folder_for, reproduce
from tosa_edge.validate.runs import OutputList, RunFailed, outputs_of

if TYPE_CHECKING:
    from tosa_edge.progress import OnStep


@dataclass(frozen=True)
class ParityReport:
    """`divergence` and `command` are there after a failure that could be followed to a layer."""

    checks: tuple[Check, ...]
    pictures: int
    notes: tuple[str, ...] = ()
    divergence: Divergence | None = None
    command: str | None = None

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if not check.passed]

    @property
    def passed(self) -> bool:
        return not self.failed


def compare_with_reference(
    under_test: EngineUnderTest,
    reference: LoadedGraph,
    pictures: np.ndarray,
    on_step: OnStep = lambda what, done, total: None,
) -> ParityReport:
    """Runs everything on the pictures, uint8 [n, H, W, 3], and judges it."""
    feeds, answer = list(feeds_of(reference.info, pictures)), reference.info.answer
    comparison = Comparison(under_test, reference, feeds, lambda: tick())
    # At most: exact depth for patches that were met before is not computed again.
    most = len(feeds) * (
        2
        + (comparison.same_precision is not None and comparison.same_precision is not reference)
        * (1 + comparison.selects)
    )
    most += len(feeds) * comparison.selects
    done = count(1)

    def tick() -> None:
        on_step("validating", min(next(done), most), most)

    notes: list[str] = []
    try:
        ours = outputs_of(under_test.opened.backend, feeds, tick)
    except RunFailed as failure:
        return ParityReport((Check("runs", None, None, False),), len(pictures), (failure.what,))
    theirs = comparison.run(reference)
    comparison.remember(theirs)
    found = [checks.at_most("not_finite", checks.not_finite(o[answer] for o in ours), 0)]
    wrong = 0
    if comparison.selects:
        wrong = checks.wrong_patches((o["kept"] for o in ours), reference.info.tokens)
        shares = checks.overlaps([o["kept"] for o in ours], [o["kept"] for o in theirs]).mean(axis=1)
        least = checks.LEAST_OVERLAP.get(under_test.precision)
        found += [
            checks.at_most("kept_wrong", wrong, 0),
            checks.at_least("kept_overlap_mean", float(shares.mean()), None),
            checks.at_least("kept_overlap_worst", float(shares.min()), least),
        ]
    limit = None
    if not wrong:  # they can be given to the reference
        judged, limit = _error(comparison, ours, theirs)
        found += judged
        if limit is None:
            notes.append("the graph it was quantised to is not here: its error has no limit")
    on_step("validating", most, most)
    report = ParityReport(tuple(found), len(pictures), tuple(notes))
    if report.passed:
        return report
    # The engine with its layers' tensors, the same precision in ONNX Runtime, and the exact values of both:
    # once more, to see where it begins.
    more, again = len(feeds) * (2 if comparison.same_precision is None else 4), count(1)
    comparison.tick = lambda: on_step("finding the layer", min(next(again), more), more)
    return _followed(report, comparison, ours, theirs, limit)


def _error(comparison: Comparison, ours: OutputList, theirs: OutputList) -> tuple[list[Check], float | None]:
    answer = comparison.reference.info.answer
    exact = [o[answer] for o in comparison.exact(ours)]
    least = checks.rounding_floor(exact, checks.roundings_of(comparison.reference.proto))
    noise, more = None, []
    if comparison.same_precision is not None:
        same_precision = (
            theirs
            if comparison.same_precision is comparison.reference
            else comparison.run(comparison.same_precision)
        )
        noise = checks.relative_rms(
            [o[answer] for o in same_precision], [o[answer] for o in comparison.exact(same_precision)]
        )
        more.append(checks.at_most(f"{answer}_error_same_precision", noise, None))
    limit = checks.error_limit(noise, least)
    error = checks.relative_rms([o[answer] for o in ours], exact)
    return [checks.at_most(f"{answer}_error", error, limit), *more], limit


def _followed(
    report: ParityReport, comparison: Comparison, ours: OutputList, theirs: OutputList, limit: float | None
) -> ParityReport:
    """The first layer that departs, and the command that shows it."""
    under_test = comparison.under_test
    departed, case = find_divergence(comparison, theirs)
    feeds = comparison.feeds
    answer = comparison.reference.info.answer
    if case is None and limit is not None and any(c.name == f"{answer}_error" for c in report.failed):
        # Wrong as a whole, though nothing that was looked into departs.
        case = FailureCase(answer, [o[answer] for o in comparison.exact(ours)], limit)
    if case is None:
        return report
    own = under_test.source != str(under_test.path)
    command = reproduce(under_test, case, feeds, folder_for(under_test.path, own))
    return replace(report, divergence=departed, command=command)
