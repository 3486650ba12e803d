"""What a graph says about itself: the JSON under `metadata_props["tosa"]`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from tosa_edge.field_checks import Check, exact_fields, integer, line, list_of, number, one_of
from tosa_edge.limits import PIXELS, TOKENS
from tosa_edge.row_sharing import Way
from tosa_edge.strict_json import read_object

KEY = "tosa"
LOGITS = "class_logits"
OUTPUT_KINDS = ("relative_inverse_depth", "metric_depth", LOGITS)
MOST_CLASSES = 1 << 16

# No camera, no network and no batch has more; and what is computed from them stays a number to count with.
_MOST = 1 << 16
_side, _layers = integer(1, _MOST), list_of(integer(0, _MOST), _MOST)
_CHECKS: dict[str, Check] = {
    "name": line,
    "height": _side,
    "width": _side,
    "patch": _side,
    "output": one_of(OUTPUT_KINDS),
    "weights_sha256": line,
    "version": line,
    "batch": _side,
    "precision": line,
    "form": line,
    "selective_layers": _layers,
    "selections": _layers,
    "keep": number(0, 1),
    "kept": integer(0, _MOST**2),
    "query_stride": integer(1, _MOST**2),
    "group": integer(0, _MOST),
    "selector": line,
    "spread": number(0, _MOST),
    "classes": integer(0, MOST_CLASSES),
    "labels": list_of(line, MOST_CLASSES),
    "crop": number(0.1, 1),
}


def answer_of(output: str) -> str:
    """The name of what a graph of this kind is for."""
    return "logits" if output == LOGITS else "depth"


def known_keys(cls: type, raw: dict[str, Any]) -> dict[str, Any]:
    """The entries of a JSON object that a dataclass has, lists as tuples; newer versions may write more."""
    known = {f.name for f in fields(cls)}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k in known}


@dataclass(frozen=True)
class GraphInfo:
    """One graph of a model.

    `selections` names the layer after which each selection is made; `kept` is the K of each of them,
    counted in patches (a class token always attends and is not counted). `ways` says how tokens that do not
    attend are represented. A dense graph has neither.

    Of a classifier: `classes`, the number of its logits, their names where it knows them, and the share of a
    picture's shorter side that it wants to see, from the middle.
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
    ways: tuple[Way, ...] = ()
    classes: int = 0
    labels: tuple[str, ...] = ()
    crop: float = 1.0

    @property
    def classifies(self) -> bool:
        return self.output == LOGITS

    @property
    def seen(self) -> float | None:
        """Of a classifier, the share of a frame's sides that it sees."""
        return self.crop if self.classifies else None

    @property
    def answer(self) -> str:
        """The name of the output that the model is for; the others say how tokens were treated."""
        return answer_of(self.output)

    @property
    def tokens(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        return self.height // self.patch, self.width // self.patch

    @property
    def dense(self) -> bool:
        """Every token attends in every layer."""
        return not self.selects and not self.ways

    @property
    def selects(self) -> bool:
        """Tokens that are not kept wait, as in the paper."""
        return bool(self.selective_layers)

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
            known = known_keys(cls, raw)
            known["ways"] = tuple(Way.from_object(way) for way in known.get("ways", ()))
            info = cls(**known)
            info.check()
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from error
        return info

    def check(self) -> None:
        """Raises ValueError on a description that cannot be true, our error on one beyond the limits."""
        exact_fields({name: value for name, value in vars(self).items() if name != "ways"}, _CHECKS)
        if self.height % self.patch or self.width % self.patch:
            raise ValueError(f"{self.height}x{self.width} is not a multiple of the patch {self.patch}")
        size = f"a graph of {self.batch} pictures of {self.width}x{self.height}"
        PIXELS.check(self.batch * self.height * self.width, size)
        TOKENS.check(self.tokens, f"{size} in patches of {self.patch}")
        if self.selects and not 1 <= self.kept <= self.tokens:
            raise ValueError(f"kept is {self.kept!r} of {self.tokens} tokens")
        if not self.selects and (self.selections or self.kept or self.keep != 1):
            raise ValueError("selects tokens without a layer that would skip the others")
        if self.selects and self.ways:
            raise ValueError("both selects tokens and represents them")
        if self.selects and not self.selections:
            raise ValueError("has selective layers and no selection")
        if self.classifies != bool(self.classes):
            raise ValueError(f"its output is {self.output}, of {self.classes} classes")
        if self.labels and len(self.labels) != self.classes:
            raise ValueError(f"{len(self.labels)} labels are not those of {self.classes} classes")
        if self.selects and self.kept != max(1, round(self.keep * self.tokens)):
            raise ValueError(f"kept is {self.kept} of {self.tokens} tokens, and keep is {self.keep:g}")
