"""What an engine is judged by: small functions of arrays, and the limits.

Selection is judged as sets, on the worst picture. Arithmetic is judged by error against error: at most twice
what the same precision costs in ONNX Runtime, the graph computed there node for node. No tolerance is
picked by hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

# Of the kept patches, the share that float32 kept too: half precision flips a token whose importance is
# nearly that of another. INT8 is reported: what it costs is for `--max-drop` and for labelled pictures.
LEAST_OVERLAP = {"fp32": 0.999, "fp16": 0.98}
MOST_TIMES = 2.0  # the error of the same precision in ONNX Runtime
MOST_LOST = 0.01  # of delta1, on labelled pictures
UNIT = float(np.finfo(np.float32).eps) / 2  # the largest relative error of one rounding to float32


@dataclass(frozen=True)
class Check:
    """`limit` is None where a figure is only reported; `value` None where there is no finite one."""

    name: str
    value: float | None
    limit: float | None
    passed: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def at_most(name: str, value: float, limit: float | None) -> Check:
    finite = math.isfinite(value)
    return Check(name, value if finite else None, limit, finite and (limit is None or value <= limit))


def at_least(name: str, value: float, limit: float | None) -> Check:
    return Check(name, value, limit, limit is None or value >= limit)


def overlaps(some: Iterable[np.ndarray], exact: Iterable[np.ndarray]) -> np.ndarray:
    """Kept patches, [B, G, K] for each feed, to shares [pictures, G] that two runs have in common."""
    shares = [
        [len(np.intersect1d(x, y)) / len(y) for x, y in zip(one, other, strict=True)]
        for batch, its in zip(some, exact, strict=True)
        for one, other in zip(batch, its, strict=True)
    ]
    return np.array(shares)


def wrong_patches(kept: Iterable[np.ndarray], tokens: int) -> int:
    """How many entries name no patch, or one that is there already: sets of K are what a selection is."""
    wrong = 0
    for batch in kept:
        for row in batch.reshape(-1, batch.shape[-1]):
            inside = row[(row >= 0) & (row < tokens)]
            wrong += len(row) - len(np.unique(inside))
    return wrong


def not_finite(arrays: Iterable[np.ndarray]) -> int:
    return sum(int((~np.isfinite(array)).sum()) for array in arrays)


def relative_rms(some: Iterable[np.ndarray], exact: Iterable[np.ndarray]) -> float:
    """The root mean square difference over all pictures, as a share of the spread of the exact values."""
    ours, true = _flat(some), _flat(exact)
    with np.errstate(all="ignore"):  # infinities differ by NaN, which is above every limit
        return float(np.sqrt(np.mean((ours - true) ** 2))) / std_or_max(true)


def rounding_floor(exact: Iterable[np.ndarray], roundings: int) -> float:
    """Expected float32 rounding error in the unit of `relative_rms`; limits are never below it.

    The reference is computed in float32 too. n roundings in directions of their own add up to sqrt(n) units
    of 2**-24 of the values they round; n is counted in the graph (`roundings_of`).
    """
    true = _flat(exact)
    return math.sqrt(roundings) * UNIT * float(np.sqrt(np.mean(true**2))) / std_or_max(true)


def roundings_of(proto: onnx.ModelProto) -> int:
    """Of one number of the output: an addition for each term of each layer's sums, one more for each node."""
    from tosa_edge.calibration.constants import Constants

    constants = Constants(proto)
    terms = len(proto.graph.node)
    for node in proto.graph.node:
        if node.op_type not in ("MatMul", "Gemm", "Conv") or constants.source(node.input[1]) is None:
            continue
        shape = constants.value(node.input[1]).shape
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        if node.op_type == "Conv":
            terms += math.prod(shape[1:])
        else:
            terms += shape[-1] if transposed else shape[-2]
    return terms


def error_limit(same_precision: float | None, least: float) -> float | None:
    """Limit of the error of depth or of logits; None without a result of the same precision. One that is not
    finite contributes 0."""
    if same_precision is None:
        return None
    return max(MOST_TIMES * same_precision if math.isfinite(same_precision) else 0.0, least)


def _flat(arrays: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(a, np.float64).ravel() for a in arrays])


def std_or_max(true: np.ndarray) -> float:
    """The standard deviation; where all is the same, the value itself."""
    return float(true.std()) or float(np.abs(true).max()) or 1.0
