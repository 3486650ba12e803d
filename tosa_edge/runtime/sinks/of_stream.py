"""One source's share of a run of several."""

from __future__ import annotations

from pathlib import Path

from tosa_edge.runtime.sinks import Result, Sink


class OfStream:
    """A sink that sees one stream only."""

    def __init__(self, stream: int, sink: Sink) -> None:
        self._stream, self._sink = stream, sink

    def write(self, result: Result) -> None:
        if result.stream == self._stream:
            self._sink.write(result)

    def seal(self) -> None:
        self._sink.seal()

    def commit(self) -> Path | None:
        return self._sink.commit()

    def abort(self) -> None:
        self._sink.abort()
