"""The portable form to the plugin form: the same graph, which TensorRT must run with our plugin.

Without their bodies the `tosa` nodes can only be a plugin's; version and namespace say whose. (A parser that
finds a body takes it, and the plugin that is loaded beside it is never used.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tosa_edge.export.trace import info_of, set_info
from tosa_edge.plugins import DOMAIN, PLUGIN_NAMESPACE, PLUGIN_VERSION

if TYPE_CHECKING:
    import onnx


def to_plugin_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """A portable graph, complete in memory, as a new graph in plugin form."""
    import onnx_graphsurgeon as gs

    info = info_of(model)
    graph = gs.import_onnx(model)
    graph.functions = []
    for node in graph.nodes:
        if node.domain == DOMAIN:
            node.attrs |= {"plugin_version": PLUGIN_VERSION, "plugin_namespace": PLUGIN_NAMESPACE}
    plugin = gs.export_onnx(graph.toposort(), ir_version=model.ir_version)
    plugin.producer_name, plugin.producer_version = model.producer_name, model.producer_version
    # GraphSurgeon drops the metadata.
    set_info(plugin, replace(info, form="plugin"))
    return plugin


def plugin_nodes(model: onnx.ModelProto) -> int:
    """How many plugin layers an engine built from this graph must have."""
    return sum(node.domain == DOMAIN for node in model.graph.node)
