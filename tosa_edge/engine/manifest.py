"""What an engine was made of, by and for: the JSON file beside it.

Read strictly, because it decides whether bytes are handed to a runtime: every field is there, of its kind
and finite, and nothing else is. Whoever adds a field adds 1 to FORMAT.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tosa_edge.engine import BACKENDS, GPU_PROVIDERS, PRECISIONS
from tosa_edge.errors import TosaEdgeError
from tosa_edge.field_checks import (
    Check,
    boolean,
    exact_fields,
    integer,
    list_of,
    mapping,
    number,
    one_of,
    optional,
    setting,
    sha256,
    text,
)
from tosa_edge.files import open_file
from tosa_edge.graph_info import GraphInfo
from tosa_edge.interface import Port, check_interface
from tosa_edge.strict_json import MAX_BYTES, read_object

FORMAT = 5
NOT_RUN, PASSED, FAILED = "not run", "passed", "failed"


@dataclass(frozen=True)
class BuildHost:
    """The machine an engine was built on, as far as an engine cares; None where there is none of it.

    Formats before 4 have neither `multiprocessors` nor `module`.
    """

    arch: str
    cpu: str
    cpu_features: tuple[str, ...]
    onnxruntime: str | None = None
    gpu: str | None = None
    sm: int | None = None
    cuda: str | None = None
    driver: str | None = None
    jetpack: str | None = None
    multiprocessors: int | None = None
    module: str | None = None


@dataclass(frozen=True)
class Plugin:
    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Provider:
    """What computes an engine of ONNX Runtime, where it is not the CPU; `version` is of its package."""

    name: str
    version: str


@dataclass(frozen=True)
class CheckResult:
    """One check of the validation; `limit` is None where a figure is only reported, `value` if not finite."""

    name: str
    value: float | None
    limit: float | None
    passed: bool


@dataclass(frozen=True)
class Validation:
    """`result` is "not run" until the engine has been compared with its model."""

    result: str = NOT_RUN
    note: str = "the engine has not been compared with its model"
    checks: tuple[CheckResult, ...] = ()


NOT_COMPARED = Validation()


class NewerFormat(ValueError):
    """The manifest was written by a later tosa-edge."""


@dataclass(frozen=True)
class Manifest:
    """`source` is the MODEL as `tosa-edge build` takes it, `model` its short name.

    model_sha256: of the graph's file, which in a model folder names the sha256 of its weights.
    targets: the compute capabilities asked for, as 86 for 8.6; none means whatever the backend supports.
    calibration: sha256 of the quantised graph, where calibration made it; `pictures` is where from.
    plugin_choice: the timing by which `plugin` or native was chosen, where both were built.
    graph: what the graph says of itself, for hosts whose engines do not hold it.
    provider: of ONNX Runtime, where it is not the CPU.
    """

    engine_sha256: str
    engine_bytes: int
    backend: str
    backend_version: str
    model: str
    source: str
    model_sha256: str
    precision: str
    form: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    keep: float
    query_stride: int
    group: int
    host: BuildHost
    targets: tuple[int, ...]
    settings: dict[str, Any]
    built: str
    tosa_edge: str
    plugin: Plugin | None = None
    calibration: str | None = None
    pictures: str | None = None
    plugin_choice: dict[str, Any] | None = None
    validation: Validation = NOT_COMPARED
    graph: GraphInfo | None = None
    provider: Provider | None = None
    format: int = FORMAT

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Raises ValueError, in one line, for anything but a whole manifest of this format."""
        raw = read_object(data)
        found = raw.get("format")
        if isinstance(found, int) and not isinstance(found, bool) and found > FORMAT:
            raise NewerFormat("it was written by a newer tosa-edge")
        if found in range(1, FORMAT):
            raise ValueError(f"it is of format {found}, which is not read any more")
        manifest = cls(**exact_fields(raw, _MANIFEST))
        if manifest.graph is not None:
            manifest.check(manifest.graph, "its graph")
        return manifest

    def check(self, info: GraphInfo, whose: str) -> None:
        """Raises ValueError unless the manifest says what the graph says of itself."""
        for field in ("form", "keep", "query_stride", "group"):
            mine, true = getattr(self, field), getattr(info, field)
            if mine != true:
                raise ValueError(f"{field} is {mine}, and {whose} says {true}")
        check_interface(info, self.inputs, self.outputs)
        # What is in int8 is told by the graph, not by its description.
        if self.graph is not None and replace(self.graph, precision=info.precision) != info:
            raise ValueError(f"its graph is described otherwise than {whose} does")


