"""A model repository for Triton Inference Server, for ONNX Runtime and for TensorRT.

Two repositories, since a server that finds a model without its plan does not start: `onnxruntime/` is whole,
`tensorrt/` wants `build_plan.sh` to be run once where the GPU is. A TensorRT engine that was built already
comes with its plan, for the batch that it was built for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tosa_edge.atomic_files import atomic_path
from tosa_edge.engine import TENSORRT
from tosa_edge.engine.load import check_engine, load_graph
from tosa_edge.engine.names import is_engine
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import read_bytes
from tosa_edge.find_model import find_graph
from tosa_edge.graph import LoadedGraph
from tosa_edge.interface import Port, ports_of, wanted
from tosa_edge.package.any_batch import for_any_batch

ONNXRUNTIME_HOST, TENSORRT_HOST = "onnxruntime", "tensorrt"
_TYPES = {"uint8": "TYPE_UINT8", "int32": "TYPE_INT32", "float32": "TYPE_FP32", "float16": "TYPE_FP16"}
_PLUGINS = "plugins"


@dataclass(frozen=True)
class Serving:
    """most: pictures that the server puts together; 0 serves the graph's own batch as it is. instances: of
    the model side by side. delay_us: how long a request may wait for others. plugin: TensorRT's, for a plan
    in plugin form."""

    most: int = 8
    instances: int = 1
    delay_us: int = 2000
    plugin: Path | None = None


def write_repository(spec: str, out: Path, serving: Serving) -> list[Path]:
    """The files that were written; all of them come to be, or none."""
    path = find_graph(spec)
    with atomic_path(out, folder=True) as folder:
        if is_engine(path) and path.suffix == ".engine":
            _write_plan(path, folder, serving)
        else:
            _write_graphs(load_graph(spec), folder, serving)
        names = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return [out / name for name in names]


def _write_graphs(graph: LoadedGraph, folder: Path, serving: Serving) -> None:
    proto = for_any_batch(graph) if serving.most else graph.proto
    name = model_name(graph.label)
    ports = tuple(ports_of(proto.graph.input)), tuple(ports_of(proto.graph.output))
    for host in (ONNXRUNTIME_HOST, TENSORRT_HOST):
        model = folder / host / name
        (model / "1").mkdir(parents=True)
        (model / "config.pbtxt").write_text(config(name, host, ports, serving))
    (folder / ONNXRUNTIME_HOST / name / "1/model.onnx").write_bytes(proto.SerializeToString())
    place = folder / TENSORRT_HOST
    form = proto
    if serving.plugin is not None:
        from tosa_edge.export.plugin_form import to_plugin_form

        form = to_plugin_form(proto)
        _copy_plugin(serving.plugin, folder)
    (place / f"{name}.onnx").write_bytes(form.SerializeToString())
    script = place / "build_plan.sh"
    script.write_text(_script(name, ports[0], serving))
    script.chmod(0o755)
    (folder / "README.md").write_text(_readme(name, serving, plan=False))


def _write_plan(path: Path, folder: Path, serving: Serving) -> None:
    manifest, data = check_engine(path, to_run=False)
    if manifest.backend != TENSORRT or manifest.graph is None:
        raise TosaEdgeError(
            f"{path} is an engine for {manifest.backend}, which Triton has no backend for",
            "Package the MODEL it was built from, or an engine of `tosa-edge build --backend tensorrt`.",
        )
    name = model_name(path.stem)
    model = folder / TENSORRT_HOST / name
    (model / "1").mkdir(parents=True)
    fixed = Serving(0, serving.instances, serving.delay_us, serving.plugin)
    (model / "config.pbtxt").write_text(config(name, TENSORRT_HOST, wanted(manifest.graph), fixed))
    (model / "1/model.plan").write_bytes(data)
    if serving.plugin is not None:
        _copy_plugin(serving.plugin, folder)
    (folder / "README.md").write_text(_readme(name, fixed, plan=True))


def _copy_plugin(library: Path, folder: Path) -> None:
    place = folder / TENSORRT_HOST / _PLUGINS
    place.mkdir()
    (place / library.name).write_bytes(read_bytes(library))


def model_name(label: str) -> str:
    """What a server calls it; in addresses, so of letters, digits, `_`, `-` and `.`."""
    return re.sub(r"[^\w.-]+", "_", label)


def config(name: str, host: str, ports: tuple[Iterable[Port], Iterable[Port]], serving: Serving) -> str:
    """`config.pbtxt`. The batch is the server's affair where it puts requests together, else the graph's."""
    inputs, outputs = (list(side) for side in ports)
    skipped = 1 if serving.most else 0
    lines = [f'name: "{name}"']
    backend = {ONNXRUNTIME_HOST: "onnxruntime", TENSORRT_HOST: "tensorrt"}[host]
    platform = {ONNXRUNTIME_HOST: "onnxruntime_onnx", TENSORRT_HOST: "tensorrt_plan"}[host]
    file = {ONNXRUNTIME_HOST: "model.onnx", TENSORRT_HOST: "model.plan"}[host]
    lines += [f'platform: "{platform}"', f'backend: "{backend}"', f'default_model_filename: "{file}"']
    lines += [f"max_batch_size: {serving.most}"]
    for word, side in (("input", inputs), ("output", outputs)):
        for port in side:
            lines += [f"{word} {{", f'  name: "{port.name}"', f"  data_type: {_TYPES[port.dtype]}"]
            lines += [f"  dims: {_dims(port, skipped)}", "}"]
    kind = "KIND_AUTO" if host == ONNXRUNTIME_HOST else "KIND_GPU"
    lines += ["instance_group {", f"  kind: {kind}", f"  count: {serving.instances}", "}"]
    if serving.most:
        lines += ["dynamic_batching {", f"  preferred_batch_size: {serving.most}"]
        lines += [f"  max_queue_delay_microseconds: {serving.delay_us}", "}"]
    for size in sorted({1, serving.most}) if serving.most else (0,):
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


def _script(name: str, inputs: Iterable[Port], serving: Serving) -> str:
    shapes = []
    if serving.most:
        for flag, batch in (("min", 1), ("opt", serving.most), ("max", serving.most)):
            each = (f"{p.name}:{'x'.join(map(str, (batch, *p.shape[1:])))}" for p in inputs)
            shapes.append(f"  --{flag}Shapes={','.join(each)} \\\n")
    plugin = f"  --dynamicPlugins={_PLUGINS}/{serving.plugin.name} \\\n" if serving.plugin is not None else ""
    return (
        "#!/bin/sh\n"
        "# Run once where the GPU is, with the TensorRT of the server: its container has trtexec.\n"
        "set -eu\n"
        'cd "$(dirname "$0")"\n'
        f"trtexec --onnx={name}.onnx --stronglyTyped \\\n{''.join(shapes)}{plugin}"
        f"  --saveEngine={name}/1/model.plan\n"
    )


def _readme(name: str, serving: Serving, plan: bool) -> str:
    plugin = ""
    if serving.plugin is not None:
        plugin = f" --backend-config=tensorrt,plugins=/models/{_PLUGINS}/{serving.plugin.name}"
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
