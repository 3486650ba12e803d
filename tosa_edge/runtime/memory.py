"""Memory that stays as it is for weeks."""

from __future__ import annotations

import ctypes

_LARGE = 256 * 1024
_MMAP_THRESHOLD = -3  # of glibc's mallopt


def return_large_blocks() -> bool:
    """Makes glibc give large blocks back to the system when they are freed; False where it is not glibc.

    By default it raises the limit whenever a large block is freed, and from then on pictures and buffers of
    every thread are cut out of that thread's own heap: each leaves holes that others do not fit, and a run
    grows by some megabytes a day without losing a byte.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGE))
