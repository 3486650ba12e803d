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

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from tosa_edge.nn import tosa


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
