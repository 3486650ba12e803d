"""MODEL, however the user names it, to the files that are meant.

A MODEL is a bundled name (`tosa_depth_s`, `tosa_depth_s:g3`), a model folder (`path`, `path:g3`) or one
self-contained `.onnx` file.
"""

from __future__ import annotations

import json
from pathlib import Path

from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import read_bytes

ASSETS = Path(__file__).parent / "assets"
DEFAULT_MODEL = "tosa_depth_s"
DEFAULT_VARIANT = "g1"
# How evenly kept tokens lie: what models are trained at, the study starts from and graphs are exported with.
DEFAULT_SPREAD = 8.0
WEIGHTS, MODEL = "weights.safetensors", "model.json"
HUB_WEIGHTS = "model.safetensors"  # of a folder as model hubs have them, with a config.json beside it


def bundled_models() -> list[str]:
    return sorted(p.parent.name for p in ASSETS.glob(f"*/{WEIGHTS}"))


def find_checkpoint(spec: str) -> Path:
    """The weights that are meant: a file's, a model folder's or a bundled model's."""
    for path in (Path(spec), Path(spec) / WEIGHTS, Path(spec) / HUB_WEIGHTS, ASSETS / spec / WEIGHTS):
        if path.is_file():
            return path
    raise TosaEdgeError(
        f"there is no checkpoint {spec!r}",
        f"Give a .safetensors or .pth file, a model folder, or one of: {', '.join(bundled_models())}.",
    )


def find_graph(spec: str) -> Path:
    """The `.onnx` file a MODEL means."""
    if Path(spec).is_file():
        return Path(spec)
    name, _, variant = spec.rpartition(":") if ":" in Path(spec).name else (spec, "", "")
    folder = Path(name) if Path(name).is_dir() else ASSETS / name
    if not name or not folder.is_dir():
        raise TosaEdgeError(
            f"there is no model {spec!r}: not a file, not a folder, not a bundled name",
            f"Give a path to an .onnx file or a model folder, or one of: {', '.join(bundled_models())}.",
        )
    graphs = sorted(p.stem for p in folder.glob("*.onnx"))
    if not graphs:
        raise TosaEdgeError(
            f"the folder {folder} holds no graphs",
            "Make a model folder with `tosa-edge export CKPT -o FOLDER`.",
        )
    wanted = variant or next((v for v in (_usual_variant(folder), "dense") if v in graphs), graphs[0])
    if not variant and wanted == graphs[0] and len(graphs) > 1 and not (folder / WEIGHTS).exists():
        raise TosaEdgeError(
            f"the folder {folder} holds {len(graphs)} models, and nothing says which is meant",
            f"Name one of them: {', '.join(str(folder / f'{g}.onnx') for g in graphs[:3])}.",
        )
    if wanted not in graphs:
        raise TosaEdgeError(
            f"{name} has no variant {wanted!r}",
            f"It has: {', '.join(f'{name}:{g}' for g in graphs)}.",
        )
    return folder / f"{wanted}.onnx"


def _usual_variant(folder: Path) -> str:
    """What the model says; of one that says nothing, g1 where selectors were trained, and else dense."""
    try:
        said = json.loads(read_bytes(folder / MODEL))
        if isinstance(default := said.get("default"), str):
            return default
        return "dense" if said["selectors"] is False else DEFAULT_VARIANT
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, TosaEdgeError):
        return DEFAULT_VARIANT  # as models say that were written before there were others


def files_of(spec: str) -> list[Path]:
    """The files that are read for a MODEL or an engine."""
    path = find_graph(spec)
    return [path, path.with_name(f"{path.name}.json"), path.parent / WEIGHTS, path.parent / MODEL]


def refuse_foreign(folder: Path) -> None:
    """Raises where anything but an exported model is in the way of one: the folder is replaced as a whole."""
    try:
        graphs = json.loads(read_bytes(folder / MODEL))["graphs"]
        ours = {MODEL, WEIGHTS, *(f"{name}.onnx" for name in graphs)}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, TosaEdgeError):
        ours = set()
    foreign = [p for p in sorted(folder.iterdir()) if p.name not in ours] if folder.is_dir() else []
    if foreign:
        raise TosaEdgeError(
            f"{folder} holds {foreign[0].name}, which is no part of a model that was exported there",
            "Take it out of there, or choose another place with -o: a model folder is replaced as a whole.",
        )


def label_of(path: Path) -> str:
    """A short name for tables and file names: `tosa_depth_s:g1`, or the stem of a file."""
    return f"{path.parent.name}:{path.stem}" if (path.parent / WEIGHTS).exists() else path.stem
