"""A graph at a later opset."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def raise_opset(model: onnx.ModelProto, version: int) -> None:
    """In place, its functions included.

    The operators that our graphs use only gained types and optional attributes between opset 18 and 23, which
    `tests/export/test_opset.py` reads off their schemas: nothing but the number changes.
    """
    for owner in (model, *model.functions):
        for opset in owner.opset_import:
            if not opset.domain:
                opset.version = version
