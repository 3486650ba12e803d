"""The portable form to the plugin form: the same graph, which TensorRT must run with our plugin.

Without their bodies the `tosa` nodes can only be a plugin's; version and namespace say whose. (A parser that
finds a body takes it, and the plugin that is loaded beside it is never used.)
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from tosa_edge.errors import MachineLacks
from tosa_edge.export.metadata import info_of, set_info
from tosa_edge.plugins import DOMAIN, OPERATORS, PLUGIN_NAMESPACE, PLUGIN_VERSION, quick_deployable

if TYPE_CHECKING:
    import onnx

ALL = tuple(operator.name for operator in OPERATORS)


def to_plugin_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """A portable graph, complete in memory, as a new graph in plugin form: every operator is a plugin's."""
    return _given(model, ALL, {})


def to_quick_deployable_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """For the plugins of `plugins/quick_deployable.py`: what they do not have keeps its body."""
    return _given(model, quick_deployable.NAMES, {"aot": 1})


def plugin_nodes(model: onnx.ModelProto) -> int:
    """How many plugin layers an engine built from this graph must have."""
    bodies = {function.name for function in model.functions if function.domain == DOMAIN}
    return sum(node.domain == DOMAIN and node.op_type not in bodies for node in model.graph.node)


def _given(model: onnx.ModelProto, names: Collection[str], more: dict[str, int]) -> onnx.ModelProto:
    try:
        import onnx_graphsurgeon as gs
    except ImportError as error:
        raise MachineLacks(
            "onnx-graphsurgeon, which makes the plugin form, is not installed",
            "pip install onnx-graphsurgeon",
        ) from error
    info = info_of(model)
    graph = gs.import_onnx(model)
    graph.functions = []
    for node in graph.nodes:
        if node.domain == DOMAIN and node.op in names:
            node.attrs |= {"plugin_version": PLUGIN_VERSION, "plugin_namespace": PLUGIN_NAMESPACE, **more}
    plugin = gs.export_onnx(graph.toposort(), ir_version=model.ir_version)
    plugin.functions.extend(f for f in model.functions if f.domain != DOMAIN or f.name not in names)
    plugin.producer_name, plugin.producer_version = model.producer_name, model.producer_version
    # GraphSurgeon drops the metadata.
    set_info(plugin, replace(info, form="plugin"))
    return plugin
