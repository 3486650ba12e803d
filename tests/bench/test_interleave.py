"""Turns are fair and ratios are taken within rounds: checked with a clock that does as it is told."""

from __future__ import annotations

import numpy as np
import pytest

from tosa_edge.bench.interleave import Variant, interleave, rows
from tosa_edge.errors import TosaEdgeError


class Machine:
    """A clock, and variants that take a stated time on it, times how slow the machine is at that moment."""

    def __init__(self, durations: dict[str, float]) -> None:
        self.now, self.slow = 0.0, 1.0
        self.order: list[str] = []
        self.variants = [Variant(name, lambda n=name, d=d: self._run(n, d)) for name, d in durations.items()]

    def _run(self, name: str, duration: float) -> None:
        self.order.append(name)
        self.now += duration * self.slow
        self.slow *= 1.02  # it warms up

    def clock(self) -> float:
        return self.now


def test_variants_take_turns_and_the_first_changes():
    machine = Machine({"a": 1, "b": 2, "c": 3})
    interleave(machine.variants, rounds=3, warmup=1, clock=machine.clock)
    assert "".join(machine.order) == "abc" + "abc" + "bca" + "cab"


def test_times_are_milliseconds_by_round_and_variant():
    machine = Machine({"a": 0.001, "b": 0.004})
    machine.slow = 1.0
    times = interleave(machine.variants, rounds=2, warmup=0, clock=machine.clock)
    assert times.shape == (2, 2)
    np.testing.assert_allclose(times[0], [1, 4 * 1.02])


def test_a_machine_that_slows_down_does_not_change_the_ratio():
    machine = Machine({"dense": 1.0, "fast": 0.5, "slow": 2.0})
    times = interleave(machine.variants, rounds=30, warmup=0, clock=machine.clock)
    table = rows(["dense", "fast", "slow"], times)
    assert table[0]["p90_ms"] > 3 * table[0]["p10_ms"]
    for row, ratio in zip(table, (1, 2, 0.5), strict=True):
        assert row["ratio"] == pytest.approx(ratio, rel=0.05)
        assert row["ratio_p10"] <= row["ratio"] <= row["ratio_p90"]


def test_rounds_are_reported_and_must_be_some():
    machine = Machine({"a": 1})
    seen: list[int] = []
    interleave(machine.variants, rounds=3, clock=machine.clock, on_round=seen.append)
    assert seen == [0, 1, 2]
    with pytest.raises(TosaEdgeError, match="0 rounds"):
        interleave(machine.variants, rounds=0)
