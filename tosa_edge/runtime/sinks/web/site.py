"""What is answered to which request: a fixed table, so there is nothing to traverse."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from importlib import resources
from typing import Any

from tosa_edge.errors import MachineLacks
from tosa_edge.runtime.sinks.web.guard import Guard
from tosa_edge.runtime.sinks.web.http import Connection, HttpError, Request, Response
from tosa_edge.runtime.sinks.web.telemetry import Telemetry
from tosa_edge.runtime.sinks.web.view import Snapshot, View

Handler = Callable[[Connection, Request], None]

MOST_VIEWERS = 16
# How often a viewer for whom there is nothing new is asked whether it is still there.
_LOOK_S = 0.5
_SCRIPTS = ("page.js", "stream.js", "controls.js", "plot.js")
_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    **{f"/{name}": (name, "text/javascript; charset=utf-8") for name in _SCRIPTS},
}


class Site:
    """Answers one connection after the other, or many at once."""

    def __init__(self, view: View, guard: Guard, telemetry: Telemetry) -> None:
        self._view, self._guard, self._telemetry = view, guard, telemetry
        self._places = threading.Semaphore(MOST_VIEWERS)
        self._routes: dict[str, tuple[str, Handler]] = {
            "/live": ("GET", self._live),
            "/stats": ("GET", self._stats),
            "/control": ("POST", self._control),
            "/healthz": ("GET", self._health),
            "/metrics": ("GET", self._metrics),
            **dict.fromkeys(_FILES, ("GET", self._file)),
            **{f"/stream/{tile}": ("GET", self._stream) for tile in view.tiles},
        }
        self._files = {
            path: Response(resources.files(__package__).joinpath(name).read_bytes(), kind)
            for path, (name, kind) in _FILES.items()
        }

    def answer(self, connection: Connection) -> None:
        try:
            request = connection.read_head()
            self._guard.admit(request)
            connection.admitted = True
            self._route(request)(connection, request)
        except HttpError as refused:
            # With a token set, a request without it gets no response at all, not even an error.
            if connection.admitted or self._guard.token is None:
                connection.send(Response(refused.text.encode(), status=refused.status))

    def _route(self, request: Request) -> Handler:
        method, found = self._routes.get(request.path, ("", None))
        if found is None:
            raise HttpError(HTTPStatus.NOT_FOUND)
        if request.method != method:
            raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED)
        return found

    def _file(self, connection: Connection, request: Request) -> None:
        file = self._files[request.path]
        connection.send(Response(file.body, file.kind, headers=self._guard.cookie(request)))

    def _stats(self, connection: Connection, request: Request) -> None:
        connection.send(Response(_json(self._view.numbers()), "application/json"))

    def _health(self, connection: Connection, request: Request) -> None:
        reason = self._telemetry.unhealthy()
        status = HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK
        connection.send(Response(f"{reason or 'ok'}\n".encode(), status=status))

    def _metrics(self, connection: Connection, request: Request) -> None:
        try:
            kind, text = self._telemetry.metrics()
        except MachineLacks as error:
            raise HttpError(HTTPStatus.NOT_IMPLEMENTED, f"{error}\n") from None
        connection.send(Response(text, kind))

    def _control(self, connection: Connection, request: Request) -> None:
        self._guard.admit_control(request)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise HttpError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Controls are application/json.")
        try:
            self._view.control(connection.read_body(request))
        except ValueError as error:
            raise HttpError(HTTPStatus.BAD_REQUEST, str(error)) from None
        connection.send(Response(status=HTTPStatus.NO_CONTENT))

    def _live(self, connection: Connection, request: Request) -> None:
        """Everything the page shows, in one connection: browsers allow six, and shared by all their tabs."""
        sent = None
        with self._place(connection, request):
            connection.send_part("history", "application/json", _json(self._view.history()))
            for moment in self._moments(connection):
                shown = moment.pictures, moment.controls
                if moment.pictures is not None and shown != sent:
                    for tile in moment.pictures.tiles:
                        connection.send_part(
                            tile, "image/jpeg", moment.pictures.encoded(tile, moment.controls)
                        )
                sent = shown
                connection.send_part("numbers", "application/json", _json(moment.numbers))

    def _stream(self, connection: Connection, request: Request) -> None:
        """One tile as Motion JPEG, for other programs."""
        tile = request.path.rpartition("/")[2]
        sent = None
        with self._place(connection, request):
            for moment in self._moments(connection):
                shown = moment.pictures, moment.controls
                if moment.pictures is not None and shown != sent:
                    connection.send_part(tile, "image/jpeg", moment.pictures.encoded(tile, moment.controls))
                sent = shown

    @contextmanager
    def _place(self, connection: Connection, request: Request) -> Iterator[None]:
        """One of the places for viewers, for as long as it is watched from."""
        if not self._places.acquire(timeout=2 * _LOOK_S):  # who has just left is noticed by then
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_VIEWERS} viewers are watching already.")
        try:
            connection.begin_multipart(self._guard.cookie(request))
            yield
        finally:
            self._places.release()

    def _moments(self, connection: Connection) -> Iterator[Snapshot]:
        """What there is to see from now on, until the viewer goes or the run ends."""
        seen = 0
        while not connection.gone():
            moment = self._view.next(seen, _LOOK_S)
            if moment is not None:
                seen = moment.version
                yield moment
            elif self._view.ended:
                return


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
