"""The second Ctrl-C or SIGTERM ends the process, whatever it is deep in.

Python hears of a signal when what it has called returns, and a model that never returns is never interrupted.
But the number of a signal is also written into a pipe, by Python's handler in C, and a thread can read it.
"""

from __future__ import annotations

import os
import select
import signal
import threading

from tosa_edge.atomic_files import discard_all

_GRACE = 1.0  # seconds in which whoever does hear the second one may end in good order


def end_at_second_signal() -> None:
    """For a program's start. A signal that nobody handles still ends the process at once, as ever."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_wait, args=(reading,), name="tosa-edge signals", daemon=True).start()


def _wait(reading: int) -> None:
    heard: list[int] = []
    while len(heard) < 2:
        heard += (number for number in os.read(reading, 1) if number in (signal.SIGINT, signal.SIGTERM))
    select.select([reading], [], [], _GRACE)  # a third does not wait
    discard_all()
    os._exit(128 + heard[1])
