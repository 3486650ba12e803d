"""Between threads nothing is lost that must not be, and everything counted that is."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosa_edge.runtime.bounded_queue import BoundedQueue


def test_a_giver_that_waits_loses_nothing():
    queue: BoundedQueue[int] = BoundedQueue(2)
    producer = threading.Thread(target=lambda: [queue.put(i) for i in range(500)] and queue.finish())
    producer.start()
    assert list(queue) == list(range(500))
    producer.join()
    assert not sum(queue.dropped.values())


@given(st.lists(st.integers(0, 2), max_size=40), st.integers(1, 3))
def test_without_waiting_each_giver_keeps_its_newest_and_the_others_are_counted(givers, room):
    queue: BoundedQueue[tuple[int, int]] = BoundedQueue(room, 3)
    for number, producer in enumerate(givers):
        assert queue.put((producer, number), producer, block=False)
    for _ in range(3):
        queue.finish()
    taken = list(queue)
    for producer in range(3):
        given_by = [(g, n) for n, g in enumerate(givers) if g == producer]
        assert [item for item in taken if item[0] == producer] == given_by[-room:]
        assert queue.dropped[producer] == max(0, len(given_by) - room)


def test_a_giver_whose_item_was_replaced_keeps_its_turn():
    queue: BoundedQueue[str] = BoundedQueue(1, 2)
    for producer, item in ((0, "a"), (1, "x"), (0, "b"), (1, "y"), (0, "c")):
        queue.put(item, producer, block=False)
    queue.finish()
    queue.finish()
    assert list(queue) == ["c", "y"]


def test_a_closed_one_lets_a_waiting_giver_go():
    queue: BoundedQueue[int] = BoundedQueue(1)
    queue.put(0)
    answers: list[bool] = []
    producer = threading.Thread(target=lambda: answers.append(queue.put(1)))
    producer.start()
    queue.close()
    producer.join(5)
    assert answers == [False]
    assert list(queue) == []


def test_an_error_reaches_the_taker_before_what_is_waiting():
    queue: BoundedQueue[int] = BoundedQueue(2)
    queue.put(0)
    queue.fail(ValueError("first"))
    queue.fail(ValueError("second"))
    with pytest.raises(ValueError, match="first"):
        list(queue)
