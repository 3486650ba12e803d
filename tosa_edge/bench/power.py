"""What a variant draws: each runs alone for a while, since a sensor is slower than taking turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tosa_edge.diagnosis.power import Power, read_power

SECONDS = 2.0


def drawn(
    run: Callable[[], object],
    read: Callable[[], Power | None] = read_power,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """`power_w`, the mean over the second half of `seconds` of running without a pause; `temp_c` and
    `power_mode` at the end. Nothing, at once, where the system offers nothing."""
    if read() is None:
        return {}
    began, watts, last = clock(), [], None
    while (passed := clock() - began) < seconds:
        run()
        if passed >= seconds / 2:
            last = read()
            if last is not None and last.watts is not None:
                watts.append(last.watts)
    last = last or read()
    found = last.as_dict() if last else {}
    return {**found, **({"power_w": round(float(np.mean(watts)), 2)} if watts else {})}
