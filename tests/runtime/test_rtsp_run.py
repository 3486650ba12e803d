"""Depth of a stream whose server is killed and started again: through the pipeline, and through `run`."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tests import tiny
from tests.runtime.rtsp import needs_server
from tosa_edge import DepthModel
from tosa_edge.runtime import pipeline
from tosa_edge.runtime.sinks.callback import CallbackSink
from tosa_edge.runtime.sources import open_source
from tosa_edge.runtime.sources.pattern import read_index

pytestmark = needs_server


@pytest.fixture
def model(tmp_path):
    return str(tiny.save(tmp_path / "tiny.onnx"))


def test_the_pipeline_goes_on_and_accounts_for_every_frame(server, model):
    """What is missing between two kills was dropped and counted; the rest is the gaps."""
    results, stop, since = [], threading.Event(), [0, 0]

    def take(result):
        results.append(result)
        since[:] = (since[0] + 1, since[1]) if result.reconnects == since[1] else (1, result.reconnects)
        if since[0] == 15:
            if result.reconnects == 3:
                stop.set()
            else:
                server.kill()
                server.start()

    source = open_source(server.url())
    source.events = lambda line: None
    with DepthModel.load(model, threads=1) as depth:
        summary = pipeline.run(source, depth, [CallbackSink(take)], stop=stop)
    assert (summary.reconnects, summary.stopped, summary.unwritten) == (3, True, 0)
    assert summary.frames == len(results)
    step = np.diff([read_index(result.frame.picture) for result in results])
    gap = np.diff([result.reconnects for result in results]) > 0
    assert gap.sum() == 3
    assert (step[gap] > 1).all()
    assert (step[~gap] - 1).sum() <= summary.dropped
    assert (np.diff([result.frame.timestamp for result in results]) > 0).all()


@pytest.mark.slow
def test_run_recovers_from_ten_kills_and_says_so(server, model, tmp_path):
    command = [sys.executable, "-m", "tosa_edge", "run", "--source", server.url(), "--engine", model]
    command += ["--out", str(tmp_path / "out"), "--json"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    heard: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: [heard.put(line) for line in run.stderr], daemon=True).start()

    def hear(words: str) -> str:
        while words not in (line := heard.get(timeout=60)):
            pass
        return line

    while not (tmp_path / "out").exists():  # made when the source is open
        assert run.poll() is None, list(heard.queue)
        time.sleep(0.1)
    for _ in range(10):
        server.kill()
        hear("lost after")
        server.start()
        hear("back after")
        time.sleep(0.7)  # frames enough for the next loss not to be waited out longer
    run.send_signal(signal.SIGINT)
    said, _ = run.stdout.read(), run.wait(60)
    assert run.returncode == 0
    result = json.loads(said)
    assert (result["reconnects"], result["stopped"]) == (10, True)
    assert result["frames"] > 10 * 10
    assert (tmp_path / "out" / "summary.json").exists()
