"""TokenScatter in Triton: LayerScale, residual and scatter in one pass over the full token set.

A program for each token asks whether it was kept, by bisecting the ascending indices: log2 K reads of a list
that stays in cache, instead of an inverse list that somebody would have to write first. Kept tokens are
finished, the others copied.

Bytes, s to a number: (T - K) D s + 2 K D s read, T D s written. Where the host lets `out` be `x` itself
(IN_PLACE) a program for each kept token does, and the others are not touched: 2 K D s read, K D s written.
A builder times plugins on whatever lies in memory: a token outside the picture counts as the nearest inside.
`index` is trusted to ascend: unsorted, kept tokens would be missed.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["tokens", "kept"])
def token_scatter_kernel(
    x,
    index,
    rows,
    update,
    gamma,
    out,
    tokens,
    kept,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,  # the power of two that holds WIDTH
    IN_PLACE: tl.constexpr,
):
    number, picture = tl.program_id(0), tl.program_id(1).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    mine = index + picture * kept
    if IN_PLACE:
        place = number
        token = _token(mine + place, tokens)
        width = WIDTH
    else:
        token = number
        place = tl.minimum(_first_not_below(mine, kept, token, tokens), kept - 1)
        width = tl.where(_token(mine + place, tokens) == token, WIDTH, 0)
    to = (picture * tokens + token) * WIDTH + column
    take = column < width  # all of a kept token, nothing of another
    source = (picture * kept + place) * WIDTH + column
    row = tl.load(rows + source, mask=take, other=0.0)
    step = tl.load(update + source, mask=take, other=0.0)
    scale = tl.load(gamma + column, mask=take, other=0.0)
    # As PyTorch rounds: the product to the tensors' precision, then the sum.
    scaled = (step.to(tl.float32) * scale.to(tl.float32)).to(row.dtype)
    finished = (row.to(tl.float32) + scaled.to(tl.float32)).to(row.dtype)
    if not IN_PLACE:
        finished = tl.where(take, finished, tl.load(x + to, mask=inside & (column >= width), other=0.0))
    tl.store(out + to, finished, mask=inside)


@triton.jit
def _token(place, tokens):
    """The index that lies there, kept inside the picture."""
    return tl.minimum(tl.maximum(tl.load(place), 0), tokens - 1)


@triton.jit
def _first_not_below(ascending, count, value, tokens):
    """How many of the ascending numbers are smaller than the value."""
    low, high = value * 0, value * 0 + count
    while low < high:
        middle = (low + high) // 2
        below = _token(ascending + middle, tokens) < value
        low = tl.where(below, middle + 1, low)
        high = tl.where(below, high, middle)
    return low
