"""Every operator at one size: what goes in, and all that is counted. Without PyTorch, which a memory checker
would take minutes to import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tosa_edge.plugins import (
    SELECTIVE_ATTENTION,
    TOKEN_GATHER,
    TOKEN_IMPORTANCE,
    TOKEN_IMPORTANCE_PREVIOUS,
    TOKEN_SCATTER,
    Operator,
)
from tosa_edge.plugins.kernel_list import MODELS
from tosa_edge.plugins.operator import Shape

DTYPES = {"fp16": np.float16, "fp32": np.float32}


@dataclass(frozen=True)
class Case:
    """`shape` is what a kernel file knows the model by."""

    operator: Operator
    precision: str
    shape: Mapping[str, int]
    arrays: dict[str, np.ndarray]
    attributes: dict[str, Any] = field(default_factory=dict)
    outside: bool = False  # there are indices outside the picture

    @property
    def in_place(self) -> bool:
        return bool(self.shape.get("in_place"))

    @property
    def name(self) -> str:
        sizes = self.sizes
        counts = {n: sizes[n] for n in ("batch", "tokens", "kept", "stride") if n in sizes}
        words = " ".join(f"{n} {v}" for n, v in {**self.shape, **counts}.items())
        return f"{self.operator.name} {self.precision} {words}" + self.outside * " outside"

    @property
    def sizes(self) -> dict[str, int]:
        """All that a launch counts."""
        known = {n: v for n, v in self.attributes.items() if isinstance(v, int)}
        for name, axes in self.operator.axes.items():
            for axis, length in zip(axes.split(), self.arrays[name].shape, strict=True):
                if "*" not in axis:
                    known[axis] = length
        return {**known, **self.operator.sizes(known)}

    @property
    def outputs(self) -> dict[str, tuple[Shape, np.dtype]]:
        shapes = self.operator.shapes(*(a.shape for a in self.arrays.values()))
        first = next(iter(self.arrays.values())).dtype
        wide = self.operator.float32_outputs
        return {
            name: (shape, np.dtype(np.float32) if name in wide else first)
            for name, shape in zip(self.operator.outputs, shapes, strict=True)
        }

    @property
    def scratch(self) -> dict[str, Shape]:
        return self.operator.scratch(self.sizes)

    def picture(self, number: int) -> dict[str, np.ndarray]:
        """The inputs as of that picture alone, indices as a kernel takes them; weights have no pictures."""
        batched = {name for name, axes in self.operator.axes.items() if axes.split()[0] == "batch"}
        arrays = {n: a[number : number + 1] if n in batched else a for n, a in self.arrays.items()}
        if "index" in arrays:
            arrays["index"] = arrays["index"].clip(0, self.arrays["x"].shape[1] - 1)
        return arrays


def importance(
    precision: str, batch: int, tokens: int, stride: int, heads: int, head_dim: int, hidden: int
) -> Case:
    random = _random(precision, batch, tokens, hidden)
    arrays = {"qkv": random(batch, tokens, 3 * heads * head_dim)}
    if hidden:
        arrays |= {"w1": random(hidden, heads), "b1": random(hidden), "w2": random(heads, hidden)}
    attributes = {"num_heads": heads, "query_stride": stride, "scale": head_dim**-0.5}
    shape = {"heads": heads, "head_dim": head_dim, "hidden": hidden}
    operator = TOKEN_IMPORTANCE if hidden else TOKEN_IMPORTANCE_PREVIOUS
    return Case(operator, precision, shape, arrays, attributes)


def attention(precision: str, batch: int, kept: int, heads: int, head_dim: int) -> Case:
    arrays = {"qkv": _random(precision, batch, kept)(batch, kept, 3 * heads * head_dim)}
    attributes = {"num_heads": heads, "scale": head_dim**-0.5}
    return Case(SELECTIVE_ATTENTION, precision, {"head_dim": head_dim}, arrays, attributes)


def gather(precision: str, batch: int, tokens: int, kept: int, width: int) -> Case:
    random = _random(precision, batch, tokens)
    index = random_index(np.random.default_rng(tokens), batch, tokens, kept)
    arrays = {
        "x": random(batch, tokens, width),
        "index": index,
        "weight": random(width),
        "bias": random(width),
    }
    return Case(TOKEN_GATHER, precision, {"width": width}, arrays, {"epsilon": 1e-6})


def scatter(precision: str, batch: int, tokens: int, kept: int, width: int, in_place: int = 0) -> Case:
    random = _random(precision, batch, tokens)
    index = random_index(np.random.default_rng(tokens), batch, tokens, kept)
    rows, update = random(batch, kept, width), random(batch, kept, width)
    arrays = {"x": random(batch, tokens, width), "index": index, "rows": rows, "update": update}
    arrays["gamma"] = random(width)
    return Case(TOKEN_SCATTER, precision, {"width": width, "in_place": in_place}, arrays)


def outside(case: Case) -> Case:
    """The same with its first and last index far outside the picture, ascending as before."""
    index, any_number = case.arrays["index"].copy(), np.iinfo(np.int32)
    index[:, 0], index[:, -1] = any_number.min, any_number.max
    return replace(case, arrays={**case.arrays, "index": index}, outside=True)


def of_kernel(
    operator: str,
    precision: str,
    shape: Mapping[str, int],
    batch: int,
    tokens: int,
    kept: int,
    strides: tuple[int, ...],
) -> Iterator[Case]:
    """What a kernel of a kernel file can be asked to do at these sizes."""
    if operator == "TokenImportance":
        for stride in strides:
            yield importance(precision, batch, tokens, stride, **shape)
    elif operator == "SelectiveAttention":
        for heads, head_dim in MODELS:
            if head_dim == shape["head_dim"]:
                yield attention(precision, batch, kept, heads, head_dim)
    elif operator == "TokenGather":
        yield gather(precision, batch, tokens, kept, **shape)
    else:
        yield scatter(precision, batch, tokens, kept, **shape)


def of_model(
    precision: str, batch: int, tokens: int, kept: int, heads: int = 6, head_dim: int = 64
) -> dict[str, Case]:
    """All operators of one model, by short names."""
    width = heads * head_dim
    return {
        "gather": gather(precision, batch, tokens, kept, width),
        "attention": attention(precision, batch, kept, heads, head_dim),
        "scatter": scatter(precision, batch, tokens, kept, width),
        **{
            f"importance_{stride}": importance(precision, batch, tokens, stride, heads, head_dim, 2 * heads)
            for stride in (1, 8)
        },
    }


def random_index(rng: np.random.Generator, batch: int, tokens: int, kept: int) -> np.ndarray:
    """Other tokens for each picture, ascending."""
    return np.stack([np.sort(rng.permutation(tokens)[:kept]) for _ in range(batch)]).astype(np.int32)


def _random(precision: str, *seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return lambda *shape: rng.standard_normal(shape, np.float32).astype(DTYPES[precision])
