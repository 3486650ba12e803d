"""Peak activation memory: what running needs on top of a loaded model.

Measured from outside the runtime, as the operating system counts it, in a fresh process for each variant:
load, note the resident memory, reset the kernel's high-water mark, run, read the mark. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import subprocess
import sys
from pathlib import Path

_SELF = Path("/proc/self")


def peak_mb(spec: str, threads: int = 0, timeout: float = 120) -> float | None:
    """Megabytes (2**20 bytes) that running MODEL adds; None where the system does not offer to tell."""
    command = [sys.executable, "-m", __name__, spec, str(threads)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    found = json.loads(done.stdout)
    return None if found is None else float(found)


def measure(spec: str, threads: int) -> float | None:
    """In this process, which must be fresh: memory that was freed earlier would be used again, uncounted."""
    from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
    from tosa_edge.bench.variant_graph import feeds_for, graph_of

    graph = graph_of(spec)
    feeds = feeds_for(graph.info)
    backend = OnnxRuntimeBackend(graph, threads)
    backend.activate()
    backend.release_bytes()
    del graph
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc keeps freed memory; another libc may not
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = _status_kb("VmRSS")
    try:
        (_SELF / "clear_refs").write_text("5")
    except OSError:
        return None
    for _ in range(3):  # a runtime may plan its memory in the first run, and take more in the second
        backend.infer(feeds)
    after = _status_kb("VmHWM")
    return None if before is None or after is None else round((after - before) / 1024, 1)


def _status_kb(name: str) -> int | None:
    try:
        lines = (_SELF / "status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(found[0]) if found else None


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
