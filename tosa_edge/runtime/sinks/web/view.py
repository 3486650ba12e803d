"""What there is to see, for any number of viewers at their own pace."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from tosa_edge.graph_info import GraphInfo
from tosa_edge.pictures.colour import COLOUR_MAPS, ColourScale, colour
from tosa_edge.runtime.overlay import tokens_label
from tosa_edge.runtime.sinks import Result
from tosa_edge.runtime.sinks.thumbnails import depth_thumbnail, jpeg, overlay_thumbnail, picture_thumbnail
from tosa_edge.runtime.sinks.web.controls import Controls

# Upper limit of the page's frame rate: painting more would only cost time.
MOST_FPS = 30
# What the plots begin with for a viewer that comes late: a minute at that pace.
_REMEMBERED = 60 * MOST_FPS

Row = tuple[float, float, float, float]


@dataclass(frozen=True)
class Snapshot:
    """One state of the view, the same for all who look at that time."""

    version: int
    pictures: TileEncoder | None
    controls: Controls
    numbers: dict[str, Any]


class View:
    """`show` never waits, and nothing is painted unless a viewer asks."""

    def __init__(self, info: GraphInfo, label: str = "") -> None:
        self._info = info
        self.tiles = TILES[:2] if info.dense else TILES
        self._about = model_facts(info, label)
        self._changed = threading.Condition()
        self._scale = ColourScale(info.output)
        self._newest: Result | None = None
        self._pictures: TileEncoder | None = None
        self._controls = Controls()
        self._history: deque[Row] = deque(maxlen=_REMEMBERED)
        self._began = time.monotonic()
        self._version = 1
        self._moment = Snapshot(0, None, self._controls, {})
        self._due = 0.0
        self.ended = False

    def show(self, result: Result) -> None:
        with self._changed:
            self._newest = result
            if not self._history or self._now() - self._history[-1][0] >= 1 / MOST_FPS:
                self._history.append((self._now(), result.fps, latency(result), result.age_ms))
            self._step()

    def control(self, data: bytes) -> None:
        """Raises ValueError."""
        with self._changed:
            controls = self._controls.changed(data)
            if controls.near is not None and controls.far is not None:
                self._scale.fix(controls.near, controls.far)
            else:
                self._scale.fixed = None
            if controls.paused and not self._controls.paused:
                self._follow()
            self._controls = controls
            self._step()

    def end(self) -> None:
        """Marks the run as ended and wakes callers of `next`."""
        with self._changed:
            self.ended = True
            self._step()

    def next(self, seen: int, patience: float) -> Snapshot | None:
        """The moment after version `seen`, or None when `patience` seconds brought none.

        Moments are at least a 30th of a second apart and shared, so that a frame is painted at most once.
        """
        deadline = time.monotonic() + patience
        with self._changed:
            while self._moment.version <= seen:
                now, changed = time.monotonic(), self._version > self._moment.version
                if changed and (now >= self._due or self.ended):
                    self._due = now + 1 / MOST_FPS
                    if not self._controls.paused:
                        self._follow()
                    self._moment = Snapshot(self._version, self._pictures, self._controls, self._numbers())
                    self._changed.notify_all()
                elif now >= deadline or self.ended:
                    return None
                else:
                    self._changed.wait((min(deadline, self._due) if changed else deadline) - now)
            return self._moment

    def history(self) -> list[Row]:
        """Rows of (seconds, fps, latency in ms, age in ms)."""
        with self._changed:
            return [tuple(round(value, 2) for value in row) for row in self._history]  # type: ignore[misc]

    def numbers(self) -> dict[str, Any]:
        """How the run is doing, now."""
        with self._changed:
            return self._numbers()

    def _follow(self) -> None:
        """The newest result becomes the one that is shown."""
        if self._newest is not None and (self._pictures is None or self._pictures.result is not self._newest):
            self._pictures = TileEncoder(self._newest, self._info, self._scale)

    def _numbers(self) -> dict[str, Any]:
        ends = self._scale.ends()
        return {
            **self._about,
            **(result_facts(self._newest) if self._newest else {}),
            "shown": self._pictures.result.frame.index if self._pictures else None,
            "seconds": round(self._now(), 3),
            "ended": self.ended,
            "controls": asdict(self._controls),
            "colour_maps": COLOUR_MAPS,
            "swatches": swatches(self._controls.colour_map),
            "range": None if ends is None else [round(end, 4) for end in ends],
        }

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _step(self) -> None:
        self._version += 1
        self._changed.notify_all()


_SWATCHES = 17


def model_facts(info: GraphInfo, label: str) -> dict[str, Any]:
    """What does not change during a run."""
    return {
        "label": label,
        "model": info.name,
        "input": [info.height, info.width],
        "precision": info.precision,
        "kept_percent": round(100 * info.kept / info.tokens) if info.selects else None,
        "tokens": "" if info.dense else tokens_label(info),
        "output": info.output,
    }


def result_facts(result: Result) -> dict[str, Any]:
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


TILES = ("picture", "depth", "kept")


class TileEncoder:
    """Shared by all viewers: whoever comes first paints, the others wait for it and send the same bytes.

    scale: the stream's; the result moves it once, in however many colours it is painted.
    """

    def __init__(self, result: Result, info: GraphInfo, scale: ColourScale) -> None:
        self.result = result
        self._info, self._scale = info, scale
        self._lock = threading.Lock()
        self._encoded: dict[str, tuple[Controls, bytes]] = {}
        self._noticed = False

    def encoded(self, tile: str, controls: Controls) -> bytes:
        with self._lock:
            if tile not in self._encoded or (tile == "depth" and self._encoded[tile][0] != controls):
                self._encoded[tile] = controls, jpeg(self._painted(tile, controls.colour_map))
            return self._encoded[tile][1]

    @property
    def tiles(self) -> tuple[str, ...]:
        return TILES[:2] if self._info.dense else TILES

    def _painted(self, tile: str, colour_map: str) -> np.ndarray:
        if tile == "picture":
            return picture_thumbnail(self.result)
        if tile == "kept":
            return overlay_thumbnail(self.result, self._info)
        depth = depth_thumbnail(self.result)
        if not self._noticed:
            self._scale.update(depth)
            self._noticed = True
        return colour(self._scale.levels(depth), colour_map)
