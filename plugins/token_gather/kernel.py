"""TokenGather in Triton: a program for each kept token; its row is read once, its statistics never leave it.

Bytes, s to a number: K D s read, 2 K D s written, and the K indices. About 8 K D operations: memory decides.
A builder times plugins on whatever lies in memory: a token outside the picture counts as the nearest inside.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["tokens", "kept"])
def token_gather_kernel(
    x,
    index,
    weight,
    bias,
    rows,
    normed,
    tokens,
    kept,
    epsilon,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,  # the power of two that holds WIDTH
):
    place, picture = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    to = (picture.to(tl.int64) * kept + place) * WIDTH + column
    token = tl.load(index + picture.to(tl.int64) * kept + place)
    token = tl.minimum(tl.maximum(token, 0), tokens - 1)
    row = tl.load(x + (picture.to(tl.int64) * tokens + token) * WIDTH + column, mask=inside, other=0.0)
    tl.store(rows + to, row, mask=inside)
    wide = row.to(tl.float32)
    centred = tl.where(inside, wide - tl.sum(wide, 0) / WIDTH, 0.0)
    variance = tl.sum(centred * centred, 0) / WIDTH
    scaled = centred / tl.sqrt_rn(variance + epsilon)
    w = tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(bias + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(normed + to, (scaled * w + b).to(normed.dtype.element_ty), mask=inside)
