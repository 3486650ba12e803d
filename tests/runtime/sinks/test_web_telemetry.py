"""What supervisors and Prometheus get from a running page, asked by a real HTTP client."""

from __future__ import annotations

import sys
import threading
import urllib.error
import urllib.request

import pytest

from tests import tiny
from tests.runtime.sinks.client import Viewer
from tests.runtime.sinks.results import flowing, result
from tosa_edge import DepthModel
from tosa_edge.runtime import pipeline
from tosa_edge.runtime.outputs import OutputOptions, open_sinks
from tosa_edge.runtime.sinks.web import WebSink
from tosa_edge.runtime.sinks.web.telemetry import BOUNDS, Telemetry
from tosa_edge.runtime.sources import open_source


def ask(url: str, **headers: str) -> tuple[int, str, str]:
    """Status, content type, text."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def scraped(url: str) -> dict[str, float]:
    """Values by name, with the bound of a bucket: as Prometheus reads them."""
    parser = pytest.importorskip(
        "prometheus_client.parser",
        reason="prometheus-client is not installed: pip install 'tosa-edge[metrics]'",
    )
    status, kind, text = ask(f"{url}metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=")
    found = {}
    for family in parser.text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            name = sample.name + (f" {sample.labels['le']}" if "le" in sample.labels else "")
            found[name] = sample.value
    return found


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watched(clock):
    """A page, its telemetry, and a board that draws power."""
    telemetry = Telemetry(power=lambda: {"power_w": 7.25, "temp_c": 51.5, "power_mode": "25W"}, clock=clock)
    sink = WebSink(tiny.selective_info(), telemetry=telemetry)
    yield sink.url, telemetry
    sink.abort()


def test_every_result_counts_also_those_that_the_page_drops(watched):
    url, telemetry = watched
    for index in range(25):
        telemetry.write(result(index))
    found = scraped(url)
    assert found["tosa_edge_frames_total"] == 25
    assert found["tosa_edge_dropped_total"] == result(24).dropped == 2
    assert found["tosa_edge_reconnects_total"] == 0
    ages = [result(index).age_ms / 1000 for index in range(25)]
    for bound in BOUNDS:
        assert found[f"tosa_edge_age_seconds_bucket {bound}"] == sum(age <= bound for age in ages)
    assert found["tosa_edge_age_seconds_bucket +Inf"] == found["tosa_edge_age_seconds_count"] == 25
    assert found["tosa_edge_age_seconds_sum"] == pytest.approx(sum(ages))
    assert found["tosa_edge_latency_seconds_count"] == 25
    assert (found["tosa_edge_power_watts"], found["tosa_edge_temperature_celsius"]) == (7.25, 51.5)
    assert found["tosa_edge_healthy"] == 1
    assert found["process_resident_memory_bytes"] > 1 << 20


def test_a_whole_run_tells_how_many_frames_it_was(tmp_path):
    model = DepthModel.load(str(tiny.save(tmp_path / "m.onnx", tiny.selective_info())), threads=1)
    source, told, seen = open_source("test://48x32?fps=0&frames=300"), [], {}
    wanted = OutputOptions(serve=True, port=0)
    sinks = open_sinks(wanted, [source], model.info, told.append, lambda: None)
    url = told[0].split()[-1]
    counted = threading.Event()

    def look(_result, summary) -> None:
        if summary.frames == 200:
            seen.update(scraped(url))
            counted.set()

    summary = pipeline.run(source, model, sinks, look)
    assert counted.is_set()
    assert 200 - 10 <= seen["tosa_edge_frames_total"] <= 200, "all but the few that wait for the sinks"
    telemetry = next(sink for sink in sinks if isinstance(sink, Telemetry))
    assert telemetry.counts().frames == summary.frames == 300
    assert telemetry.facts == {"model": "tiny", "source": "test://48x32?fps=0&frames=300"}
    assert telemetry.unhealthy() == "the run has ended"


def test_metrics_are_in_no_global_registry(watched):
    prometheus = pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
    watched[1].write(result(0))
    before = prometheus.generate_latest(prometheus.REGISTRY).count(b"tosa_edge")
    scraped(watched[0])
    assert prometheus.generate_latest(prometheus.REGISTRY).count(b"tosa_edge") == before == 0


def test_the_age_of_a_files_frames_says_nothing_and_is_left_out():
    telemetry = Telemetry(live=False)
    telemetry.write(result(0))
    assert set(telemetry.counts().seconds) == {"latency"}


def test_without_the_package_metrics_say_so_and_health_answers(watched, monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "tosa_edge.runtime.sinks.web.metrics", raising=False)
    url, telemetry = watched
    telemetry.write(result(0))
    status, _, text = ask(f"{url}metrics")
    assert status == 501
    assert "prometheus-client" in text
    assert "pip install 'tosa-edge[metrics]'" in text
    assert ask(f"{url}healthz")[::2] == (200, "ok\n")


def test_health_follows_the_frames(watched, clock):
    url, telemetry = watched
    clock.now += 3
    assert ask(f"{url}healthz")[::2] == (503, "no frame has come since the start, 3 s ago\n")
    telemetry.write(result(0))
    assert ask(f"{url}healthz")[::2] == (200, "ok\n")
    clock.now += 12
    assert ask(f"{url}healthz")[::2] == (503, "no frame has come for 12 s\n")
    telemetry.write(result(1))
    assert ask(f"{url}healthz")[0] == 200
    telemetry.seal()
    assert ask(f"{url}healthz")[::2] == (503, "the run has ended\n")


def test_a_source_of_few_frames_may_take_its_time(clock):
    from dataclasses import replace

    telemetry = Telemetry(clock=clock)
    telemetry.write(replace(result(0), fps=0.2))
    clock.now += 40
    assert telemetry.unhealthy() is None
    clock.now += 20
    assert telemetry.unhealthy() == "no frame has come for 60 s"


def test_beyond_loopback_the_token_lets_prometheus_in():
    sink = WebSink(tiny.info(), host="0.0.0.0")
    try:
        sink.write(result(0, tiny.info()))
        port, token = sink.url.rpartition(":")[2].split("/?token=")
        for path in ("healthz", "metrics"):
            url = f"http://127.0.0.1:{port}/{path}"
            with pytest.raises((urllib.error.URLError, ConnectionError)):  # not one byte: no status to read
                ask(url)
            assert ask(url, Authorization=f"Bearer {token}")[0] in (200, 501)
            assert ask(f"{url}?token={token}")[0] in (200, 501)
    finally:
        sink.abort()


def test_scrapes_under_load_disturb_neither_viewer_nor_counts(clock):
    telemetry = Telemetry(clock=clock)
    sink = WebSink(tiny.selective_info(), telemetry=telemetry)
    try:
        sink.write(result(0))
        viewer = Viewer(sink.url)
        with flowing(telemetry, pause_s=0.001), flowing(sink, pause_s=0.005):
            seen = [scraped(sink.url)["tosa_edge_frames_total"] for _ in range(20)]
            shown = [viewer.numbers()["frame"] for _ in range(5)]
        viewer.close()
    finally:
        sink.abort()
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]
    assert shown[-1] > shown[0]
