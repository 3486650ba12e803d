"""Which backend an engine is built for, and with whose layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tosa_edge.engine import BACKENDS, ONNXRUNTIME, TENSORRT, TENSORRT_RTX, providers
from tosa_edge.engine.compatibility import INSTALL, TITLES
from tosa_edge.engine.providers import CPU
from tosa_edge.engine.this_machine import Machine
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.machine import version_numbers
from tosa_edge.plugins.library import BUILD

AUTO = "auto"
PLUGIN_CHOICES = (AUTO, "on", "off")
NATIVE, PLUGIN = "native", "plugin"  # TensorRT's own layers for the `tosa` operators, or ours
_OLDEST_TENSORRT = (10, 3)
# What TensorRT-RTX names as its GPUs; a data centre's (8.0, 9.0, 10.0) are TensorRT's.
_RTX_SM = (75, 86, 89, 120, 121)


@dataclass(frozen=True)
class BackendChoice:
    """A backend, and what the user should know about the choice. `provider` is of ONNX Runtime."""

    backend: str
    notes: tuple[str, ...] = ()
    provider: str = CPU


@dataclass(frozen=True)
class LayerChoice:
    """Whose layers to build with; of two ways the faster engine is kept."""

    layer_kinds: tuple[str, ...] = (NATIVE,)
    notes: tuple[str, ...] = ()


def select_backend(asked: str, machine: Machine, targets: tuple[int, ...] = ()) -> BackendChoice:
    """`auto` is the best this machine can run; a backend by name is had or refused, never replaced."""
    if asked not in (AUTO, *BACKENDS):
        raise TosaEdgeError(
            f"there is no backend {asked!r}", f"Choose one of: {', '.join((AUTO, *BACKENDS))}."
        )
    if targets and asked != TENSORRT_RTX:
        raise TosaEdgeError(
            f"--target is for {TENSORRT_RTX}: other engines are for the machine that builds them",
            f"Add --backend {TENSORRT_RTX}, or leave --target out.",
        )
    return _best(machine) if asked == AUTO else _named(asked, machine)


def select_backend_and_provider(
    asked: str, provider: str, machine: Machine, targets: tuple[int, ...] = ()
) -> BackendChoice:
    """As `select_backend`, with the provider for ONNX Runtime; naming a provider asks for ONNX Runtime."""
    providers.check_choice(provider)
    if provider != AUTO:
        if asked not in (AUTO, ONNXRUNTIME):
            raise TosaEdgeError(
                f"--provider {provider} is of ONNX Runtime, and --backend {asked} was asked for",
                f"Leave --provider out, or take --backend {ONNXRUNTIME}.",
            )
        asked = ONNXRUNTIME
    choice = select_backend(asked, machine, targets)
    if choice.backend != ONNXRUNTIME:
        return choice
    found, notes = providers.select_provider(provider)
    # What would be better than the CPU is of no use where the GPU is used.
    return replace(choice, provider=found, notes=(*(choice.notes if found == CPU else ()), *notes))


def choose_plugin(asked: str, backend: str, library: Path | None, operators: int) -> LayerChoice:
    """`--plugin` for one engine.

    Args:
        library: our plugins for TensorRT, where they are here.
        operators: how many `tosa` operators the graph has.
    """
    if asked not in PLUGIN_CHOICES:
        raise TosaEdgeError(f"there is no --plugin {asked}", f"Choose one of: {', '.join(PLUGIN_CHOICES)}.")
    if asked == "on":
        _require_plugin(backend, library, operators)
        return LayerChoice((PLUGIN,))
    if asked == "off" or backend != TENSORRT or not operators:
        return LayerChoice()
    if library is None:
        return LayerChoice(notes=("our plugin is not here (docs/plugin.md): built of TensorRT's own layers",))
    return LayerChoice((NATIVE, PLUGIN))


def _require_plugin(backend: str, library: Path | None, operators: int) -> None:
    if backend != TENSORRT:
        raise TosaEdgeError(
            f"--plugin on is for {TENSORRT}, and this engine is for {backend}",
            f"Add --backend {TENSORRT}, or leave --plugin out.",
        )
    if not operators:
        raise TosaEdgeError(
            "--plugin on has no use: this graph selects no tokens",
            "Leave --plugin out, or choose another MODEL.",
        )
    if library is None:
        raise MachineLacks(
            "the TensorRT plugin of tosa-edge is not built here, and --plugin on asks for it",
            f"{BUILD} Or --plugin off: TensorRT builds the same model of its own layers.",
        )


def _best(machine: Machine) -> BackendChoice:
    gpu, versions = machine.gpu, machine.versions
    if gpu is None:
        return BackendChoice(
            ONNXRUNTIME,
            (f"no NVIDIA GPU here: built for ONNX Runtime; --backend {TENSORRT_RTX} builds for RTX cards",),
        )
    if _new_enough(versions.get(TENSORRT)):
        return BackendChoice(TENSORRT)
    if versions.get(TENSORRT_RTX) and gpu.sm in _RTX_SM:
        return BackendChoice(TENSORRT_RTX)
    backend = TENSORRT_RTX if gpu.sm in _RTX_SM else TENSORRT
    old = versions.get(TENSORRT)
    lacks = f"TensorRT {old} is too old, 10.3 is the first" if old else f"{TITLES[backend]} is not installed"
    return BackendChoice(ONNXRUNTIME, (f"{gpu.name} is not used: {lacks}. Do: {INSTALL[backend]}",))


def _named(backend: str, machine: Machine) -> BackendChoice:
    version = machine.versions.get(backend)
    if version is None:
        raise MachineLacks(
            f"{TITLES[backend]} is not installed, or its libraries do not load",
            f"Install it: {INSTALL[backend]}. Every machine has --backend {ONNXRUNTIME}.",
        )
    if backend == TENSORRT and not _new_enough(version):
        raise MachineLacks(
            f"TensorRT {version} is too old: 10.3 is the first that builds these graphs",
            f"Update it (on a Jetson: JetPack 6.1 or later), or use --backend {ONNXRUNTIME}.",
        )
    if backend == TENSORRT and machine.gpu is None:
        raise MachineLacks(
            "TensorRT builds on the GPU it is to run on, and this machine has none that its driver can use",
            f"Build on the robot itself; here, --backend {TENSORRT_RTX} builds for RTX cards without a GPU.",
        )
    if backend == TENSORRT_RTX and machine.gpu is None:
        return BackendChoice(backend, ("built and parsed, not run: this machine has no NVIDIA GPU",))
    return BackendChoice(backend)


def _new_enough(version: str | None) -> bool:
    return version_numbers(version) >= _OLDEST_TENSORRT
