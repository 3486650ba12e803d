"""Every message of some kinds in an ONNX file: each tensor, say, whatever it lies in.

Which fields can lead to it is asked of the format itself, so that a place which a later ONNX adds is not
missed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any


def messages_of(message: Any, *kinds: str) -> Iterator[Any]:
    """The messages of those kinds in `message`, however deep."""
    waiting = [message]
    while waiting:
        message = waiting.pop()
        if message.DESCRIPTOR.name in kinds:
            yield message
        for name, repeated in _routes(kinds, message.DESCRIPTOR):
            if repeated:
                waiting += getattr(message, name)
            elif message.HasField(name):
                waiting.append(getattr(message, name))


@functools.cache
def _routes(kinds: tuple[str, ...], descriptor: Any) -> tuple[tuple[str, bool], ...]:
    """The fields of a message that can lead to one of the kinds, and whether they are repeated."""
    return tuple(
        (field.name, _is_repeated(field))
        for field in descriptor.fields
        if field.message_type is not None and _leads_to(kinds, field.message_type)
    )


@functools.cache
def _leads_to(kinds: tuple[str, ...], descriptor: Any) -> bool:
    seen, waiting = set(), [descriptor]
    while waiting:
        found = waiting.pop()
        if found.name in kinds:
            return True
        if found.name not in seen:
            seen.add(found.name)
            waiting += [field.message_type for field in found.fields if field.message_type is not None]
    return False


def _is_repeated(field: Any) -> bool:
    # Newer protobuf has a property for it and warns of the older number.
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
