"""What a graph says about itself: the JSON under `metadata_props["tosa"]`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from tosa_edge.limits import PIXELS, TOKENS
from tosa_edge.strict_json import read_object, readable

KEY = "tosa"
OUTPUT_KINDS = ("relative_inverse_depth", "metric_depth")

# No camera, no network and no batch has more; and what is computed from them stays a number to count with.
_MOST = 1 << 16
_WHOLE = (
    ("height", 1, _MOST),
    ("width", 1, _MOST),
    ("patch", 1, _MOST),
    ("batch", 1, _MOST),
    ("kept", 0, _MOST**2),
    ("query_stride", 1, _MOST**2),
    ("group", 0, _MOST),
)


def known_fields(cls: type, raw: dict[str, Any]) -> dict[str, Any]:
    """The entries of a JSON object that a dataclass has, lists as tuples; newer versions may write more."""
    known = {f.name for f in fields(cls)}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k in known}


@dataclass(frozen=True)
class GraphInfo:
    """One graph of a model.

    `selections` names the layer after which each selection is made; `kept` is the K of each of them,
    counted in patches (a class token always attends and is not counted). A dense graph has neither.
    """

    name: str
    height: int
    width: int
    patch: int
    output: str
    weights_sha256: str
    version: str
    batch: int = 1
    precision: str = "fp32"
    form: str = "portable"
    selective_layers: tuple[int, ...] = ()
    selections: tuple[int, ...] = ()
    keep: float = 1.0
    kept: int = 0
    query_stride: int = 1
    group: int = 0
    selector: str = ""
    spread: float = 0.0

    @property
    def tokens(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        return self.height // self.patch, self.width // self.patch

    @property
    def dense(self) -> bool:
        return not self.selective_layers

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> GraphInfo:
        """Raises ValueError when the text is not a description of a graph."""
        return cls.from_object(read_object(text))

    @classmethod
    def from_object(cls, raw: Any) -> GraphInfo:
        """From JSON that was read before."""
        if not isinstance(raw, dict):
            raise ValueError("is not an object")
        try:
            info = cls(**known_fields(cls, raw))
            info.check()
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from error
        return info

    def check(self) -> None:
        """Raises ValueError on a description that cannot be true, our error on one beyond the limits."""
        for field, least, most in _WHOLE:
            value = getattr(self, field)
            if not _whole(value, least, most):
                raise ValueError(f"{field} is {value!r:.60}, not a whole number from {least} to {most}")
        for field in ("name", "weights_sha256", "version", "precision", "form", "selector"):
            value = getattr(self, field)
            if not isinstance(value, str) or not readable(value):
                raise ValueError(f"{field} is not a line of text")
        for field in ("selective_layers", "selections"):
            value = getattr(self, field)
            if not isinstance(value, tuple) or not all(_whole(layer, 0, _MOST) for layer in value):
                raise ValueError(f"{field} is not a list of layers")
        for field, least, most in (("keep", 0, 1), ("spread", 0, _MOST)):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
                raise ValueError(f"{field} is {value!r:.60}, not a number from {least} to {most}")
        if self.height % self.patch or self.width % self.patch:
            raise ValueError(f"{self.height}x{self.width} is not a multiple of the patch {self.patch}")
        size = f"a graph of {self.batch} pictures of {self.width}x{self.height}"
        PIXELS.check(self.batch * self.height * self.width, size)
        TOKENS.check(self.tokens, f"{size} in patches of {self.patch}")
        if self.output not in OUTPUT_KINDS:
            raise ValueError(f"output is {self.output!r:.60}, not one of {', '.join(OUTPUT_KINDS)}")
        if not self.dense and not 1 <= self.kept <= self.tokens:
            raise ValueError(f"kept is {self.kept!r} of {self.tokens} tokens")


def _whole(value: Any, least: int, most: int) -> bool:
    """True is an int to Python, and no count."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
