"""How a kernel or an ONNX body is judged: its error against float64 is at most twice PyTorch's, or the floor.

The floor of most operators is one last place of the largest value: a handful of numbers may come out exact
by luck, and PyTorch's error be 0.

TokenImportance has a higher one, for it ends in exp(score - largest score). Of a score s float32 knows no
more than eps |s|, and exp makes of that absolute error a relative one: exp(s + d) = exp(s) (1 + d), nearly.
PyTorch computes the map once, so that the largest score cancels to the bit. The kernel computes it twice,
in two launches whose products have their sides swapped. On a GPU both should add up in one order, which
nobody has measured; the BLAS under Triton's interpreter does not everywhere (OpenBLAS on its Haswell and
Zen kernels; on its SkylakeX and Prescott ones it happens to), and then nothing cancels. So its floor is eps
times the largest |score|, as a relative error: 1 to 30 last places for ordinary numbers, 60,000 (0.7 %) for
scores of 60,000.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tosa_edge.nn import tosa

if TYPE_CHECKING:
    from tests.gpu.cases import Case


def assert_as_good_as_torch(
    body: Sequence[np.ndarray],
    torch_form: Sequence[np.ndarray],
    exact: Sequence[np.ndarray],
    last_places: float = 1.0,
) -> None:
    """Error (root mean square) against float64: at most twice PyTorch's, or twice a floor."""
    for ours, theirs, truth in zip(body, torch_form, exact, strict=True):
        assert ours.shape == truth.shape
        error, noise = (np.sqrt(np.mean((x.astype(np.float64) - truth) ** 2)) for x in (ours, theirs))
        floor = last_places * np.finfo(ours.dtype).eps * np.abs(truth).max()
        assert error <= 2 * max(noise, floor)


def largest_score(
    qkv: Tensor, *convolutions: Tensor, num_heads: int, query_stride: int, scale: float
) -> float:
    """The largest |score| on the way to an importance, before and after the convolutions; 1 at least."""
    scores = tosa.score_map(qkv.double(), num_heads=num_heads, query_stride=query_stride, scale=scale)
    steps = [scores]
    if convolutions:
        w1, b1, w2 = (w.double() for w in convolutions)
        steps.append(w1 @ scores.flatten(2) + b1[:, None])
        steps.append(w2 @ steps[-1].relu())
    finite = [step[step.isfinite()] for step in steps]
    return max([1.0, *(float(step.abs().max()) for step in finite if step.numel())])


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
