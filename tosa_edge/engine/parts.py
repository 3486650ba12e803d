"""What a manifest is made of."""

from __future__ import annotations

from dataclasses import dataclass

NOT_RUN, PASSED, FAILED = "not run", "passed", "failed"


@dataclass(frozen=True)
class Port:
    """One input or output, as NumPy names its type."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Host:
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
class Judged:
    """One check of the validation; `limit` is None where a figure is only reported, `value` if not finite."""

    name: str
    value: float | None
    limit: float | None
    passed: bool


@dataclass(frozen=True)
class Validation:
    """`result` is "not run" until the engine has been compared with its model. Format 1 had no `checks`."""

    result: str = NOT_RUN
    note: str = "the engine has not been compared with its model"
    checks: tuple[Judged, ...] = ()


NOT_COMPARED = Validation()
