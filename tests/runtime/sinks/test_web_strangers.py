"""Those who should not be there, or do not behave: raw sockets against a real server."""

from __future__ import annotations

import json
import re

import pytest

from tests import tiny
from tests.runtime.sinks import client
from tests.runtime.sinks.client import Viewer, ask, connect, everything, raw, request
from tests.runtime.sinks.results import result
from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.sinks.web import WebSink, http
from tosa_edge.runtime.sinks.web.guard import is_loopback
from tosa_edge.runtime.sinks.web.site import _FILES

# A request must not be able to make a thread of the server fail in a way that nobody thought of.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")

EVERY_PATH = [
    *_FILES,
    "/live",
    "/stats",
    "/stream/picture",
    "/stream/depth",
    "/stream/kept",
    "/control",
    "/healthz",
    "/metrics",
    "/x",
]


@pytest.fixture
def abroad():
    """Listens on all addresses, as `--host 0.0.0.0` does; asked through loopback, which earns no trust."""
    sink = WebSink(tiny.selective_info(), host="0.0.0.0")
    sink.write(result(0))
    token = re.fullmatch(r"http://[^/]+:\d+/\?token=([A-Za-z0-9_-]{32,})", sink.url)[1]
    port = int(re.search(r":(\d+)/", sink.url)[1])
    yield f"http://127.0.0.1:{port}/", token
    sink.abort()


@pytest.mark.parametrize("path", EVERY_PATH)
def test_without_the_token_nobody_gets_a_byte(abroad, path):
    url, token = abroad
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    for method in ("GET", "POST", "HEAD", "OPTIONS"):
        assert raw(url, request(method, path)) == b""
        assert raw(url, request(method, f"{path}?token={wrong}")) == b""
        assert raw(url, request(method, f"{path}?token=")) == b""
        assert raw(url, request(method, path, Authorization=f"Bearer {token[:-1]}")) == b""
        assert raw(url, request(method, path, Cookie=f"tosa_edge_{url[17:-1]}={wrong}; token={token}")) == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_nor_does_who_sends_nonsense_without_it(abroad, sent):
    assert raw(abroad[0], sent) == b""


def test_with_the_token_all_ways_in_are_open(abroad):
    url, token = abroad
    status, headers, body = ask(url, "GET", f"/?token={token}")
    assert status == 200
    assert b"<title>tosa-edge</title>" in body
    cookie, *attributes = headers["Set-Cookie"].split("; ")
    assert set(attributes) == {"Path=/", "HttpOnly", "SameSite=Strict"}
    for way in ({"Cookie": f"other=1; {cookie}"}, {"Authorization": f"Bearer {token}"}):
        assert ask(url, "GET", "/stats", **way)[0] == 200
        assert ask(url, "GET", "/stats", host="robot.lan:80", **way)[0] == 200
        Viewer(url, **way).numbers()
        assert ask(url, "GET", "/nowhere", **way)[0] == 404
    assert "Set-Cookie" not in ask(url, "GET", "/", Cookie=cookie)[1]


def test_the_token_may_be_given_also_on_loopback():
    sink = WebSink(tiny.info(), token="a-token-of-some-length")
    assert sink.url.endswith("/?token=a-token-of-some-length")
    at = sink.url.partition("?")[0]
    assert raw(at, request("GET", "/")) == b""
    assert ask(at, "GET", "/?token=a-token-of-some-length")[0] == 200
    sink.abort()
    for bad in ("", "short", "with space in it ...", "x" * 200, "sixteen-and-one\n"):
        with pytest.raises(TosaEdgeError, match="token"):
            WebSink(tiny.info(), token=bad)
    assert client.web_threads() == []


def test_tokens_are_different_each_time():
    sinks = [WebSink(tiny.info(), host="0.0.0.0") for _ in range(3)]
    assert len({sink.url.partition("token=")[2] for sink in sinks}) == 3
    for sink in sinks:
        sink.abort()


def test_what_is_loopback():
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.7", "fe80::1%eth0")))


def test_a_slow_stranger_gets_no_byte_either(abroad, monkeypatch):
    monkeypatch.setattr(http, "REQUEST_S", 0.2)
    sock = connect(abroad[0])
    sock.sendall(b"GET / HT")
    assert everything(sock) == b""


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""])
@pytest.mark.parametrize("path", ["/", "/stats", "/live"])
def test_a_foreign_name_that_points_here_is_refused(here, host, path):
    assert ask(here, "GET", path, host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9999", "127.0.0.1:1", "[::1]:80", "127.1.2.3"])
def test_loopback_by_any_name_and_through_a_tunnel(here, host):
    assert ask(here, "GET", "/stats", host=host)[0] == 200


def test_another_page_can_neither_embed_nor_control(here):
    for site in ("cross-site", "same-site"):
        assert ask(here, "GET", "/stream/depth", Sec_Fetch_Site=site)[0] == 403
        assert ask(here, "GET", "/stats", Sec_Fetch_Site=site)[0] == 403
    assert ask(here, "GET", "/", Sec_Fetch_Site="cross-site")[0] == 200, "a link to the page is no harm"
    good = {"Content_Type": "application/json", "X_Tosa_Edge": "control", "body": b'{"paused": true}'}
    for bad, status in (
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"X_Tosa_Edge": ""}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ):
        assert ask(here, "POST", "/control", **{**good, **bad})[0] == status
    assert not json.loads(ask(here, "GET", "/stats")[2])["controls"]["paused"]
    assert (
        ask(here, "POST", "/control", **good, Origin="http://127.0.0.1", Sec_Fetch_Site="same-origin")[0]
        == 204
    )
    assert json.loads(ask(here, "GET", "/stats")[2])["controls"]["paused"]


def test_every_answer_tells_the_browser_to_be_strict(here):
    for path in ("/", "/page.js", "/stats", "/nowhere"):
        headers = ask(here, "GET", path)[1]
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert not {"Server", "Access-Control-Allow-Origin"} & set(headers)
    assert ask(here, "OPTIONS", "/control", Origin="http://evil.example")[0] == 405
