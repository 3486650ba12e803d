"""Following a TensorRT build: its log, its progress, and Ctrl-C.

The classes are made when the module is there, because they inherit from the module's own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")


def logger(trt: ModuleType) -> Any:
    """Silent; remembers the first error in `worst`."""

    class Logger(trt.ILogger):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.worst = ""

        def log(self, severity: Any, message: str) -> None:
            grave = (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR)
            # 35: no driver for a GPU. TensorRT-RTX builds without one, and mentions it all the same.
            if severity in grave and not self.worst and "cudaError 35" not in message:
                self.worst = " ".join(message.split())[:400]

    return Logger()


class Phases:
    """Nested phases of known lengths, as one share from 0 to 1 that never falls."""

    def __init__(self) -> None:
        self._stack: list[tuple[str, int, int]] = []  # name, steps, steps done
        self.share = 0.0

    def start(self, name: str, steps: int) -> None:
        self._stack.append((name, max(steps, 1), 0))

    def step(self, name: str, index: int) -> None:
        for depth, (phase, steps, _) in enumerate(self._stack):
            if phase == name:
                self._stack[depth] = (phase, steps, min(index + 1, steps))
        self.share = max(self.share, self._now())

    def finish(self, name: str) -> None:
        self._stack = [entry for entry in self._stack if entry[0] != name]

    def _now(self) -> float:
        share, width = 0.0, 1.0
        for _, steps, done in self._stack:
            share += width * done / steps
            width /= steps
        return min(share, 1.0)


def monitor(trt: ModuleType, on_progress: Callable[[float], None]) -> Any:
    """TensorRT's progress monitor; once `stop` is set, the next step ends the build."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.stop = threading.Event()
            self.phases = Phases()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.phases.start(phase_name, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            self.phases.finish(phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            self.phases.step(phase_name, step)
            on_progress(self.phases.share)
            return not self.stop.is_set()

    return Monitor()


def interruptible(work: Callable[[], T], stop: threading.Event) -> T:
    """Runs `work` in a thread, so that Ctrl-C is heard while native code runs; asks it to stop, and waits.

    A second Ctrl-C does not wait: nothing has been written yet, and the thread ends with the process.
    """
    done: list[T] = []
    failed: list[BaseException] = []
    # Not Thread.join: Python 3.10 to 3.12 take a thread for finished when Ctrl-C interrupts the wait for it.
    ended = threading.Event()

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)
        finally:
            ended.set()

    try:
        threading.Thread(target=run, daemon=True).start()
        while not ended.wait(0.1):
            pass
    except KeyboardInterrupt:
        stop.set()
        ended.wait()
        raise
    if failed:
        raise failed[0]
    return done[0]
