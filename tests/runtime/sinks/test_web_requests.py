"""Requests that are wrong, and clients that take their time: raw sockets against a real server."""

from __future__ import annotations

import json
import re
import socket
import time

import pytest

from tests import tiny
from tests.runtime.sinks import client
from tests.runtime.sinks.client import Viewer, ask, connect, control, everything, raw, request
from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.sinks.web import WebSink, http, server

# A request must not be able to make a thread of the server fail in a way that nobody thought of.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


@pytest.mark.parametrize(
    "path",
    [
        "/../page.html",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/....//....//etc/passwd",
        "/..\\..\\windows\\win.ini",
        "//etc/passwd",
        "/./page.js",
        "/page.js/",
        "/page.js%00.png",
        "/PAGE.JS",
        "/stream/../stats",
        "/stream/",
        "/page.html",
        *(f"/{name}" for name in client.page_files() if name.endswith((".py", "__pycache__"))),
    ],
)
def test_only_what_is_on_the_list_is_there(here, path):
    assert ask(here, "GET", path)[::2] == (404, b"")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 20_000 + b"\r\n", b"431"),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"431"),
        (b"a" * 100_000, b"431"),
        (b"\r\n\r\n", b"400"),
        (b"GET /\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: yes\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \x00\r\n\r\n", b"400"),
        ("GET /ü HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), b"400"),
        (b"GET /?" + b"a=1&" * 50 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", b"403"),
        (request("POST", "/"), b"405"),
        (request("HEAD", "/"), b"405"),
        (request("DELETE", "/control"), b"405"),
        (request("GET", "/control"), b"405"),
        (request("BREW", "/stats"), b"405"),
    ],
    ids=range(21),
)
def test_a_wrong_request_gets_a_short_answer(here, sent, status):
    answer = raw(here, sent)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert len(answer) < 1000


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", b""),
        (b"{", b"not JSON"),
        (b"[]", b"object"),
        (b"\xff", b"not text"),
        (b'{"paused": 1}', b"paused"),
        (b'{"paused": "yes"}', b"paused"),
        (b'{"paused": true, "paused": false}', b"twice"),
        (b'{"colour_map": "../../inferno"}', b"colour_map"),
        (b'{"colour_map": ["inferno"]}', b"colour_map"),
        (b'{"near": 1}', b"two numbers"),
        (b'{"near": 1, "far": null}', b"two numbers"),
        (b'{"near": true, "far": 0}', b"two numbers"),
        (b'{"near": NaN, "far": 0}', b"finite"),
        (b'{"near": 1e999, "far": 0}', b"finite"),
        (b'{"near": 1e30, "far": 0}', b"two numbers"),
        (b'{"near": 1, "far": 2}', b"nearer"),
        (b'{"near": 1, "far": 1}', b"nearer"),
        (b'{"__class__": "x"}', b"no control"),
        (b"[" * 900, b"JSON"),
    ],
)
def test_a_wrong_control_is_refused_and_changes_nothing(here, body, word):
    before = json.loads(ask(here, "GET", "/stats")[2])["controls"]
    status, _, said = ask(
        here, "POST", "/control", body=body, Content_Type="application/json", X_Tosa_Edge="1"
    )
    assert status == (400 if body else 411)
    assert word in said
    assert json.loads(ask(here, "GET", "/stats")[2])["controls"] == before


@pytest.mark.parametrize(
    ("length", "status"), [("5000", 413), ("-1", 411), ("1e3", 411), ("99999999999", 411), ("+5", 411)]
)
def test_a_body_of_a_wrong_length_is_not_read(here, length, status):
    head = request(
        "POST", "/control", Content_Length=length, Content_Type="application/json", X_Tosa_Edge="1"
    )
    assert raw(here, head).startswith(f"HTTP/1.1 {status}".encode())


def test_slow_clients_are_cut_off_and_hold_up_nobody(here, monkeypatch):
    monkeypatch.setattr(http, "REQUEST_S", 0.6)
    began = time.monotonic()
    slow = [connect(here) for _ in range(30)]
    dripping = slow[:3]
    while time.monotonic() < began + 0.4:
        for sock in dripping:  # each byte comes well within any time limit for one read
            sock.sendall(b"G")
        assert ask(here, "GET", "/stats")[0] == 200
        time.sleep(0.05)
    answers = [everything(sock) for sock in slow]
    assert all(answer.startswith(b"HTTP/1.1 408") for answer in answers)


def test_those_who_say_nothing_cannot_lock_out_those_who_do(here):
    watching = Viewer(here)
    watching.numbers()
    silent = [connect(here) for _ in range(3 * server.MOST)]
    assert ask(here, "GET", "/stats")[0] == 200
    settled = time.monotonic() + 20
    while len(client.web_threads()) > server.MOST + 2:  # who was turned away is on the way out
        assert time.monotonic() < settled
        time.sleep(0.05)
    assert control(here, paused=True) == (204, b"")
    assert watching.numbers()["controls"]["paused"], "who was let in stays"
    for sock in (*silent, watching):
        sock.close()


def test_a_body_that_never_comes_is_not_waited_for(here, monkeypatch):
    monkeypatch.setattr(http, "REQUEST_S", 0.3)
    head = request("POST", "/control", Content_Length="10", Content_Type="application/json", X_Tosa_Edge="1")
    assert raw(here, head + b"{").startswith(b"HTTP/1.1 408")


def test_a_taken_port_and_an_address_of_others_are_said_in_two_lines(here):
    port = int(re.search(r":(\d+)/", here)[1])
    for host, at in (("127.0.0.1", port), ("192.0.2.1", 0), ("no such host", 0), ("127.0.0.1", 70_000)):
        with pytest.raises(TosaEdgeError) as error:
            WebSink(tiny.info(), host=host, port=at)
        assert "--" in error.value.remedy


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6_loopback():
    try:
        sink = WebSink(tiny.info(), host="::1")
    except TosaEdgeError as error:
        pytest.skip(f"this machine has no IPv6: {error.what}")
    assert re.fullmatch(r"http://\[::1\]:\d+/", sink.url)
    assert ask(sink.url, "GET", "/", host="[::1]")[0] == 200
    sink.abort()
