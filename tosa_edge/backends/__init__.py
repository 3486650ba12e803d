"""What runs a graph. One protocol, so that every host of a graph can be put in the place of another.

Example:
    >>> with OnnxRuntimeBackend(load_graph("tosa_depth_s:g1")) as backend:
    ...     depth = backend.infer({"image": image})["depth"]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from tosa_edge.interface import Port


class Backend(Protocol):
    """A graph on a host.

    `activate` takes what running needs (a session, an engine, device memory), `deactivate` gives it back;
    both may be called twice. Between them `infer` maps arrays by input name to arrays by output name.
    """

    @property
    def inputs(self) -> tuple[Port, ...]: ...

    @property
    def outputs(self) -> tuple[Port, ...]: ...

    def activate(self) -> None: ...

    def infer(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]: ...

    def deactivate(self) -> None: ...


class Activated(ABC):
    """`with` for backends: active inside, given back outside, whatever happens."""

    @abstractmethod
    def activate(self) -> None: ...

    @abstractmethod
    def deactivate(self) -> None: ...

    def close(self) -> None:
        self.deactivate()

    def __enter__(self):  # type: ignore[no-untyped-def]
        self.activate()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.deactivate()
