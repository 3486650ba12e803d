from __future__ import annotations

import pytest

from tests.runtime.rtsp import RtspServer


@pytest.fixture
def server():
    """A real RTSP server; whoever kills it may start it again."""
    server = RtspServer()
    yield server
    server.kill()
