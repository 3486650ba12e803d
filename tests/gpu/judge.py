"""Is a result right? Its error against float64, of each picture, beside PyTorch's in the same precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from tests.gpu.cases import Case
from tests.plugins.judged import assert_as_good_as_torch, largest_score
from tosa_edge.nn import tosa


def form_of(case: Case) -> Callable:
    """The operator as PyTorch calls it."""
    if case.operator.name == "TokenImportance":
        return tosa.learned_importance if "w1" in case.arrays else tosa.previous_importance
    return {
        "TokenGather": tosa.gather_tokens,
        "SelectiveAttention": tosa.selective_attention,
        "TokenScatter": tosa.scatter_tokens,
    }[case.operator.name]


def tensors_of(arrays: dict[str, np.ndarray], device: str) -> list[torch.Tensor]:
    return [torch.from_numpy(a).to(device) for a in arrays.values()]


def judged(case: Case, ours: Sequence[np.ndarray], device: str) -> dict[str, Any]:
    """`passed`, and the error of the worst picture as a part of what is allowed it; where the floor is raised
    also as a part of what one last place would allow, which says whether it has to be."""
    passed = True
    worst: dict[str, float] = {}
    with torch.no_grad():
        for number in range(next(iter(case.arrays.values())).shape[0]):
            mine = [output[number : number + 1] for output in ours]
            good, shares = _picture(case, case.picture(number), mine, device)
            passed &= good
            worst = {name: max(worst.get(name, 0.0), share) for name, share in shares.items()}
    return {"passed": passed, **{name: round(share, 3) for name, share in worst.items()}}


def _picture(
    case: Case, arrays: dict[str, np.ndarray], ours: list[np.ndarray], device: str
) -> tuple[bool, dict[str, float]]:
    given = tensors_of(arrays, device)
    exact = [t.double() if t.is_floating_point() else t for t in given]
    plain = form_of(case).__wrapped__  # type: ignore[attr-defined]
    theirs, truth = (_arrays(plain(*tensors, **case.attributes)) for tensors in (given, exact))
    floors = {"of_allowed": 1.0}
    if "query_stride" in case.attributes:
        floors = {"of_allowed": largest_score(*exact, **case.attributes), "of_one_place": 1.0}
    try:
        assert_as_good_as_torch(ours, theirs, truth, floors["of_allowed"])
        good = True
    except AssertionError:
        good = False
    outputs = list(zip(ours, theirs, truth, strict=True))
    return good, {name: max(_share(*output, places) for output in outputs) for name, places in floors.items()}


def _share(ours: np.ndarray, theirs: np.ndarray, truth: np.ndarray, places: float) -> float:
    error, noise = (float(np.sqrt(np.mean((x.astype(np.float64) - truth) ** 2))) for x in (ours, theirs))
    floor = places * float(np.finfo(ours.dtype).eps * np.abs(truth).max())
    return error / (2 * max(noise, floor)) if np.isfinite(error) else float("inf")


def _arrays(result: Any) -> list[np.ndarray]:
    return [r.cpu().numpy() for r in (result if isinstance(result, tuple) else (result,))]
