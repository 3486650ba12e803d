"""A stage that hangs, for a test of what becomes of it: `child` is a process that it has started."""

import os
import subprocess
import sys
import time

from tests.gpu.results import Results


def run(results: Results, walk: bool) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    results.add("before", True, child=child.pid, pid=os.getpid())
    time.sleep(600)
    results.add("after", True)


def begins_not(results: Results, walk: bool) -> None:
    """As an import that fails before anything was found."""
    raise SystemExit(1)


def raises(results: Results, walk: bool) -> None:
    raise ValueError("no more")


def dies(results: Results, walk: bool) -> None:
    results.add("before", True)
    raise SystemExit(77)
