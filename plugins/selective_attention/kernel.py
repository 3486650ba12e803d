"""SelectiveAttention in Triton: flash attention over the packed projections of the kept tokens.

A program takes BLOCK_M queries of one head and walks over all keys with a running maximum and sum, so no map
is written; it reads q, k and v where the projection left them and writes its head where the merged output
wants it: no split, no transpose, no merge. Only the last block of keys is masked.

Bytes, s to a number: 4 K D s at least (k and v once more for every further block of queries, from cache).
4 K^2 D operations on the matrix units. Softmax is float32; float32 products are IEEE, not TF32.
Scores are float32 from the start: where they would overflow float16, and PyTorch's in half do, these do not.
They are in base 2, `scale log2(e) q k`, because that is the exponential a GPU has; the factor is one
fused multiply-add with the subtraction of the maximum.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["kept"])
def selective_attention_kernel(
    qkv,
    out,
    kept,
    scale,
    HEAD_DIM: tl.constexpr,  # a power of two, 16 at least
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    block, head, picture = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    width = tl.num_programs(1) * HEAD_DIM
    first = qkv + picture * kept * 3 * width + head * HEAD_DIM
    query = block * BLOCK_M + tl.arange(0, BLOCK_M)
    part = tl.arange(0, HEAD_DIM)
    there = query[:, None] < kept
    q = tl.load(first + query[:, None] * 3 * width + part[None, :], mask=there, other=0.0)
    factor = scale * 1.4426950408889634
    most = tl.full((BLOCK_M,), -float("inf"), tl.float32)
    total = tl.zeros((BLOCK_M,), tl.float32)
    mixed = tl.zeros((BLOCK_M, HEAD_DIM), tl.float32)
    whole = kept // BLOCK_N * BLOCK_N
    for start in range(0, whole, BLOCK_N):
        most, total, mixed = _turn(
            q, first, start, kept, width, factor, most, total, mixed, HEAD_DIM, BLOCK_N, False
        )
    if whole < kept:
        most, total, mixed = _turn(
            q, first, whole, kept, width, factor, most, total, mixed, HEAD_DIM, BLOCK_N, True
        )
    to = out + (picture * kept + query[:, None]) * width + head * HEAD_DIM + part[None, :]
    tl.store(to, (mixed / total[:, None]).to(out.dtype.element_ty), mask=there)


@triton.jit
def _turn(
    q,
    first,
    start,
    kept,
    width,
    factor,
    most,
    total,
    mixed,
    HEAD_DIM: tl.constexpr,
    BLOCK_N: tl.constexpr,
    LAST: tl.constexpr,  # does the block reach beyond the kept tokens?
):
    """The next block of keys: largest score of each row, sum of its weights, its mix of values."""
    key = start + tl.arange(0, BLOCK_N)
    from_ = first + key[:, None] * 3 * width + tl.arange(0, HEAD_DIM)[None, :]
    if LAST:
        k = tl.load(from_ + width, mask=key[:, None] < kept, other=0.0)
        v = tl.load(from_ + 2 * width, mask=key[:, None] < kept, other=0.0)
    else:
        k = tl.load(from_ + width)
        v = tl.load(from_ + 2 * width)
    scores = tl.dot(q, tl.trans(k), input_precision="ieee")
    if LAST:
        scores = tl.where(key[None, :] < kept, scores, -float("inf"))
    higher = tl.maximum(most, tl.max(scores, 1) * factor)
    base = tl.where(higher == -float("inf"), 0.0, higher)  # keys that count for nothing, so far
    shrunk = tl.exp2(most - base)
    weights = tl.exp2(scores * factor - base[:, None])
    total = total * shrunk + tl.sum(weights, 1)
    mixed = mixed * shrunk[:, None] + tl.dot(weights.to(v.dtype), v, input_precision="ieee")
    return higher, total, mixed
