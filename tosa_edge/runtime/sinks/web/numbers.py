"""A result in numbers, as `/stats` gives them and the page plots them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tosa_edge.info import GraphInfo
from tosa_edge.pictures.colour import colour
from tosa_edge.runtime.sinks import Result

_SWATCHES = 17


def of_model(info: GraphInfo, label: str) -> dict[str, Any]:
    """What does not change during a run."""
    return {
        "label": label,
        "model": info.name,
        "input": [info.height, info.width],
        "precision": info.precision,
        "kept_percent": None if info.dense else round(100 * info.kept / info.tokens),
        "output": info.output,
    }


def of_result(result: Result) -> dict[str, Any]:
    times = result.prediction.times_ms
    return {
        "frame": result.frame.index,
        "fps": round(result.fps, 2),
        "latency_ms": latency(result),
        "age_ms": round(result.age_ms, 2),
        "dropped": result.dropped,
        "reconnects": result.reconnects,
        "stages_ms": {stage: round(taken, 3) for stage, taken in times.items()},
    }


def latency(result: Result) -> float:
    """Milliseconds from a picture to its depth."""
    return round(sum(result.prediction.times_ms.values()), 2)


@lru_cache
def swatches(colour_map: str) -> list[str]:
    """Colours of a map from far to near, as a style sheet writes them."""
    levels = np.linspace(0, 255, _SWATCHES).round().astype(np.uint8)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colour(levels[None], colour_map)[0]]
