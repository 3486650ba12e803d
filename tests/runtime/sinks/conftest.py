from __future__ import annotations

import pytest

from tests import tiny
from tests.runtime.sinks import client
from tests.runtime.sinks.results import result
from tosa_edge.runtime.sinks.web import WebSink


@pytest.fixture
def sink():
    """A page with nothing to show yet."""
    made = WebSink(tiny.selective_info(), label="test")
    yield made
    made.abort()
    assert client.web_threads() == []


@pytest.fixture
def here(sink):
    """The address, on loopback, of a page that shows a frame."""
    sink.write(result(0))
    return sink.url
