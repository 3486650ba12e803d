"""A model repository for Triton Inference Server, for ONNX Runtime and for TensorRT.

Two repositories, since a server that finds a model without its plan does not start: `onnxruntime/` is whole,
`tensorrt/` wants `build_plan.sh` to be run once where the GPU is. A TensorRT engine that was built already
comes with its plan, for the batch that it was built for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tosa_edge.engine import TENSORRT
from tosa_edge.engine.load import check_engine, load_graph
from tosa_edge.engine.names import is_engine
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import read_bytes
from tosa_edge.find_model import find_graph
from tosa_edge.graph import LoadedGraph
from tosa_edge.interface import Port, ports_of, wanted
from tosa_edge.package.any_batch import for_any_batch
from tosa_edge.package.options import Files, Options

_HOSTS = ONNXRUNTIME_HOST, TENSORRT_HOST = "onnxruntime", "tensorrt"
_TYPES = {"uint8": "TYPE_UINT8", "int32": "TYPE_INT32", "float32": "TYPE_FP32", "float16": "TYPE_FP16"}
_PLUGINS = "plugins"


def repository(spec: str, options: Options) -> Files:
    path = find_graph(spec)
    if is_engine(path) and path.suffix == ".engine":
        return _with_plan(path, options)
    return _with_graphs(load_graph(spec), options)


def _with_graphs(graph: LoadedGraph, options: Options) -> Files:
    proto = for_any_batch(graph) if options.most else graph.proto
    name = model_name(graph.label)
    ports = tuple(ports_of(proto.graph.input)), tuple(ports_of(proto.graph.output))
    form = proto
    if options.plugin is not None:
        from tosa_edge.export.plugin_form import to_plugin_form

        form = to_plugin_form(proto)
    return {
        **{f"{host}/{name}/config.pbtxt": config(name, host, ports, options) for host in _HOSTS},
        f"{ONNXRUNTIME_HOST}/{name}/1/model.onnx": proto.SerializeToString(),
        f"{TENSORRT_HOST}/{name}/1": None,  # the script's plan
        f"{TENSORRT_HOST}/{name}.onnx": form.SerializeToString(),
        f"{TENSORRT_HOST}/build_plan.sh": _script(name, ports[0], options),
        "README.md": _readme(name, options, plan=False),
        **_plugin(options),
    }


def _with_plan(path: Path, options: Options) -> Files:
    manifest, data = check_engine(path, to_run=False)
    if manifest.backend != TENSORRT or manifest.graph is None:
        raise TosaEdgeError(
            f"{path} is an engine for {manifest.backend}, which Triton has no backend for",
            "Package the MODEL it was built from, or an engine of `tosa-edge build --backend tensorrt`.",
        )
    name = model_name(path.stem)
    fixed = replace(options, most=0)
    return {
        f"{TENSORRT_HOST}/{name}/config.pbtxt": config(name, TENSORRT_HOST, wanted(manifest.graph), fixed),
        f"{TENSORRT_HOST}/{name}/1/model.plan": data,
        "README.md": _readme(name, fixed, plan=True),
        **_plugin(fixed),
    }


def _plugin(options: Options) -> Files:
    if options.plugin is None:
        return {}
    return {f"{TENSORRT_HOST}/{_PLUGINS}/{options.plugin.name}": read_bytes(options.plugin)}


def model_name(label: str) -> str:
    """What a server calls it; in addresses, so of letters, digits, `_`, `-` and `.`."""
    return re.sub(r"[^\w.-]+", "_", label)


def config(name: str, host: str, ports: tuple[Iterable[Port], Iterable[Port]], options: Options) -> str:
    """`config.pbtxt`. The batch is the server's affair where it puts requests together, else the graph's."""
    inputs, outputs = (list(side) for side in ports)
    skipped = 1 if options.most else 0
    lines = [f'name: "{name}"']
    backend = {ONNXRUNTIME_HOST: "onnxruntime", TENSORRT_HOST: "tensorrt"}[host]
    platform = {ONNXRUNTIME_HOST: "onnxruntime_onnx", TENSORRT_HOST: "tensorrt_plan"}[host]
    file = {ONNXRUNTIME_HOST: "model.onnx", TENSORRT_HOST: "model.plan"}[host]
    lines += [f'platform: "{platform}"', f'backend: "{backend}"', f'default_model_filename: "{file}"']
    lines += [f"max_batch_size: {options.most}"]
    for word, side in (("input", inputs), ("output", outputs)):
        for port in side:
            lines += [f"{word} {{", f'  name: "{port.name}"', f"  data_type: {_TYPES[port.dtype]}"]
            lines += [f"  dims: {_dims(port, skipped)}", "}"]
    kind = "KIND_AUTO" if host == ONNXRUNTIME_HOST else "KIND_GPU"
    lines += ["instance_group {", f"  kind: {kind}", f"  count: {options.instances}", "}"]
    if options.most:
        lines += ["dynamic_batching {", f"  preferred_batch_size: {options.most}"]
        lines += [f"  max_queue_delay_microseconds: {options.delay_us}", "}"]
    for size in sorted({1, options.most}) if options.most else (0,):
        lines += ["model_warmup {", f'  name: "of {size or "one call"}"']
        lines += [f"  batch_size: {size}"] if size else []
        for port in inputs:
            # Patches that were kept have to be patches; any picture is a picture.
            data = "random_data" if port.name == "image" else "zero_data"
            lines += ["  inputs {", f'    key: "{port.name}"', "    value {"]
            lines += [f"      data_type: {_TYPES[port.dtype]}", f"      dims: {_dims(port, skipped)}"]
            lines += [f"      {data}: true", "    }", "  }"]
        lines += ["}"]
    return "\n".join(lines) + "\n"


def _dims(port: Port, skipped: int) -> str:
    return f"[{', '.join(str(side) for side in port.shape[skipped:])}]"


def _script(name: str, inputs: Iterable[Port], options: Options) -> str:
    shapes = []
    if options.most:
        for flag, batch in (("min", 1), ("opt", options.most), ("max", options.most)):
            each = (f"{p.name}:{'x'.join(map(str, (batch, *p.shape[1:])))}" for p in inputs)
            shapes.append(f"  --{flag}Shapes={','.join(each)} \\\n")
    plugin = f"  --dynamicPlugins={_PLUGINS}/{options.plugin.name} \\\n" if options.plugin is not None else ""
    return (
        "#!/bin/sh\n"
        "# Run once where the GPU is, with the TensorRT of the server: its container has trtexec.\n"
        "set -eu\n"
        'cd "$(dirname "$0")"\n'
        f"trtexec --onnx={name}.onnx --stronglyTyped \\\n{''.join(shapes)}{plugin}"
        f"  --saveEngine={name}/1/model.plan\n"
    )


def _readme(name: str, options: Options, plan: bool) -> str:
    plugin = ""
    if options.plugin is not None:
        plugin = f" --backend-config=tensorrt,plugins=/models/{_PLUGINS}/{options.plugin.name}"
    image = "nvcr.io/nvidia/tritonserver:VERSION-py3"
    run = f"docker run --rm --gpus all -p 8000-8002:8000-8002 -v $PWD/HOST:/models:ro {image} \\\n"
    serve = "      tritonserver --model-repository=/models"
    lines = [f"# {name} for Triton Inference Server", ""]
    if not plan:
        lines += [
            "ONNX Runtime, on CPUs or a GPU:",
            "",
            f"    {run.replace('HOST', 'onnxruntime')}{serve}",
            "",
        ]
        lines += ["TensorRT, after `tensorrt/build_plan.sh` in a container of the same version:", ""]
    else:
        lines += ["TensorRT of the version that built the plan:", ""]
    lines += [f"    {run.replace('HOST', 'tensorrt')}{serve}{plugin}", ""]
    lines += ["`image` is RGB, uint8; normalisation is in the graph. No server has loaded this yet.", ""]
    return "\n".join(lines)
