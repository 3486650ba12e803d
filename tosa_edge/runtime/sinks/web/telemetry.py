"""How a run is doing, for supervisors and for Prometheus: counted with each result, read when asked."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate

from tosa_edge.errors import MachineLacks
from tosa_edge.runtime.sinks import Result, Sink

# Seconds: from a desktop GPU's frame to a robot that ought to stop.
BOUNDS = (0.005, 0.01, 0.02, 0.033, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)
# Frames have stopped when none came for so long, or for so many of the times that one usually takes.
_SILENT_S, _SILENT_FRAMES = 10.0, 10


@dataclass
class Histogram:
    """How many values were at most each of `BOUNDS`; the last count is of those beyond."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        bounds = [*map(str, BOUNDS), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.counts)), strict=True))

    def copy(self) -> Histogram:
        return Histogram(list(self.counts), self.total)


@dataclass(frozen=True)
class Counts:
    """`seconds` holds histograms by name: the model's `latency`, and the `age` of a live source's frames."""

    frames: int = 0
    fps: float = 0.0
    dropped: int = 0
    reconnects: int = 0
    seconds: Mapping[str, Histogram] = field(default_factory=dict)


class Telemetry(Sink):
    """A sink of its own: a page takes the newest result and drops others, and here each one counts.

    Args:
        live: whether the source is; the age of a file's frame says only how far ahead it was read.
        power: what the machine draws, by the names that `--json` has for it; asked at each scrape.
        facts: labels of the run: its model and its source.
    """

    def __init__(
        self,
        live: bool = True,
        power: Callable[[], Mapping[str, object]] = dict,
        facts: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.power, self.facts = power, dict(facts or {})
        self._live, self._clock = live, clock
        self._lock = threading.Lock()
        self._counts = Counts()
        self._seconds = {"latency": Histogram(), **({"age": Histogram()} if live else {})}
        self._began, self._newest = clock(), 0.0
        self._ended = False
        self._metrics: Callable[[], tuple[str, bytes]] | None = None

    def write(self, result: Result) -> None:
        with self._lock:
            self._counts = Counts(
                self._counts.frames + 1, result.fps, result.dropped, result.reconnects, self._seconds
            )
            self._seconds["latency"].add(sum(result.prediction.times_ms.values()) / 1000)
            if self._live:
                self._seconds["age"].add(result.age_ms / 1000)
            self._newest = self._clock()

    def seal(self) -> None:
        self._ended = True

    def commit(self) -> None:
        return None

    def abort(self) -> None:
        self._ended = True

    def counts(self) -> Counts:
        """As they are now; what comes later changes them no more."""
        with self._lock:
            copies = {name: histogram.copy() for name, histogram in self._seconds.items()}
            return replace(self._counts, seconds=copies)

    def unhealthy(self) -> str | None:
        """Why a supervisor should start the run anew; None while frames come."""
        with self._lock:
            counts, silent = self._counts, self._clock() - (self._newest or self._began)
        if self._ended:
            return "the run has ended"
        if not counts.frames:
            return f"no frame has come since the start, {silent:.0f} s ago"
        usual = 1 / counts.fps if counts.fps else 0.0
        if silent > max(_SILENT_S, _SILENT_FRAMES * usual):
            return f"no frame has come for {silent:.0f} s"
        return None

    def metrics(self) -> tuple[str, bytes]:
        """The content type and the text that Prometheus reads. Raises MachineLacks without its client."""
        if self._metrics is None:
            try:
                from tosa_edge.runtime.sinks.web.metrics import exposition
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] != "prometheus_client":
                    raise
                raise MachineLacks(
                    "metrics want the package prometheus-client, which is not installed",
                    "Install it: pip install 'tosa-edge[metrics]'; /healthz and /stats answer without it.",
                ) from None
            self._metrics = exposition(self)
        return self._metrics()
