"""Hours of a robot's day in minutes: `make soak`. Every sink attached, and nothing may grow.

200,000 frames of `test://` as fast as a tiny model takes them, into a video, a contact sheet, depth maps,
PNGs, point clouds, a page with a viewer that watches and metrics that are scraped, a callback, and Rerun
where it is installed. Memory, open descriptors and threads are sampled: after the first minute none may grow,
nor memory in the second half. Prints the figures.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests import tiny
from tosa_edge import DepthModel
from tosa_edge.errors import MachineLacks
from tosa_edge.runtime import pipeline
from tosa_edge.runtime.outputs import OutputOptions, open_sinks
from tosa_edge.runtime.sinks import Result, Sink
from tosa_edge.runtime.sinks.callback import CallbackSink
from tosa_edge.runtime.sinks.rerun import RerunSink
from tosa_edge.runtime.sinks.wrappers import NewestOnly
from tosa_edge.runtime.sources import open_source

SETTLED_S = 60.0
_SAMPLE_S = 1.0
# Megabytes for each 100,000 frames of the second half. A leak grows evenly; allocators of nine threads go on
# settling for some minutes, which the first half shows.
_GROWN = 1.0


@dataclass
class Watch:
    began: float = field(default_factory=time.monotonic)
    rows: list[tuple[float, int, int, int]] = field(
        default_factory=list
    )  # seconds, bytes, descriptors, threads

    def look(self, result: Result, _summary: object) -> None:
        now = time.monotonic() - self.began
        if self.rows and now - self.rows[-1][0] < _SAMPLE_S:
            return
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.rows.append((now, resident, len(os.listdir("/proc/self/fd")), threading.active_count()))
        if sys.stderr.isatty() or len(self.rows) % 30 == 1:
            print(f"{result.frame.index} frames, {resident >> 20} MB", file=sys.stderr, flush=True)


def watch_page(url: str, seen: list[int], stop: threading.Event) -> None:
    """A viewer who takes everything the page sends."""
    with urllib.request.urlopen(url + "live") as stream:
        while not stop.is_set() and (block := stream.read(65536)):
            seen[0] += len(block)


def scrape(url: str, stop: threading.Event) -> None:
    """Prometheus and a supervisor, who ask every second."""
    while not stop.wait(1):
        for name in ("metrics", "healthz"):
            with contextlib.suppress(OSError), urllib.request.urlopen(url + name) as answer:
                answer.read()


def verdict(rows: list[tuple[float, int, int, int]], frames: int) -> dict[str, object]:
    settled = np.array([row for row in rows if row[0] >= SETTLED_S])
    if len(settled) < 20:
        raise SystemExit("too short: it has to run for at least 80 seconds; ask for more --frames")
    tenth = max(1, len(settled) // 10)
    middle = len(settled) // 2
    parts = (settled[:tenth], settled[middle : middle + tenth], settled[-tenth:])
    before, half, after = (np.median(part, axis=0) for part in parts)
    grown = after - before
    rate = (after[1] - half[1]) / 2**20 / (frames * (after[0] - half[0]) / settled[-1][0]) * 100_000
    return {
        "memory_mb": [round(part[1] / 2**20, 1) for part in (before, half, after)],
        "mb_per_100k_frames": round(float(rate), 2),
        "descriptors": [int(before[2]), int(after[2])],
        "threads": [int(before[3]), int(after[3])],
        "passed": bool(rate <= _GROWN and grown[2] <= 0 and grown[3] <= 0),
    }


def main() -> None:
    given = argparse.ArgumentParser(prog="python -m tests.soak")
    given.add_argument("--frames", type=int, default=200_000)
    given.add_argument("--out", type=Path)
    given.add_argument("--json", action="store_true")
    asked = given.parse_args()
    place = Path(tempfile.mkdtemp(prefix="soak-", dir=asked.out))
    model = DepthModel.load(str(tiny.save(place / "m.onnx", tiny.selective_info())), threads=1)
    source = open_source(f"test://48x32?fps=0&frames={asked.frames}")
    wanted = OutputOptions(
        place / "o", place / "o/v.webm", depth_maps=True, pictures=True, clouds=True, serve=True, port=0
    )
    told: list[str] = []
    sinks: list[Sink] = open_sinks(wanted, [source], model.info, told.append, lambda: None)
    with contextlib.suppress(MachineLacks):
        sinks.append(NewestOnly(RerunSink(model.info), told.append))
    called, page, stop = [0], [0], threading.Event()
    sinks.append(CallbackSink(lambda result: called.__setitem__(0, called[0] + 1)))
    url = next(text for text in told if "http" in text).split()[-1]
    viewer = threading.Thread(target=watch_page, args=(url, page, stop), daemon=True)
    viewer.start()
    threading.Thread(target=scrape, args=(url, stop), daemon=True).start()
    watch = Watch()
    try:
        summary = pipeline.run(source, model, sinks, watch.look)
    finally:
        stop.set()
    result = {
        "frames": summary.frames,
        "fps": round(summary.fps, 1),
        "called": called[0],
        "page_mb": round(page[0] / 2**20, 1),
        "files": sum(len(files) for _, _, files in os.walk(place / "o")),
        **verdict(watch.rows, summary.frames),
    }
    shutil.rmtree(place)
    print(json.dumps(result) if asked.json else "\n".join(f"{k}: {v}" for k, v in result.items()))
    sys.exit(0 if result["passed"] and called[0] == asked.frames and page[0] else 1)


if __name__ == "__main__":
    main()
