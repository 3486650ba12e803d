"""What `Telemetry` counted, in the words of Prometheus. The only reader of `prometheus_client`.

The registry is the page's own: the package's global one stays as it is, and a program in which this runs
keeps its own metrics to itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tosa_edge.runtime.sinks.web.telemetry import Telemetry

_COUNTERS = {
    "frames": "Frames of this page's source whose depth has reached the outputs.",
    "dropped": "Frames of the run's live sources for which there was no time.",
    "reconnects": "How often a live source of the run was lost and found again.",
}
_HISTOGRAMS = {
    "latency": "What the model took for a frame.",
    "age": "From a frame's arrival to its depth, of a live source.",
}
_POWER = {
    "power_w": ("tosa_edge_power_watts", "What the board draws."),
    "temp_c": ("tosa_edge_temperature_celsius", "The warmest spot of the chip."),
}


def exposition(telemetry: Telemetry) -> Callable[[], tuple[str, bytes]]:
    """Gives the content type and the text of a scrape."""
    registry = CollectorRegistry()
    registry.register(_Run(telemetry))
    ProcessCollector(registry=registry)
    return lambda: (CONTENT_TYPE_LATEST, generate_latest(registry))


class _Run(Collector):
    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def collect(self) -> Iterator[Metric]:
        counts, facts = self._telemetry.counts(), self._telemetry.facts
        info = GaugeMetricFamily("tosa_edge_info", "What runs; always 1.", labels=list(facts))
        info.add_metric(list(facts.values()), 1)
        yield info
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"tosa_edge_{name}", text, value=getattr(counts, name))
        for name, text in _HISTOGRAMS.items():
            if histogram := counts.seconds.get(name):
                buckets: Any = histogram.cumulative()
                yield HistogramMetricFamily(
                    f"tosa_edge_{name}_seconds", text, buckets=buckets, sum_value=histogram.total
                )
        yield GaugeMetricFamily("tosa_edge_fps", "Results a second, of late.", value=counts.fps)
        healthy = float(self._telemetry.unhealthy() is None)
        yield GaugeMetricFamily("tosa_edge_healthy", "1 while frames come, as /healthz says.", value=healthy)
        drawn: Any = self._telemetry.power()
        for key, (name, text) in _POWER.items():
            if key in drawn:
                yield GaugeMetricFamily(name, text, value=float(drawn[key]))
