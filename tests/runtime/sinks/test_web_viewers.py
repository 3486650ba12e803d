"""Many viewers, slow ones, and ones that go: neither the run nor another viewer notices."""

from __future__ import annotations

import json
import threading
import time

import pytest

from tests import tiny
from tests.runtime.sinks import client
from tests.runtime.sinks.client import Viewer, ask
from tests.runtime.sinks.results import result
from tosa_edge.runtime.sinks.web import WebSink, http, site, view


def settled(condition) -> None:
    deadline = time.monotonic() + client.PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_each_frame_is_encoded_once_for_all_and_never_for_nobody(sink, monkeypatch):
    encoded = []
    real = view.jpeg
    monkeypatch.setattr(view, "jpeg", lambda picture: encoded.append(1) or real(picture))
    for index in range(50):
        sink.write(result(index))
    assert encoded == []
    viewers = [Viewer(sink.url) for _ in range(4)]
    assert len({viewer.next("kept") for viewer in viewers}) == 1
    assert len(encoded) == 3
    for viewer in viewers:
        viewer.close()


def test_a_viewer_that_does_not_read_holds_up_neither_the_run_nor_another(sink, monkeypatch):
    monkeypatch.setattr(http, "SEND_S", 0.5)
    size = (480, 640)  # enough bytes to fill what the sockets hold
    stuck, good = Viewer(sink.url), Viewer(sink.url)
    frames = [result(index, size=size) for index in range(4)]
    written, seen = 0, set()
    deadline = time.monotonic() + client.PATIENCE_S
    while len(client.web_threads()) > 2 or not written:  # the server's own and the good viewer's remain
        sink.write(frames[written % 4])
        written += 1
        seen.add(good.next("picture"))
        assert time.monotonic() < deadline, "the stuck viewer was never cut off"
    assert len(seen) == 4
    stuck.close()
    good.close()


def test_viewers_that_go_leave_nothing_behind(sink):
    sink.write(result(0))
    descriptors = client.open_descriptors()
    for index in range(20):
        viewer = Viewer(sink.url)
        viewer.next("numbers")
        if index % 2 == 0:  # with a reset, in the middle of what was sent to it
            sink.write(result(index))
            viewer.socket.setsockopt(client.socket.SOL_SOCKET, client.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        viewer.close()
    settled(lambda: len(client.web_threads()) == 1)  # although no frame came that could have failed to go out
    assert client.open_descriptors() == descriptors


def test_there_are_places_for_so_many_and_then_a_clear_no(sink):
    viewers = [Viewer(sink.url) for _ in range(site.MOST_VIEWERS)]
    status, _, body = ask(sink.url, "GET", "/live")
    assert (status, body) == (503, b"16 viewers are watching already.")
    assert ask(sink.url, "GET", "/stats")[0] == 200
    viewers.pop().close()
    settled(lambda: len(client.web_threads()) == site.MOST_VIEWERS)
    assert "200 OK" in Viewer(sink.url).head
    for viewer in viewers:
        viewer.close()


def test_the_end_of_the_run_is_told_and_everything_closed():
    sink = WebSink(tiny.selective_info())
    sink.write(result(0))
    viewer = Viewer(sink.url)
    viewer.next("numbers")
    sink.seal()
    while not viewer.numbers()["ended"]:
        pass
    with pytest.raises(EOFError):
        viewer.numbers()
    assert sink.commit() is None
    assert client.web_threads() == []
    with pytest.raises(ConnectionRefusedError):
        client.connect(sink.url)


def test_a_fast_run_is_shown_at_a_pace_and_its_newest_frame_in_the_end(sink):
    viewer = Viewer(sink.url)
    count = 400
    for index in range(count):
        sink.write(result(0) if index + 1 < count else result(count))
    shown = []
    for name, body in viewer.parts():
        if name == "numbers":
            shown.append(json.loads(body)["shown"])
            if shown[-1] == count:
                break
    assert len(shown) < count / 2
    viewer.close()


def test_many_threads_asking_at_once_get_the_same(sink):
    sink.write(result(0))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(Viewer(sink.url, "/stream/depth").next("depth")))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(client.PATIENCE_S)
    assert len(found) == 10
    assert len(set(found)) == 1
