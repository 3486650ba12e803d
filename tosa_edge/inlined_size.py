"""How large a graph is once its functions are written out, counted without writing them out.

A runtime replaces each call of a function by the function's body. Thirty functions that each call the next
one twice are a file of 2 KB and a graph of a billion nodes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tosa_edge.limits import BYTES, NODES

if TYPE_CHECKING:
    import onnx

_DEEPEST = 100  # as deep as protobuf lets subgraphs lie in each other


def check_inlined_size(proto: onnx.ModelProto, what: str) -> None:
    """Raises ValueError for functions that never end, our error for a graph that gets too large."""
    functions = {_key(f, f.name): f for f in proto.functions}
    sizes: dict[tuple[str, ...], tuple[int, int]] = {}
    under_way: list[tuple[str, ...]] = []

    def size(nodes: Iterable[onnx.NodeProto]) -> tuple[int, int]:
        """Nodes and bytes."""
        count, length = 0, 0
        for node in nodes:
            count, length = count + 1, length + node.ByteSize()
            parts = [size(graph.node) for a in node.attribute for graph in (a.g, *a.graphs)]
            if (key := _key(node, node.op_type)) in functions:
                parts.append(body(key))
            for more, longer in parts:
                count, length = count + more, length + longer
        return count, length

    def body(key: tuple[str, ...]) -> tuple[int, int]:
        if key not in sizes:
            if key in under_way:
                raise ValueError(f"the function {key[1][:60]!a} calls itself")
            if len(under_way) >= _DEEPEST:
                raise ValueError(f"functions call each other more than {_DEEPEST} deep")
            under_way.append(key)
            sizes[key] = size(functions[key].node)
            under_way.pop()
        return sizes[key]

    for count, length in (size(proto.graph.node), *map(body, functions)):
        NODES.check(count, what)
        BYTES.check(length, what)


def _key(message: Any, name: str) -> tuple[str, ...]:
    """By which a function is called; onnx before 1.16 knows no overloads."""
    return message.domain, name, getattr(message, "overload", "")
