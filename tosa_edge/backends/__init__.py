"""What runs a graph. One base class, so that every backend can be put in the place of another.

Example:
    >>> with OnnxRuntimeBackend(load_graph("tosa_depth_s:g1")) as backend:
    ...     depth = backend.infer({"image": image})["depth"]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from tosa_edge.interface import Port


class Backend(ABC):
    """What runs one graph.

    `activate` takes what running needs (a session, an engine, device memory), `deactivate` gives it back;
    both may be called twice. Between them `infer` maps arrays by input name to arrays by output name.
    In `with` it is active, and gives back what it took whatever happens.

    provider: of ONNX Runtime, where that is the backend.
    can_acquire: whether `acquire` gives what a call on a GPU uses, for frames that are there already.
    """

    provider: str | None = None
    can_acquire: bool = False

    @property
    @abstractmethod
    def inputs(self) -> tuple[Port, ...]:
        """Empty from a backend that does not tell."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[Port, ...]: ...

    @abstractmethod
    def activate(self) -> None: ...

    @abstractmethod
    def infer(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]: ...

    @abstractmethod
    def deactivate(self) -> None: ...

    def acquire(self) -> AbstractContextManager[Any]:
        raise NotImplementedError(f"{type(self).__name__} has no executions to acquire")

    def close(self) -> None:
        self.deactivate()

    def __enter__(self):  # type: ignore[no-untyped-def]
        self.activate()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.deactivate()
