"""What a graph says of itself, read and written; torch is not needed for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosa_edge.graph_info import KEY, GraphInfo

if TYPE_CHECKING:
    import onnx


def info_of(model: onnx.ModelProto) -> GraphInfo:
    return GraphInfo.from_json({p.key: p.value for p in model.metadata_props}[KEY])


def set_info(model: onnx.ModelProto, info: GraphInfo) -> None:
    del model.metadata_props[:]
    model.metadata_props.add(key=KEY, value=info.to_json())
