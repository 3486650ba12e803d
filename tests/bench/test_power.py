"""What a variant draws: read while it runs alone, where anything can be read."""

from __future__ import annotations

from tosa_edge.bench.power import drawn
from tosa_edge.diagnosis.power import Power


class Board:
    """A clock, a variant that takes 0.1 s, and a sensor that follows it slowly."""

    def __init__(self, offers: bool = True, watts: bool = True) -> None:
        self.now, self.runs, self.offers, self.has_watts = 0.0, 0, offers, watts

    def run(self) -> None:
        self.now += 0.1
        self.runs += 1

    def read(self) -> Power | None:
        if not self.offers:
            return None
        watts = (5.0 if self.now < 0.8 else 11.0) if self.has_watts else None
        return Power(watts, ("VDD_IN",) if watts else (), 40 + self.now, "MAXN")

    def clock(self) -> float:
        return self.now


def test_the_second_half_counts():
    board = Board()
    found = drawn(board.run, board.read, 2.0, board.clock)
    assert found == {"power_w": 11.0, "temp_c": 40 + board.now, "power_mode": "MAXN"}
    assert 19 <= board.runs <= 21


def test_where_nothing_is_offered_nothing_is_run():
    board = Board(offers=False)
    assert drawn(board.run, board.read, 2.0, board.clock) == {}
    assert board.runs == 0


def test_a_board_without_a_power_sensor():
    board = Board(watts=False)
    found = drawn(board.run, board.read, 1.0, board.clock)
    assert set(found) == {"temp_c", "power_mode"}


def test_a_variant_slower_than_the_time_there_is():
    board = Board()
    found = drawn(lambda: [board.run() for _ in range(50)], board.read, 2.0, board.clock)
    assert board.runs == 50
    assert found["power_w"] == 11.0
