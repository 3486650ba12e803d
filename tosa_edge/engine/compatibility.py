"""May this engine be opened on this machine? Decided from plain facts, before any runtime sees its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tosa_edge.engine import ONNXRUNTIME, TENSORRT, TENSORRT_RTX, rebuild
from tosa_edge.engine.manifest import BuildHost, Manifest
from tosa_edge.engine.this_machine import Machine

TITLES = {ONNXRUNTIME: "ONNX Runtime", TENSORRT: "TensorRT", TENSORRT_RTX: "TensorRT-RTX"}
INSTALL = {
    ONNXRUNTIME: "pip install onnxruntime",
    TENSORRT: "pip install 'tosa-edge[tensorrt]' (on a Jetson it comes with JetPack)",
    TENSORRT_RTX: "pip install 'tosa-edge[rtx]'",
}


@dataclass(frozen=True)
class EngineFile:
    """What is on the disk. `sha256` is None when the size alone told enough not to read it."""

    path: Path
    size: int
    sha256: str | None


@dataclass(frozen=True)
class Mismatch:
    """`rebuild` is a command to type; `lacks` when no engine of this backend can run on this machine."""

    reason: str
    rebuild: str
    lacks: bool = False


def compare(
    manifest: Manifest,
    machine: Machine,
    file: EngineFile,
    model_sha256: str | None = None,
    precision: str | None = None,
    to_run: bool = True,
) -> Mismatch | None:
    """None, or the first reason against opening the engine.

    Args:
        model_sha256: of the MODEL that the manifest names, as it is on this machine; None when it is not.
        precision: the one asked for, where one was.
        to_run: False asks whether it is fit for the machines it was built for; TensorRT-RTX builds for
            GPUs that this machine has none of.
    """
    m, path = manifest, file.path
    if precision is not None and precision != m.precision:
        again = rebuild.command(m.source, precision, m.backend, path.parent, m.targets, m.pictures)
        return Mismatch(f"{path} is an {m.precision} engine, and {precision} was asked for", again)
    for reasons, lacks in ((of_file(m, file), False), (_missing(m, machine) if to_run else (), True)):
        for reason in reasons:
            again = rebuild.from_manifest(m, path)
            return Mismatch(f"{path} {reason}", _for_cpu(m, path) if lacks else again, lacks)
    for reason in _others(m, machine, model_sha256):
        return Mismatch(f"{path} {reason}", rebuild.from_manifest(m, path))
    return None


def of_file(m: Manifest, file: EngineFile) -> Iterator[str]:
    """What is wrong with the bytes themselves, whatever the machine."""
    if file.size < m.engine_bytes:
        yield f"is cut short: {file.size:,} of {m.engine_bytes:,} bytes"
    if file.size != m.engine_bytes or file.sha256 != m.engine_sha256:
        yield "is not the file its manifest describes: it was changed, or belongs to another manifest"


def _missing(m: Manifest, machine: Machine) -> Iterator[str]:
    if m.provider and machine.providers.get(m.provider.name) is None:
        yield f"needs ONNX Runtime's provider {m.provider.name}, which is not installed (docs/gpu.md)"
    if (m.backend != ONNXRUNTIME or m.provider) and machine.gpu is None:
        yield f"needs an NVIDIA GPU, and this machine has none that its driver can use ({_built_on(m)})"


def _others(m: Manifest, machine: Machine, model_sha256: str | None) -> Iterator[str]:
    if model_sha256 is not None and model_sha256 != m.model_sha256:
        yield f"was built from another {m.model} than the one that is here now"
    title, version = TITLES[m.backend], machine.versions.get(m.backend)
    if version is None:
        yield (
            f"was built for {title} {m.backend_version}, which is not installed (first: {INSTALL[m.backend]})"
        )
    if version != m.backend_version:
        yield f"was built for {title} {m.backend_version}, and this is {title} {version}"
    if m.provider is not None and m.provider.version != machine.providers.get(m.provider.name):
        yield (
            f"was built for ONNX Runtime's provider {m.provider.name} {m.provider.version}, "
            f"and this is {machine.providers.get(m.provider.name)}"
        )
    if m.plugin is not None and machine.plugin_sha256 is None:
        yield f"was built with the plugin {m.plugin.name}, which is not here (docs/plugin.md)"
    if m.plugin is not None and m.plugin.sha256 != machine.plugin_sha256:
        yield f"was built with another build of the plugin {m.plugin.name} than this machine has"
    on_cpu = m.backend == ONNXRUNTIME and m.provider is None
    yield from _other_processor(m, machine) if on_cpu else _other_gpu(m, machine)


def _other_processor(m: Manifest, machine: Machine) -> Iterator[str]:
    """ONNX Runtime lays weights out for the vector width of the CPU; on another they would be misread."""
    theirs, ours = m.host, machine.host
    if theirs.arch != ours.arch:
        yield f"was optimised for {theirs.arch}, and this machine is {ours.arch}"
    differing = sorted(set(theirs.cpu_features) ^ set(ours.cpu_features))
    if differing:
        names = ", ".join(differing[:4])
        yield f"was optimised for the CPU {theirs.cpu}, which differs from this one in: {names}"


def _other_gpu(m: Manifest, machine: Machine) -> Iterator[str]:
    gpu = machine.gpu
    if gpu is None:
        return
    if m.backend == TENSORRT_RTX:
        # Made for kinds of GPU, not for the one it was built beside.
        if m.targets and gpu.sm not in m.targets:
            wanted = ", ".join(f"sm{sm}" for sm in m.targets)
            yield f"was built for {wanted}, and the GPU here is sm{gpu.sm} ({gpu.name})"
        return
    if m.host.sm != gpu.sm:
        yield f"was built for {m.host.gpu} (sm{m.host.sm}), and the GPU here is {gpu.name} (sm{gpu.sm})"
    if m.host.gpu != gpu.name:
        yield f"was built and timed on {m.host.gpu}, and the GPU here is {gpu.name}"
    here = machine.host
    pairs = ((m.host.multiprocessors, here.multiprocessors), (m.host.module, here.module))
    if any(None not in pair and pair[0] != pair[1] for pair in pairs):
        yield f"was built and timed on {_sized(m.host)}, and this is {_sized(here)}"


def _sized(host: BuildHost) -> str:
    return f"{host.module or host.gpu} with {host.multiprocessors or 'unknown'} multiprocessors"


def _built_on(m: Manifest) -> str:
    return f"built for {TITLES[m.backend]} {m.backend_version} on {m.host.gpu or m.host.cpu}"


def _for_cpu(m: Manifest, path: Path) -> str:
    return rebuild.command(m.source, m.precision, ONNXRUNTIME, path.parent, (), m.pictures)
