"""Which layers become INT8: where a ViT spends its time and loses little by it.

The patch embedding and the four linear layers of each block are nine tenths of the arithmetic. Attention's
own products, softmax, LayerNorm, the `tosa` operators (choosing tokens is what rounding hurts most) and the
depth head stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tosa_edge.calibration.constants import Constants

if TYPE_CHECKING:
    import onnx

# What a checkpoint calls a layer (DINOv2's names) -> what people call its kind.
KINDS = {
    "patch_embed.proj": "patch embedding",
    "attn.qkv": "qkv",
    "attn.proj": "proj",
    "mlp.fc1": "fc1",
    "mlp.fc2": "fc2",
}
_BLOCK = re.compile(r"(?:^|\.)blocks\.(\d+)\.")


@dataclass(frozen=True)
class Layer:
    """One MatMul, Gemm or Conv.

    Args:
        name: as in the checkpoint, without `.weight`.
        activation, weight, output: the names of its two inputs and of its output in the graph.
        bias: the constant that is added to the output by a node of its own, or nothing.
        axis: of the weight, the one with an entry for each output channel.
    """

    name: str
    kind: str
    activation: str
    weight: str
    output: str
    axis: int
    bias: str = ""

    @property
    def block(self) -> str:
        """`block 3`; the patch embedding is in none."""
        found = _BLOCK.search(self.name)
        return f"block {found[1]}" if found else ""

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of layers that are tried together: those of its block, those of its kind."""
        return tuple(dict.fromkeys(g for g in (self.block, self.kind) if g))


def find_layers(model: onnx.ModelProto) -> list[Layer]:
    """The layers to quantise, in the graph's order. Bodies of functions are never looked into."""
    constants = Constants(model)
    added = _added_constants(model, constants)
    layers: list[Layer] = []
    for node in model.graph.node:
        axis = _channel_axis(node)
        if axis is None:
            continue
        source = constants.source(node.input[1])
        if source is None:
            continue  # a product of two activations: attention's own
        bias = added.get(node.output[0], "")
        # A weight that is not in the checkpoint as it stands has no name; its bias has.
        for known in (source, constants.source(bias) or ""):
            name = known.partition("/")[2] or known
            name = name.rpartition(".")[0]
            kind = next((kind for end, kind in KINDS.items() if f".{name}".endswith(f".{end}")), None)
            if kind:
                # Weights are stored by content: layers that nobody has trained yet may share one name.
                twins = sum(layer.name.partition("#")[0] == name for layer in layers)
                unique = f"{name}#{twins + 1}" if twins else name
                layers.append(Layer(unique, kind, node.input[0], node.input[1], node.output[0], axis, bias))
                break
    return layers


def for_form(layers: Iterable[Layer], activations: str, half: bool = False) -> list[Layer]:
    """Those of the layers that gain by it in one form of INT8; `half` is the form for GPUs.

    ONNX Runtime has no INT8 convolution with a float output: in the form that only it runs, the patch
    embedding would lose accuracy and no time. The form for GPUs is products of matrices alone.
    """
    convolution = activations == "symmetric" and not half
    return [one for one in layers if convolution or one.kind != KINDS["patch_embed.proj"]]


def in_groups(layers: Iterable[Layer]) -> dict[str, list[Layer]]:
    """The layers of each group, the groups in the order in which they are met; every layer is in two."""
    found: dict[str, list[Layer]] = {}
    for layer in layers:
        for group in layer.groups:
            found.setdefault(group, []).append(layer)
    return found


def _channel_axis(node: onnx.NodeProto) -> int | None:
    if node.domain or node.op_type not in ("MatMul", "Gemm", "Conv"):
        return None
    if node.op_type == "Conv":
        return 0
    transposed = any(a.name == "transB" and a.i for a in node.attribute)
    return 0 if transposed else 1


def _added_constants(model: onnx.ModelProto, constants: Constants) -> dict[str, str]:
    """Tensor -> the constant that is added to it: the bias of a MatMul, which has no third input."""
    added = {}
    for node in model.graph.node:
        if node.op_type == "Add" and not node.domain:
            for tensor, other in (node.input, reversed(node.input)):
                if constants.source(other) is not None:
                    added[tensor] = other
    return added
