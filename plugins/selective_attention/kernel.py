"""SelectiveAttention in Triton: flash attention over the packed projections of the kept tokens.

A program takes BLOCK_M queries of one head and walks over all keys with a running maximum and sum, so no map
is written; it reads q, k and v where the projection left them and writes its head where the merged output
wants it: no split, no transpose, no merge.

Bytes, s to a number: 4 K D s at least (k and v once more for every further block of queries, from cache).
4 K^2 D operations on the matrix units. Softmax is float32; float32 products are IEEE, not TF32.
Scores are float32 from the start: where they would overflow float16, and PyTorch's in half do, these do not.
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
    q = (q * scale).to(q.dtype)
    most = tl.full((BLOCK_M,), -float("inf"), tl.float32)
    total = tl.zeros((BLOCK_M,), tl.float32)
    mixed = tl.zeros((BLOCK_M, HEAD_DIM), tl.float32)
    for start in range(0, kept, BLOCK_N):
        key = start + tl.arange(0, BLOCK_N)
        from_ = first + key[:, None] * 3 * width + part[None, :]
        real = key[:, None] < kept
        k = tl.load(from_ + width, mask=real, other=0.0)
        v = tl.load(from_ + 2 * width, mask=real, other=0.0)
        scores = tl.dot(q, tl.trans(k), input_precision="ieee")
        scores = tl.where(key[None, :] < kept, scores, -float("inf"))
        higher = tl.maximum(most, tl.max(scores, 1))
        base = tl.where(higher == -float("inf"), 0.0, higher)  # keys that count for nothing, so far
        shrunk = tl.exp(most - base)
        weights = tl.exp(scores - base[:, None])
        total = total * shrunk + tl.sum(weights, 1)
        mixed = mixed * shrunk[:, None] + tl.dot(weights.to(v.dtype), v, input_precision="ieee")
        most = higher
    to = out + (picture * kept + query[:, None]) * width + head * HEAD_DIM + part[None, :]
    tl.store(to, (mixed / total[:, None]).to(out.dtype.element_ty), mask=there)
