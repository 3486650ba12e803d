"""Which backend an engine is built for."""

from __future__ import annotations

from dataclasses import dataclass

from tosa_edge.engine import BACKENDS, ONNXRUNTIME, TENSORRT, TENSORRT_RTX
from tosa_edge.engine.compatibility import INSTALL, TITLES
from tosa_edge.engine.host import Machine
from tosa_edge.errors import MachineLacks, TosaEdgeError

AUTO = "auto"
PLUGIN_CHOICES = (AUTO, "on", "off")
_OLDEST_TENSORRT = (10, 3)
# What TensorRT-RTX names as its GPUs; a data centre's (9.0, 10.0) are TensorRT's.
_RTX_SM = (75, 80, 86, 89, 120, 121)


@dataclass(frozen=True)
class Choice:
    """A backend, and what the user should know about the choice."""

    backend: str
    notes: tuple[str, ...] = ()


def choose(asked: str, machine: Machine, targets: tuple[int, ...] = ()) -> Choice:
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


def choose_plugin(asked: str, backend: str) -> tuple[str, ...]:
    """What to note about `--plugin`. Native layers serve every backend; no plugin is part of this yet."""
    if asked not in PLUGIN_CHOICES:
        raise TosaEdgeError(f"there is no --plugin {asked}", f"Choose one of: {', '.join(PLUGIN_CHOICES)}.")
    if asked == "on":
        raise MachineLacks(
            "the TensorRT plugin of tosa-edge is not installed here, and --plugin on asks for it",
            "Use --plugin off: TensorRT builds the same model from its own layers.",
        )
    if asked == AUTO and backend == TENSORRT:
        return ("no tosa-edge plugin is installed here: built from TensorRT's own layers, untimed",)
    return ()


def _best(machine: Machine) -> Choice:
    gpu, versions = machine.gpu, machine.versions
    if gpu is None:
        return Choice(
            ONNXRUNTIME,
            (f"no NVIDIA GPU here: built for ONNX Runtime; --backend {TENSORRT_RTX} builds for RTX cards",),
        )
    if _new_enough(versions.get(TENSORRT)):
        return Choice(TENSORRT)
    if versions.get(TENSORRT_RTX) and gpu.sm in _RTX_SM:
        return Choice(TENSORRT_RTX)
    backend = TENSORRT_RTX if gpu.sm in _RTX_SM else TENSORRT
    return Choice(
        ONNXRUNTIME,
        (f"{gpu.name} is not used: {TITLES[backend]} is not installed. Do: {INSTALL[backend]}",),
    )


def _named(backend: str, machine: Machine) -> Choice:
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
        return Choice(backend, ("built and parsed, not run: this machine has no NVIDIA GPU",))
    return Choice(backend)


def _new_enough(version: str | None) -> bool:
    if not version:
        return False
    numbers = [int(part) if part.isdigit() else 0 for part in version.split(".")[:2]]
    return tuple(numbers) >= _OLDEST_TENSORRT
