"""Between threads nothing is lost that must not be, and everything counted that is."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosa_edge.runtime.bounded_queue import Handoff


def test_a_giver_that_waits_loses_nothing():
    handoff: Handoff[int] = Handoff(2)
    giver = threading.Thread(target=lambda: [handoff.give(i) for i in range(500)] and handoff.finish())
    giver.start()
    assert list(handoff) == list(range(500))
    giver.join()
    assert not sum(handoff.dropped.values())


@given(st.lists(st.integers(0, 2), max_size=40), st.integers(1, 3))
def test_without_waiting_each_giver_keeps_its_newest_and_the_others_are_counted(givers, room):
    handoff: Handoff[tuple[int, int]] = Handoff(room, 3)
    for number, giver in enumerate(givers):
        assert handoff.give((giver, number), giver, waits=False)
    for _ in range(3):
        handoff.finish()
    taken = list(handoff)
    for giver in range(3):
        given_by = [(g, n) for n, g in enumerate(givers) if g == giver]
        assert [item for item in taken if item[0] == giver] == given_by[-room:]
        assert handoff.dropped[giver] == max(0, len(given_by) - room)


def test_a_giver_whose_item_was_replaced_keeps_its_turn():
    handoff: Handoff[str] = Handoff(1, 2)
    for giver, item in ((0, "a"), (1, "x"), (0, "b"), (1, "y"), (0, "c")):
        handoff.give(item, giver, waits=False)
    handoff.finish()
    handoff.finish()
    assert list(handoff) == ["c", "y"]


def test_a_closed_one_lets_a_waiting_giver_go():
    handoff: Handoff[int] = Handoff(1)
    handoff.give(0)
    answers: list[bool] = []
    giver = threading.Thread(target=lambda: answers.append(handoff.give(1)))
    giver.start()
    handoff.close()
    giver.join(5)
    assert answers == [False]
    assert list(handoff) == []


def test_an_error_reaches_the_taker_before_what_is_waiting():
    handoff: Handoff[int] = Handoff(2)
    handoff.give(0)
    handoff.fail(ValueError("first"))
    handoff.fail(ValueError("second"))
    with pytest.raises(ValueError, match="first"):
        list(handoff)
