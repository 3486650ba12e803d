"""The C++ plugin library of this machine: where it is, whose it is, and how a process gets it.

It is loaded through TensorRT's own registry, once: a second copy of the same plugins in one process, be it
from `libtosa_edge_register.so` or from `tensorrt.plugin`, would stand under the same names.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.files import sha256_of
from tosa_edge.plugins import OPERATORS, PLUGIN_NAMESPACE, PLUGIN_VERSION

NAME = "libtosa_edge_plugins.so"
REGISTER = "libtosa_edge_register.so"
VARIABLE = "TOSA_EDGE_PLUGIN"
BUILD = "Build it, `make plugin`, as docs/plugin.md says."
_FOLDER = Path(__file__).parent
PLACES = (_FOLDER / "tensorrt" / NAME, _FOLDER.parent / "build" / "plugin" / NAME)


def find_library() -> Path | None:
    """The library that `TOSA_EDGE_PLUGIN` names, else one beside the package or in its build folder."""
    named = os.environ.get(VARIABLE)
    if named:
        if not Path(named).is_file():
            raise TosaEdgeError(
                f"{VARIABLE} names {named}, which is no file", f"Correct {VARIABLE}, or unset it."
            )
        return Path(named).resolve()
    return next((place for place in PLACES if place.is_file()), None)


def load_library(trt: ModuleType) -> None:
    """Our plugins into the registry of `tensorrt`, unless they are there already."""
    registry = trt.get_plugin_registry()
    if not _unregistered(registry):
        return
    path = find_library()
    if path is None:
        raise MachineLacks("the TensorRT plugin of tosa-edge is not built here", BUILD)
    wanted, has = int(trt.__version__.split(".")[0]), tensorrt_major(path)
    if wanted != has:
        raise MachineLacks(
            f"{path} was compiled for TensorRT {has}, and this is {trt.__version__}",
            "Compile it against the headers of this TensorRT: make plugin TENSORRT_INCLUDE_DIR=...",
        )
    if registry.load_library(str(path)) is None:
        raise MachineLacks(f"TensorRT {trt.__version__} does not take {path}", f"Its log says why. {BUILD}")
    missing = _unregistered(registry)
    if missing:
        raise MachineLacks(
            f"TensorRT {trt.__version__} took {path} and does not know {', '.join(missing)} "
            f"in the namespace {PLUGIN_NAMESPACE}",
            f"Start the program with LD_PRELOAD={path.with_name(REGISTER)}, which registers them by itself; "
            "or build with --plugin off.",
        )


def _unregistered(registry: Any) -> list[str]:
    """Which of our operators no plugin stands for under our namespace, where the parser will look for it."""
    return [
        operator.name
        for operator in OPERATORS
        if registry.get_creator(operator.name, PLUGIN_VERSION, PLUGIN_NAMESPACE) is None
    ]


def tensorrt_major(path: Path) -> int:
    """The TensorRT whose headers a library was compiled against; between major versions they do not fit."""
    try:
        return ctypes.c_int32.in_dll(ctypes.CDLL(str(path)), "tosa_edge_tensorrt_major").value
    except (OSError, ValueError) as error:
        raise MachineLacks(f"{path} is not our plugin library for this machine: {error}", BUILD) from error


def identity(path: Path) -> tuple[str, str, str]:
    """Name, version and sha256: what an engine's manifest says of the plugin it was built with."""
    return NAME, PLUGIN_VERSION, sha256_of(path)
