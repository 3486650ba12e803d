"""What one operator of the `tosa` domain is: names, shapes, and a body of standard ONNX operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

DOMAIN = "tosa"
VERSION = 1
OPSET = 18

# The plugin's namespace differs from the ONNX domain on purpose: parsers from TensorRT 10.10 on try the
# domain as a namespace, and must not find the plugin when the portable form is being built.
PLUGIN_NAMESPACE = "tosa_edge"
PLUGIN_VERSION = "1"

Shape = tuple[int, ...]
Sizes = Mapping[str, Any]  # whole numbers, or the symbols that stand for them (`symbolic_sizes.py`)


@dataclass(frozen=True)
class Operator:
    """One operator.

    Args:
        name: the ONNX op type.
        inputs, outputs: their names in order.
        attributes: name to Python type; all are required.
        shapes: the shape rule, from the input shapes to the output shapes.
        float32_outputs: outputs that are float32 whatever the inputs are; the others follow the first input.
        body: the operator in standard operators, in ONNX's text syntax, for hosts that know no `tosa`.
        axes: what the axes of each input count, a name to an axis or a product with one name that is new:
            "batch tokens 3*num_heads*head_dim". The same name is the same size everywhere.
        sizes: what else the kernels ask for, out of those sizes and the whole-number attributes.
        scratch: float32 memory that one launch leaves something in for the next: its name, and its shape.
        opset: of the standard operators in the body.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, type]
    shapes: Callable[..., tuple[Shape, ...]]
    body: str
    float32_outputs: tuple[str, ...] = ()
    axes: Mapping[str, str] = field(default_factory=dict)
    sizes: Callable[[Sizes], dict[str, int]] = lambda known: {}
    scratch: Callable[[Sizes], dict[str, Shape]] = lambda known: {}
    opset: int = OPSET

    @cached_property
    def function(self) -> onnx.FunctionProto:
        import onnx.parser

        header = f'<opset_import: ["" : {self.opset}], domain: "{DOMAIN}">\n'
        attributes = f"<{', '.join(self.attributes)}> " if self.attributes else ""
        signature = f"{self.name} {attributes}({', '.join(self.inputs)}) => ({', '.join(self.outputs)})"
        return onnx.parser.parse_function(f"{header}{signature} {{\n{self.body}\n}}")
