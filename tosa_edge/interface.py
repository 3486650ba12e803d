"""What a graph takes and gives, held to what it says of itself: one check, whatever hosts the graph.

Whoever fits frames, paints them and compares engines relies on it, and none of them checks again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from tosa_edge.graph_info import GraphInfo


@dataclass(frozen=True)
class Port:
    """An input or an output; `dtype` is NumPy's name."""

    name: str
    dtype: str
    shape: tuple[Any, ...]


def wanted(info: GraphInfo) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """The inputs and outputs that a graph of this description has."""
    image = Port("image", "uint8", (info.batch, info.height, info.width, 3))
    shape = (info.classes,) if info.classifies else (info.height, info.width)
    answer = Port(info.answer, "float32", (info.batch, *shape))
    if info.ways:
        found = sum(len(way.starts) for way in info.ways)
        return (image,), (answer, Port("represented_by", "int32", (info.batch, found, info.tokens)))
    if info.dense:
        return (image,), (answer,)
    kept = Port("kept", "int32", (info.batch, len(info.selections), info.kept))
    return ((image, kept), (answer,)) if info.form == "reuse" else ((image,), (answer, kept))


def check_interface(info: GraphInfo, inputs: Iterable[Port], outputs: Iterable[Port]) -> None:
    """Raises ValueError, in one line, unless these are the ports that the description promises."""
    for kind, ports, promised in zip(("input", "output"), (inputs, outputs), wanted(info), strict=True):
        found = {port.name: port for port in ports}
        for port in promised:
            if port.name not in found:
                raise ValueError(f"has no {kind} {port.name!r}")
            other = found.pop(port.name)
            if (other.dtype, tuple(other.shape)) != (port.dtype, port.shape):
                raise ValueError(f"has the {kind} {_said(other)}, and its description says {_said(port)}")
        for name in found:
            raise ValueError(f"has an {kind} {name[:60]!a}, which its description does not have")


def check_outputs(info: GraphInfo, outputs: dict[str, np.ndarray]) -> None:
    """Raises ValueError unless what came out is what was promised: runtimes hold no graph to its shapes."""
    for port in wanted(info)[1]:
        found = outputs[port.name]
        if (found.dtype.name, found.shape) != (port.dtype, port.shape):
            given = Port(port.name, found.dtype.name, found.shape)
            raise ValueError(f"gave {_said(given)}, and its description says {_said(port)}")
    if "kept" in outputs and not 0 <= outputs["kept"].min() <= outputs["kept"].max() < info.tokens:
        raise ValueError(f"kept a patch that is none of its {info.tokens}")
    if "represented_by" in outputs:
        rows = outputs["represented_by"]
        if not -1 <= rows.min() <= rows.max() < info.tokens:
            raise ValueError(f"has a row that is none of at most {info.tokens}")


def ports_of(values: Iterable[onnx.ValueInfoProto]) -> list[Port]:
    """Of a graph; a side without a fixed length has its name, or `?`, in the shape."""
    from onnx.helper import tensor_dtype_to_np_dtype

    found = []
    for value in values:
        tensor = value.type.tensor_type
        shape = tuple(
            d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in tensor.shape.dim
        )
        try:
            dtype = tensor_dtype_to_np_dtype(tensor.elem_type).name
        except KeyError:
            dtype = "nothing that is known"
        found.append(Port(value.name, dtype, shape))
    return found


def _said(port: Port) -> str:
    sides = ", ".join(str(side)[:20] for side in port.shape)
    return f"{port.name} as {port.dtype} [{sides}]"
