"""Ctrl-C and SIGTERM end a run cleanly and keep what was done until then. A second one does not wait.

A second one that nobody hears, in a model that never returns, is `tosa_edge/second_signal.py`'s.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event


@contextmanager
def stopped_by_signals(stop: Event) -> Iterator[None]:
    """Inside, either signal sets `stop`. Only a main thread gets signals: others do nothing here."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    heard: list[int] = []  # a run may also have been stopped otherwise: that is no first signal

    def heed(number: int, _frame: object) -> None:
        heard.append(number)
        if len(heard) > 1:
            raise SystemExit(128 + number)
        stop.set()

    before = {number: signal.signal(number, heed) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
