"""Starts Rerun's viewer where only this machine can reach it.

Its Python functions for that (`spawn`, `serve_grpc`) listen on every address of the machine and take no
other, so its command line is used, which does.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import quote

from tosa_edge.errors import MachineLacks

_LOOPBACK = "127.0.0.1"
_PATIENCE_S = 20.0
_GOODBYE_S = 3.0
# Beyond this the viewer forgets the oldest frames: a robot runs for days.
_MEMORY = "512MiB"


class RerunViewer:
    """A window where there is a screen, else a page at `url`. The window outlives the run, the page does not.

    data_url: where recordings go.
    """

    def __init__(self) -> None:
        screen = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        data_port, page_port = _free_ports(2)
        self.data_url = f"rerun+http://{_LOOPBACK}:{data_port}/proxy"
        self.url = None if screen else f"http://{_LOOPBACK}:{page_port}/?url={quote(self.data_url, safe='')}"
        command = [sys.executable, "-m", "rerun_cli", "--bind", _LOOPBACK, "--port", str(data_port)]
        command += ["--memory-limit", _MEMORY, "--server-memory-limit", _MEMORY]
        command += ["--expect-data-soon"] if screen else ["--serve-web", "--web-viewer-port", str(page_port)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the run
        )
        if self.url is not None:
            atexit.register(self.end)
        try:
            self._wait(data_port)
        except BaseException:
            self.end()
            raise

    def leave(self) -> None:
        """The run is over: a window stays for who looks at it."""
        if self.url is not None:
            self.end()

    def end(self) -> None:
        atexit.unregister(self.end)
        deadline = time.monotonic() + _GOODBYE_S
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
            while time.monotonic() < deadline:  # Python's part of it ends before the viewer proper
                self._process.poll()
                os.killpg(self._process.pid, 0)
                time.sleep(0.02)
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((_LOOPBACK, port), 1):
                return
            time.sleep(0.05)
        raise MachineLacks(
            "Rerun's viewer does not start here",
            "Run `rerun` by itself to see why, or use --serve and a browser.",
        )


def _free_ports(count: int) -> list[int]:
    """Distinct free ports. If another process takes one first, the viewer fails with an error."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind((_LOOPBACK, 0))
        return [sock.getsockname()[1] for sock in sockets]
