"""How much is fuzzed, and the damaged files that a plain loop makes.

`TOSA_EDGE_FUZZ=50` takes fifty times as many inputs as an ordinary run, over a million: `make fuzz`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import random
import signal
from collections.abc import Callable, Iterator

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("TOSA_EDGE_FUZZ", "1"))
# Hypothesis looks for the shape of a fault, and is slow; the loop only breaks things, and is not.
_THOUGHT_OUT, _BROKEN = 200, 2000
_HANGS = 60.0  # seconds

fuzz = settings(
    max_examples=_THOUGHT_OUT * TIMES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)

# What readers of JSON, of protobuf and of lines have stumbled over.
_TOKENS = (
    b"NaN", b"-Infinity", b"1e999", b"-0", b"1e-400", b"9" * 50, b"true", b"null", b'""', b"{}", b"[]",
    b"[" * 2000, b'{"a":' * 500, b'"\\ud800"', b"\\u0000", b"\x00", b"\xff\xff\xff\xff\x0f", b"\xef\xbb\xbf",
    b",", b":", b'"', b"\n", b"\x1b[2J", b"\xc0\x80", b"1.0", b"0x10", b" ",
)  # fmt: skip


def broken(seeds: list[bytes], salt: int, share: float = 1.0) -> Iterator[bytes]:
    """Each seed in its turn with one to four faults; the same ones for the same `salt`.

    Args:
        share: of the usual number of inputs, for a reader that is slow.
    """
    generator = random.Random(salt)
    for number in range(int(_BROKEN * TIMES * share)):
        data = bytearray(seeds[number % len(seeds)])
        for _ in range(generator.randint(1, 4)):
            _break(data, generator, seeds)
        yield bytes(data)


@contextlib.contextmanager
def limited() -> Iterator[Callable[[], None]]:
    """Gives what starts the time of the next input. One that takes longer ends the process, with a traceback
    of where it is: also where it never comes back to Python."""
    faulthandler.register(signal.SIGALRM, chain=True)
    try:
        yield lambda: signal.setitimer(signal.ITIMER_REAL, _HANGS)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.unregister(signal.SIGALRM)


def _break(data: bytearray, generator: random.Random, seeds: list[bytes]) -> None:
    at = generator.randint(0, len(data))
    end = min(len(data), at + generator.randint(1, 12))
    fault = generator.randrange(9)
    if fault == 0 and at < len(data):
        data[at] ^= 1 << generator.randrange(8)
    elif fault == 1 and at < len(data):
        data[at] = generator.randrange(256)
    elif fault == 2:
        del data[at:end]
    elif fault == 3:
        data[at:at] = generator.randbytes(generator.randint(1, 6))
    elif fault == 4:
        data[at:end] = generator.choice(_TOKENS)
    elif fault == 5:
        data[at:at] = data[at : at + generator.randint(1, 200)]
    elif fault == 6 and not generator.randrange(8):  # what follows has little left to break
        del data[at:]
    elif fault == 7:
        other = generator.choice(seeds)
        start = generator.randrange(len(other))
        data[at:end] = other[start : start + generator.randint(1, 40)]
    else:
        _change_a_number(data, at, generator)


def _change_a_number(data: bytearray, at: int, generator: random.Random) -> None:
    """A file that is still well formed and says something else: the likeliest lie."""
    while at < len(data) and not 48 <= data[at] <= 57:
        at += 1
    if at < len(data):
        data[at] = generator.randint(48, 57)
