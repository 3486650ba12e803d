"""The tensors of a checkpoint file: names and shapes first, and bytes only of what is wanted.

Of a safetensors file the header is read without PyTorch. A `.pth` is a ZIP with a pickle in it, which could
run any code: PyTorch's reader for weights alone takes tensors, containers and numbers, and nothing else.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import open_file, require_regular
from tosa_edge.find_model import bundled_models
from tosa_edge.limits import CHECKPOINT
from tosa_edge.strict_json import read_object

if TYPE_CHECKING:
    from torch import Tensor

PICKLES = (".pth", ".pt", ".bin", ".ckpt")
_MOST_HEADER = 1 << 24  # a model of 5,000 tensors has one of 600 KB
_MOST_TENSORS = 1 << 16
_FLOATS = {"float64", "float32", "float16", "bfloat16"}
# Types by PyTorch's names, where a safetensors file has its own.
_KINDS = {"BF16": "bfloat16", **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)}}
_KINDS |= {f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)}
# Where a training keeps the model, beside its optimiser and its step.
_WRAPPERS = ("state_dict", "model", "teacher", "model_state_dict")


@dataclass(frozen=True)
class Stored:
    """The shapes and types of tensors by name, and what a safetensors file says of itself."""

    path: Path
    shapes: dict[str, tuple[int, ...]]
    kinds: dict[str, str]
    metadata: dict[str, str] = field(default_factory=dict)
    _read: dict[str, Tensor] | None = None

    def is_fraction(self, name: str) -> bool:
        return self.kinds[name] in _FLOATS

    def tensors(self, names: Iterable[str]) -> dict[str, Tensor]:
        if self._read is not None:
            return {name: self._read[name] for name in names}
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in names}
        except (SafetensorError, OSError) as error:
            raise _incomplete(self.path, error) from error


def open_checkpoint(path: Path) -> Stored:
    """Raises our error for what is no file of weights."""
    if not path.is_file():
        raise TosaEdgeError(
            f"there is no checkpoint {path}",
            f"Give a .safetensors or .pth file, a model folder, or one of: {', '.join(bundled_models())}.",
        )
    try:
        return _pickled(path) if path.suffix in PICKLES else _safetensors(path)
    except OSError as error:
        raise _incomplete(path, error) from error


def _safetensors(path: Path) -> Stored:
    with open_file(path, CHECKPOINT) as file:
        size = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, _MOST_HEADER):
            raise _incomplete(path, "its first line is not of a length that it can have")
        header = file.read(length)
    try:
        entries = read_object(header, _MOST_HEADER)
        metadata = entries.pop("__metadata__", {})
        if not isinstance(metadata, dict) or len(entries) > _MOST_TENSORS:
            raise ValueError("its first line is not a list of tensors")
        found = {name: _entry(raw, size - 8 - length) for name, raw in entries.items()}
    except ValueError as error:
        raise _incomplete(path, error) from None
    return Stored(
        path,
        {name: shape for name, (_, shape) in found.items()},
        {name: kind for name, (kind, _) in found.items()},
        {str(key): value for key, value in metadata.items() if isinstance(value, str)},
    )


def _entry(raw: Any, most: int) -> tuple[str, tuple[int, ...]]:
    """One tensor's type and shape; its place is checked by who reads it."""
    kind, shape = (raw.get("dtype"), raw.get("shape")) if isinstance(raw, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(shape, list) or len(shape) > 8:
        raise ValueError("a tensor has no type, or no shape")
    if not all(type(n) is int and n >= 0 for n in shape) or math.prod(shape) > 8 * most:
        raise ValueError("a tensor has a shape that the file has no room for")
    return _KINDS.get(kind, kind), tuple(shape)


def _pickled(path: Path) -> Stored:
    require_regular(path, CHECKPOINT)
    if not zipfile.is_zipfile(path):
        raise TosaEdgeError(
            f"{path} is no checkpoint of PyTorch's since 1.6: a bare pickle, or half a file",
            "Download it again, or save it anew where you trust it: torch.save(torch.load(PATH, "
            "weights_only=True), OUT).",
        )
    _check_archive(path)
    import torch

    try:
        raw = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a broken pickle ends PyTorch's reader in a dozen ways
        unsafe = isinstance(error, pickle.UnpicklingError)
        why = "its pickle asks for more than tensors, and was not run" if unsafe else "it is damaged"
        raise TosaEdgeError(
            f"{path} holds more, or less, than weights: {why}",
            "Download it again from its publisher, or ask for a .safetensors file.",
        ) from error
    return stored_of(path, _flat(path, raw))


def stored_of(path: Path, tensors: dict[str, Tensor]) -> Stored:
    """Of tensors that are in memory."""
    kinds = {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in tensors.items()}
    return Stored(path, {name: tuple(t.shape) for name, t in tensors.items()}, kinds, {}, tensors)


def _check_archive(path: Path) -> None:
    """Nothing in it unfolds into more than the file: PyTorch itself stores without compression."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _damaged(path, error) from None
    packed = [m.filename for m in members if m.compress_type != zipfile.ZIP_STORED]
    if packed or sum(m.file_size for m in members) > path.stat().st_size:
        raise _damaged(path, "it is compressed, which no checkpoint is")
    # The pickle names tensors and has none of their bytes; PyTorch loads it whole.
    if any(m.file_size > _MOST_HEADER for m in members if m.filename.endswith(".pkl")):
        raise _damaged(path, "its pickle is too large")


def _flat(path: Path, raw: Any) -> dict[str, Tensor]:
    import torch

    for key in _WRAPPERS:
        if isinstance(raw, dict) and isinstance(raw.get(key), dict):
            raw = raw[key]
            break
    if not isinstance(raw, dict) or not all(isinstance(name, str) for name in raw):
        raise _damaged(path, "it is no table of tensors by name")
    tensors = {name: value for name, value in raw.items() if isinstance(value, torch.Tensor)}
    size = path.stat().st_size
    for name, tensor in tensors.items():
        # Strides of zero make any shape out of one number.
        if tensor.layout != torch.strided or tensor.numel() * tensor.element_size() > size:
            raise _damaged(path, f"the tensor {name[:60]!a} is larger than the file")
    return tensors


def _damaged(path: Path, why: object) -> TosaEdgeError:
    return TosaEdgeError(f"{path} is not a whole checkpoint: {why}", "Download or save it again.")


def _incomplete(path: Path, why: object) -> TosaEdgeError:
    return TosaEdgeError(f"{path} is not a complete safetensors file: {why}", "Download or save it again.")