def _made(cls: type, checks: dict[str, Check]) -> Check:
    return lambda value: cls(**exact_fields(value, checks))


def _consistent(check: Check) -> Check:
    """A result that its own checks contradict is believed neither way."""

    def consistent(value: Any) -> Validation:
        found: Validation = check(value)
        whole = all(one.passed for one in found.checks)
        if (found.result == PASSED and not whole) or (found.result == FAILED and found.checks and whole):
            raise ValueError(f"says {found.result!r}, and its checks say otherwise")
        return found

    return consistent


def _graph(value: Any) -> GraphInfo:
    found = GraphInfo.from_object(value)
    if set(value) != set(vars(found)):
        raise ValueError("has other fields than the description of a graph")
    return found


_sm = integer(10, 999)
_port = _made(Port, {"name": text, "dtype": text, "shape": list_of(integer(1, 2**31), most=8)})
_HOST: dict[str, Check] = {
    "arch": text,
    "cpu": text,
    "cpu_features": list_of(text),
    "sm": optional(_sm),
    **{name: optional(text) for name in ("onnxruntime", "gpu", "cuda", "driver", "jetpack", "module")},
    "multiprocessors": optional(integer(1, 2**16)),
}
_VALIDATION: dict[str, Check] = {"result": one_of((NOT_RUN, PASSED, FAILED)), "note": text}
_figure = optional(number(-1e300, 1e300))
_judged = _made(CheckResult, {"name": text, "value": _figure, "limit": _figure, "passed": boolean})
_MANIFEST: dict[str, Check] = {
    "format": integer(FORMAT, FORMAT),
    "engine_sha256": sha256,
    "engine_bytes": integer(1, 2**40),
    "backend": one_of(BACKENDS),
    "backend_version": text,
    "model": text,
    "source": text,
    "model_sha256": sha256,
    "precision": one_of(PRECISIONS),
    "form": one_of(("portable", "reuse", "plugin")),
    "inputs": list_of(_port),
    "outputs": list_of(_port),
    "keep": number(0, 1),
    "query_stride": integer(1, 2**31),
    "group": integer(0, 2**31),
    "host": _made(BuildHost, _HOST),
    "targets": list_of(_sm),
    "settings": mapping(setting),
    "built": text,
    "tosa_edge": text,
    "plugin": optional(_made(Plugin, {"name": text, "version": text, "sha256": sha256})),
    "calibration": optional(sha256),
    "pictures": optional(text),
    "plugin_choice": optional(mapping(setting)),
    "validation": _consistent(_made(Validation, {**_VALIDATION, "checks": list_of(_judged)})),
    "graph": optional(_graph),
    "provider": optional(_made(Provider, {"name": one_of(GPU_PROVIDERS), "version": text})),
}


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file. NewerFormat passes through: what to do about it depends on the reader."""
    remedy = "Build the engine again with `tosa-edge build`: a manifest is not to be edited."
    try:
        with open_file(path, limit=None) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TosaEdgeError(
            f"{path} cannot be read: {error.strerror}", "Check its path and rights."
        ) from error
    try:
        return Manifest.from_json(data)
    except NewerFormat:
        raise
    except ValueError as error:
        raise TosaEdgeError(f"{path} is not a manifest that can be trusted: {error}", remedy) from error
