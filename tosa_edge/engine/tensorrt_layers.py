"""What a TensorRT engine consists of: as its builder parsed it, and as its inspector shows it.

Opening an engine takes the GPU it is for, so the builder's view is written into the manifest: layers as the
ONNX parser made them, before TensorRT fuses them. On the GPU itself the inspector tells what became of them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from tosa_edge.engine.layers import Fusion, Layers, unknown

# In the manifest's settings: `network.layers`, `network.plugins`, `network.KIND.PRECISION`.
PREFIX = "network."
_ATTENTION = "attention_input"  # an attention lies between two layers; this is the first
_COMPUTES = ("matrix_multiply", "convolution", "deconvolution", "attention")
# The others move data about: thousands of them, and most vanish when they are fused.
_TELLING = (
    *_COMPUTES, "normalization", "softmax", "topk", "gather", "scatter", "quantize", "dequantize", "cast",
    "resize",
)  # fmt: skip
_TYPES = {"FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16", "INT8": "int8", "FP8": "fp8"}
# TensorRT has spelled the types of its tensors in more than one way.
_SPELLINGS = {
    "fp32": r"fp32|float(32)?\b",
    "fp16": r"fp16|half",
    "bf16": r"bf16|bfloat16",
    "int8": r"int8",
    "fp8": r"fp8",
}


def of_network(network: Any) -> dict[str, Any]:
    """Settings for the manifest: the telling layers of a parsed network, counted by kind and precision."""
    counts: Counter[str] = Counter()
    plugins = 0
    dequantised = set()
    for layer in (network.get_layer(index) for index in range(network.num_layers)):
        kind = _last(layer.type).lower()
        kind = "attention" if kind == _ATTENTION else kind
        plugins += "plugin" in kind
        if kind == "dequantize":
            dequantised.add(layer.get_output(0).name)
        if kind in _TELLING:
            counts[f"{kind}.{_precision(layer, kind, dequantised)}"] += 1
    named = {f"{PREFIX}{name}": count for name, count in sorted(counts.items())}
    return {f"{PREFIX}layers": network.num_layers, f"{PREFIX}plugins": plugins, **named}


def _precision(layer: Any, kind: str, dequantised: set[str]) -> str:
    """What it computes in: int8 where what goes in comes straight out of int8."""
    if kind in _COMPUTES and layer.get_input(0) is not None and layer.get_input(0).name in dequantised:
        return "int8"
    # Indices come second, values first.
    name = _last(layer.get_output(0).dtype)
    return _TYPES.get(name, name.lower())


def _last(enumerated: Any) -> str:
    return str(enumerated).rpartition(".")[2]


def of_manifest(settings: dict[str, Any]) -> Layers:
    """What the builder wrote into the manifest."""
    counts = {k[len(PREFIX) :]: v for k, v in settings.items() if k.startswith(PREFIX) and isinstance(v, int)}
    if "layers" not in counts:
        return unknown("its manifest holds no layers: an older tosa-edge built it")
    total, plugins = counts.pop("layers"), counts.pop("plugins", 0)
    precisions: Counter[str] = Counter()
    for name, count in counts.items():
        kind, _, precision = name.partition(".")
        if kind in _COMPUTES:
            precisions[precision] += count
    return Layers(
        "the network that its builder parsed",
        total,
        {name.replace(".", " "): n for name, n in sorted(counts.items(), key=lambda entry: -entry[1])},
        dict(precisions.most_common()),
        plugins,
        note="as parsed, before TensorRT fused it: only the GPU it is for can open it and show the rest",
    )


def of_inspector(text: str) -> Layers:
    """What TensorRT's engine inspector says, in JSON. Raises ValueError when it is none."""
    raw = json.loads(text)
    found = raw.get("Layers") if isinstance(raw, dict) else None
    if not isinstance(found, list):
        raise ValueError("no list of layers in what the inspector says")
    details = [layer for layer in found if isinstance(layer, dict)]
    names = [str(layer.get("Name", "")) if isinstance(layer, dict) else str(layer) for layer in found]
    attention = sum("mha" in f"{layer.get('TacticName', '')} {layer.get('Name', '')}" for layer in details)
    fused = [name for name, layer in zip(names, found, strict=True) if _sources(name, layer) > 1]
    return Layers(
        "TensorRT's engine inspector",
        len(found),
        dict(Counter(str(layer.get("LayerType", "not known")) for layer in details).most_common()),
        dict(Counter(filter(None, map(_output_precision, details))).most_common()),
        sum("plugin" in str(layer.get("LayerType", "")).lower() for layer in details),
        (
            Fusion("layers made of several", len(fused), len(found)),
            Fusion("attention", attention, attention, "kernels of multi-head attention"),
        ),
        note="" if details else "the engine was built without details: names of layers are all it tells",
    )


def _sources(name: str, layer: Any) -> int:
    """How many nodes of the graph a layer was made of."""
    metadata = str(layer.get("Metadata", "")) if isinstance(layer, dict) else ""
    return max(metadata.count("[ONNX Layer:"), 1 + name.count(" + "))


def _output_precision(layer: dict[str, Any]) -> str:
    outputs = layer.get("Outputs")
    first = outputs[0] if isinstance(outputs, list) and outputs else {}
    said = " ".join(str(v) for k, v in first.items() if re.match("format|datatype", k, re.IGNORECASE))
    return next((name for name, how in _SPELLINGS.items() if re.search(how, said, re.IGNORECASE)), "")
