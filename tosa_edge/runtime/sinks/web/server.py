"""Takes connections, each in a thread of its own, never more than `MOST`."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from tosa_edge.runtime.sinks.web.http import Connection

MOST = 64
_PATIENCE_S = 2.0
_LOOK_S = 0.5


class Server:
    """Answers from construction on, until `close`.

    When it is full, the oldest client that has not shown that it may ask is cut off for the new one: those
    who open connections and say nothing cannot lock out those who do.
    """

    def __init__(self, listener: socket.socket, answer: Callable[[Connection], None]) -> None:
        self._listener = listener
        self._answer = answer
        self._lock = threading.Lock()
        self._open: dict[Connection, threading.Thread] = {}  # oldest first
        self._closing = False
        self._thread = threading.Thread(target=self._accept, name="tosa-edge web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept` on Linux; elsewhere it looks by itself
        self._thread.join(_PATIENCE_S)
        self._listener.close()
        with self._lock:
            left = list(self._open.items())
        deadline = time.monotonic() + _PATIENCE_S
        for _, thread in left:  # connections that are sending their final response complete it
            thread.join(min(0.3, max(0, deadline - time.monotonic())))
        for connection, _ in left:
            connection.cut()
        for _, thread in left:
            thread.join(max(0, deadline - time.monotonic()))

    def _accept(self) -> None:
        self._listener.settimeout(_LOOK_S)
        while not self._closing:
            try:
                sock = self._listener.accept()[0]
            except TimeoutError:
                continue
            except OSError:
                if not self._closing:  # out of descriptors, perhaps: some will come back
                    time.sleep(0.1)
                continue
            connection = Connection(sock)
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="tosa-edge web client", daemon=True
            )
            with self._lock:
                if len(self._open) >= MOST and not self._make_room():
                    connection.cut()
                    sock.close()
                    continue
                self._open[connection] = thread
            thread.start()

    def _make_room(self) -> bool:
        for connection in self._open:
            if not connection.admitted:
                connection.cut()
                del self._open[connection]
                return True
        return False

    def _serve(self, connection: Connection) -> None:
        try:
            with contextlib.suppress(OSError):
                self._answer(connection)
        finally:
            connection.close()
            with self._lock:
                self._open.pop(connection, None)
