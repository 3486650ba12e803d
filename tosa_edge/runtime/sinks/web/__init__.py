"""The page behind `--serve`: live picture, depth and kept tokens, and how the run is doing."""

from __future__ import annotations

from tosa_edge.graph_info import GraphInfo
from tosa_edge.runtime.sinks import Result, Sink
from tosa_edge.runtime.sinks.web.guard import Guard, is_loopback, listen, name_for_people, token_for
from tosa_edge.runtime.sinks.web.server import Server
from tosa_edge.runtime.sinks.web.site import Site
from tosa_edge.runtime.sinks.web.telemetry import Telemetry
from tosa_edge.runtime.sinks.web.view import View


class WebSink(Sink):
    """Serves at `url` from construction until `seal`. `write` waits for no viewer.

    Args:
        host: beyond loopback a token is needed, and made where none is given.
        port: 0 takes a free one.
        label: what the page calls the source.
        telemetry: what `/healthz` and `/metrics` tell, where somebody else writes every result into it; else
            they count the results that this sink gets.
    """

    def __init__(
        self,
        info: GraphInfo,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        label: str = "",
        telemetry: Telemetry | None = None,
    ) -> None:
        listener = listen(host, port)
        address, port = listener.getsockname()[:2]
        try:
            token = token_for(is_loopback(address), token)
        except BaseException:
            listener.close()
            raise
        key = f"?token={token}" if token else ""
        self.url = f"http://{name_for_people(address, listener.family)}:{port}/{key}"
        self._view = View(info, label)
        told = telemetry or Telemetry()
        self._own = None if telemetry else told
        self._server = Server(listener, Site(self._view, Guard(token, port), told).answer)

    def write(self, result: Result) -> None:
        if self._own:
            self._own.write(result)
        self._view.show(result)

    def seal(self) -> None:
        if self._own:
            self._own.seal()
        self._view.end()
        self._server.close()

    def commit(self) -> None:
        return None

    def abort(self) -> None:
        self.seal()
