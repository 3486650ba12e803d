"""No process is left on a GPU: stages end when the command does, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

GRACE_S = 3  # between asking a stage to end and ending it
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)  # found before a fork, not between it and exec


def terminated(number: int, frame: Any) -> None:
    """For SIGTERM: out through every `finally`. A second one must not break that off."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def dies_with(parent: int) -> Callable[[], None]:
    """For a child, before it begins: killed as soon as that parent is gone, whatever became of it."""

    def ask() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # gone already
            os._exit(1)

    return ask


def end_group(child: subprocess.Popen[bytes]) -> None:
    """The stage and whatever it has started; what holds the GPU is given time to let go of it."""
    for sign, grace in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, None)):
        try:
            os.killpg(child.pid, sign)
        except ProcessLookupError:
            break
        try:
            child.wait(grace)
        except subprocess.TimeoutExpired:
            continue
    child.wait()
