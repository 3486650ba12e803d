"""A PyTorch model to a portable ONNX graph, whose `tosa` operators carry bodies of standard operators."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import torch

import tosa_edge
from tosa_edge.export.metadata import set_info
from tosa_edge.graph_info import GraphInfo
from tosa_edge.nn.net import VisionNet
from tosa_edge.plugins import DOMAIN, OPERATORS, OPSET, TOKEN_IMPORTANCE_PREVIOUS

if TYPE_CHECKING:
    import onnx

PRODUCER = "tosa-edge"
# What ONNX Runtime for Python 3.10 (JetPack 6) still reads.
MAX_IR_VERSION = 10


def trace(
    net: VisionNet, *, batch: int = 1, reuse: bool = False, weights_sha256: str = ""
) -> onnx.ModelProto:
    """The model as it stands, in the precision of its weights, as one self-contained portable graph.

    Args:
        net: its pattern decides between dense and selective.
        batch: fixed in the graph.
        reuse: take the kept patches as a second input, and hold no selector.
    """
    info = describe(net, batch=batch, reuse=reuse, weights_sha256=weights_sha256)
    if reuse and not info.selects:
        raise ValueError("it selects nothing that could be used again")
    image = torch.zeros(batch, info.height, info.width, 3, dtype=torch.uint8)
    kept = torch.arange(info.kept, dtype=torch.int32).expand(batch, len(info.selections), -1).contiguous()
    outputs = ["kept"] if info.selects and not reuse else ["represented_by"] if info.ways else []
    model = _torch_to_onnx(
        net,
        (image, kept) if reuse else (image,),
        ["image", "kept"] if reuse else ["image"],
        # A reuse graph does not repeat its input among its outputs.
        [info.answer, *outputs],
    )
    _strip_notes(model)
    add_functions(model)
    model.producer_name, model.producer_version = PRODUCER, tosa_edge.__version__
    model.ir_version = min(model.ir_version, MAX_IR_VERSION)
    set_info(model, info)
    return model


def describe(net: VisionNet, *, batch: int, reuse: bool, weights_sha256: str) -> GraphInfo:
    """What the graph of this model is going to say about itself."""
    config, pattern = net.config, net.pattern
    selective: dict[str, Any] = {}
    if pattern.layers:
        selective = {
            "selective_layers": pattern.layers,
            "selections": pattern.selections(),
            "keep": pattern.keep,
            "kept": pattern.kept(config.tokens),
            "query_stride": pattern.query_stride,
            "spread": 0.0 if reuse else pattern.spread,
            "group": max(len(run) for run in pattern.runs()),
            "selector": "" if reuse else pattern.selector,
        }
    if pattern.ways:
        selective = {"ways": pattern.ways}
    half = net.encoder.cls_token.dtype == torch.float16
    return GraphInfo(
        name=config.name,
        height=config.height,
        width=config.width,
        patch=config.patch,
        output=config.output,
        weights_sha256=weights_sha256,
        version=tosa_edge.__version__,
        batch=batch,
        precision="fp16" if half else "fp32",
        form="reuse" if reuse else "portable",
        classes=config.classes,
        labels=config.labels,
        crop=config.crop,
        **selective,
    )


def add_functions(model: onnx.ModelProto) -> None:
    """Bodies for the `tosa` operators that the graph uses."""
    arity = {node.op_type: len(node.input) for node in model.graph.node if node.domain == DOMAIN}
    for operator in (*OPERATORS, TOKEN_IMPORTANCE_PREVIOUS):
        if arity.get(operator.name) == len(operator.inputs):
            model.functions.append(operator.function)


def _torch_to_onnx(
    net: VisionNet, inputs: tuple[torch.Tensor, ...], input_names: list[str], output_names: list[str]
) -> onnx.ModelProto:
    class Traced(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, *args: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
            outputs = self.net(*args)
            return outputs if len(output_names) > 1 or torch.is_tensor(outputs) else outputs[0]

    # torch.onnx's registry warns about optional packages that we do not use, onnxscript's optimiser about
    # every operator that it does not fold.
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                Traced().eval(),
                inputs,
                dynamo=True,
                opset_version=OPSET,
                optimize=True,
                verbose=False,
                input_names=input_names,
                output_names=output_names,
            )
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    assert program is not None  # with dynamo=True it never is
    return program.model_proto


def _strip_notes(model: onnx.ModelProto) -> None:
    """The exporter notes the Python source of every node; half a megabyte that nobody reads."""
    graph = model.graph
    for item in (*graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output, graph):
        del item.metadata_props[:]
        item.doc_string = ""
    for tensor in graph.initializer:
        tensor.name = tensor.name.removeprefix("net.")
    for node in graph.node:
        node.input[:] = [name.removeprefix("net.") for name in node.input]
