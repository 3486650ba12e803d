"""The names of engines, `MODEL-VARIANT-HxW-bB.PRECISION.BACKEND[.PROVIDER][.smNN].engine`, and of their
manifests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tosa_edge.engine import BACKENDS, GPU_PROVIDERS, ONNXRUNTIME, PRECISIONS

_NAME = re.compile(
    r"(?P<model>.+)-(?P<variant>(?:dense|g[1-9]\d*)(?:\.reuse)?)"
    r"-(?P<height>[1-9]\d{0,5})x(?P<width>[1-9]\d{0,5})-b(?P<batch>[1-9]\d{0,5})"
    rf"\.(?P<precision>{'|'.join(PRECISIONS)})\.(?P<backend>{'|'.join(map(re.escape, BACKENDS))})"
    rf"(?:\.(?P<provider>{'|'.join(GPU_PROVIDERS)}))?"
    r"(?P<targets>(?:\.sm[1-9]\d{1,2})*)\.(?P<suffix>engine|onnx)",
    re.ASCII,
)


@dataclass(frozen=True)
class EngineName:
    """`targets` holds 86 for `.sm86`; several of them follow one another. `provider` is of ONNX Runtime."""

    model: str
    variant: str
    height: int
    width: int
    batch: int
    precision: str
    backend: str
    targets: tuple[int, ...] = ()
    provider: str | None = None

    def __str__(self) -> str:
        provider = f".{self.provider}" if self.provider else ""
        targets = "".join(f".sm{sm}" for sm in self.targets)
        return (
            f"{self.model}-{self.variant}-{self.height}x{self.width}-b{self.batch}"
            f".{self.precision}.{self.backend}{provider}{targets}{suffix_of(self.backend)}"
        )


def suffix_of(backend: str) -> str:
    """An engine of ONNX Runtime is an ONNX file still."""
    return ".onnx" if backend == ONNXRUNTIME else ".engine"


def parse_name(name: str) -> EngineName | None:
    """What a file's name says, or None when it is not an engine's."""
    found = _NAME.fullmatch(name)
    if found is None or f".{found['suffix']}" != suffix_of(found["backend"]):
        return None
    if found["provider"] and found["backend"] != ONNXRUNTIME:
        return None
    return EngineName(
        found["model"],
        found["variant"],
        int(found["height"]),
        int(found["width"]),
        int(found["batch"]),
        found["precision"],
        found["backend"],
        tuple(int(sm) for sm in found["targets"].split(".sm")[1:]),
        found["provider"],
    )


def manifest_path(engine: Path) -> Path:
    return engine.with_name(f"{engine.name}.json")


def is_engine(path: Path) -> bool:
    """By its name, or by the manifest beside it. An ONNX Runtime engine is marked inside as well."""
    return path.suffix == ".engine" or parse_name(path.name) is not None or manifest_path(path).is_file()
