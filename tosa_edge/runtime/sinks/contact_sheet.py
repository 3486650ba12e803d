"""A contact sheet: a dozen panels, evenly spread over a stream whose length nobody knows beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tosa_edge.atomic_files import AtomicFile, write_error
from tosa_edge.pictures.opencv import opencv
from tosa_edge.runtime.sinks import Result, Sink

GAP = 6
_WIDTH = 960


class ContactSheetSink(Sink):
    """Keeps every n-th panel and doubles n when there are too many, so memory stays small.

    Those that are chosen are shrunk at the end: to shrink each would take as long as to paint it.
    """

    def __init__(self, path: Path, count: int = 8, columns: int = 2) -> None:
        self._count, self._columns = count, columns
        self._stride, self._seen = 1, 0
        self._panels: list[np.ndarray] = []
        self._pending = AtomicFile(path)

    def write(self, result: Result) -> None:
        if self._seen % self._stride == 0:
            self._panels.append(result.panel)
        self._seen += 1
        if len(self._panels) >= 2 * self._count:
            self._panels, self._stride = self._panels[::2], self._stride * 2

    def seal(self) -> None:
        if not self._panels:
            return self.abort()
        cv2 = opencv()
        sheet = cv2.cvtColor(self.picture(), cv2.COLOR_RGB2BGR)
        data = cv2.imencode(".png", sheet)[1].tobytes()
        try:
            self._pending.path.write_bytes(data)
        except OSError as error:
            raise write_error(self._pending.final, error) from error

    def commit(self) -> Path | None:
        return self._pending.commit() if self._panels else None

    def abort(self) -> None:
        self._pending.abort()

    def picture(self) -> np.ndarray:
        """RGB uint8: the chosen panels in rows, on white."""
        wanted = min(self._count, len(self._panels))
        places = np.linspace(0, len(self._panels) - 1, wanted).round().astype(int)
        chosen = [_shrunk(self._panels[place]) for place in places]
        columns = min(self._columns, wanted)
        height, width = chosen[0].shape[:2]
        rows = -(-wanted // columns)
        sheet = np.full((GAP + rows * (height + GAP), GAP + columns * (width + GAP), 3), 255, np.uint8)
        for i, panel in enumerate(chosen):
            top, left = GAP + i // columns * (height + GAP), GAP + i % columns * (width + GAP)
            sheet[top : top + height, left : left + width] = panel
        return sheet


def _shrunk(panel: np.ndarray) -> np.ndarray:
    cv2 = opencv()
    height, width = panel.shape[:2]
    if width <= _WIDTH:
        return panel
    return cv2.resize(panel, (_WIDTH, max(1, round(height * _WIDTH / width))), interpolation=cv2.INTER_AREA)
