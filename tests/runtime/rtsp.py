"""A real RTSP server in a process of its own, that tests kill, freeze and start again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path

import pytest

PYTHON = "/usr/bin/python3"  # Debian's, which has GStreamer's bindings
PACKAGES = (
    "gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad "
    "gir1.2-gst-rtsp-server-1.0 python3-gi"
)
_IMPORTS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@cache
def _has_gstreamer() -> bool:
    return shutil.which("gst-launch-1.0") is not None


@cache
def _has_server() -> bool:
    return (
        Path(PYTHON).exists() and not subprocess.run([PYTHON, "-c", _IMPORTS], capture_output=True).returncode
    )


needs_gstreamer = pytest.mark.skipif(not _has_gstreamer(), reason=f"needs GStreamer: apt install {PACKAGES}")
needs_server = pytest.mark.skipif(
    not (_has_gstreamer() and _has_server()), reason=f"needs GStreamer's RTSP server: apt install {PACKAGES}"
)


class RtspServer:
    """Keeps its port over a restart."""

    def __init__(self) -> None:
        self._port = "0"
        self.start()
        assert self._process.stdout
        self._port = self._process.stdout.readline().strip()

    def url(self, path: str = "live") -> str:
        return f"rtsp://127.0.0.1:{self._port}/{path}"

    def start(self) -> None:
        """Without waiting for it."""
        script = Path(__file__).with_name("rtsp_server.py")
        self._process = subprocess.Popen(
            [PYTHON, str(script), self._port], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()

    def freeze(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)
