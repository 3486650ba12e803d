"""Depth of several pictures in one call, whatever their sizes: what an engine with a batch is for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tosa_edge.backends.opening import open_model
from tosa_edge.depth_model import check_answer, check_ports, require_depth
from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.fit import check_mode, fit_for


class BatchModel:
    """A MODEL or an engine of any batch; `size` is how many pictures a call takes."""

    def __init__(self, spec: str, fit: str = "letterbox", threads: int = 0, provider: str = "auto") -> None:
        check_mode(fit)
        opened = open_model(spec, threads, provider)
        require_depth(opened.info, opened.label)
        self.info, self.label, self.backend_name = opened.info, opened.label, opened.backend_name
        self.provider, self.size = opened.provider, opened.info.batch
        self._fit, self._backend = fit, opened.backend
        self._backend.activate()
        check_ports(self._backend, self.info, self.label)
        if self.info.form == "reuse":
            self.close()
            raise TosaEdgeError(
                f"{self.label} is a reuse graph, which needs the patches of another frame",
                "Give batch the graph without `.reuse`.",
            )

    def __call__(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """RGB uint8 [H, W, 3], at most `size` of them -> float32 [H, W] each.

        Places that are left are filled with the last picture: what a graph gives for one does not depend on
        the others.
        """
        size = self.info.height, self.info.width
        fits = [fit_for((p.shape[0], p.shape[1]), size, self._fit) for p in pictures]
        image = np.empty((self.size, *size, 3), np.uint8)
        for place, (fit, picture) in enumerate(zip(fits, pictures, strict=True)):
            image[place] = fit.forward(picture)
        image[len(fits) :] = image[len(fits) - 1]
        outputs = self._backend.infer({"image": image})
        check_answer(outputs, self.info, self.label)
        found = zip(fits, outputs["depth"], strict=False)
        return [fit.backward(depth.astype(np.float32, copy=False)) for fit, depth in found]

    def close(self) -> None:
        self._backend.deactivate()
