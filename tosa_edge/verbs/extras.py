"""What needs a package that the core does not bring."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tosa_edge.errors import MachineLacks


@contextmanager
def needs_export_extra(doing: str) -> Iterator[None]:
    """Imports within that fail for want of a package are told with the extra that brings it."""
    try:
        yield
    except ImportError as error:
        raise MachineLacks(
            f"{doing} needs the package {error.name}", "Install it: pip install 'tosa-edge[export]'."
        ) from None
