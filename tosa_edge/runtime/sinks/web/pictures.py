"""One result as the page shows it: three tiles, each painted and encoded when the first viewer asks."""

from __future__ import annotations

import threading

import numpy as np

from tosa_edge.info import GraphInfo
from tosa_edge.pictures.colour import ColourScale, colour
from tosa_edge.runtime.sinks import Result
from tosa_edge.runtime.sinks.small import jpeg, small_depth, small_overlay, small_picture
from tosa_edge.runtime.sinks.web.controls import Controls

TILES = ("picture", "depth", "kept")


class Pictures:
    """Shared by all viewers: whoever comes first paints, the others wait for it and send the same bytes.

    scale: the stream's; the result moves it once, in however many colours it is painted.
    """

    def __init__(self, result: Result, info: GraphInfo, scale: ColourScale) -> None:
        self.result = result
        self._info, self._scale = info, scale
        self._lock = threading.Lock()
        self._encoded: dict[str, tuple[Controls, bytes]] = {}
        self._noticed = False

    def encoded(self, tile: str, controls: Controls) -> bytes:
        with self._lock:
            if tile not in self._encoded or (tile == "depth" and self._encoded[tile][0] != controls):
                self._encoded[tile] = controls, jpeg(self._painted(tile, controls.colour_map))
            return self._encoded[tile][1]

    @property
    def tiles(self) -> tuple[str, ...]:
        return TILES if self.result.prediction.kept is not None else TILES[:2]

    def _painted(self, tile: str, colour_map: str) -> np.ndarray:
        if tile == "picture":
            return small_picture(self.result)
        if tile == "kept":
            return small_overlay(self.result, self._info)
        depth = small_depth(self.result)
        if not self._noticed:
            self._scale.update(depth)
            self._noticed = True
        return colour(self._scale.levels(depth), colour_map)
