"""TokenImportance in Triton: column sums of a predicted attention map that is never written.

The two pointwise convolutions mix heads, so a tile of the map is computed for all heads at once and stays in
registers. Two launches, both deterministic (no atomics: a sum that varied would vary the kept set):

    statistics   a program for BLOCK_Q sampled queries and one of PARTS shares of the keys: largest score and
                 sum of exponentials of every row and head        [B, heads, 2, PARTS, Q], float32
    columns      a program for BLOCK_K keys walks over all sampled queries, merges their parts, makes the
                 tiles again, and sums exp(map - largest) / sum over queries and heads   [B, T], float32

Keys are shared out because few queries are sampled: without it, stride 8 would occupy a few multiprocessors.
Memory O(heads PARTS Q + T). Bytes, s to a number: Q D s + T D s, once more for every further block of
the other side, from cache. Operations: 4 Q T D on the matrix units and 8 Q T heads hidden on the ordinary
cores, both passes together; the latter are the floor: at T = 4096, stride 1, 6 heads and 12 hidden 9.7e9.
"""

from __future__ import annotations

import triton
import triton.language as tl

# ruff: noqa: RUF005 (Triton knows no starred tuples)

RUN_TIME = ["tokens", "queries", "stride"]  # one kernel for all their values


@triton.jit(do_not_specialize=RUN_TIME)
def statistics_kernel(
    qkv,
    w1,
    b1,
    w2,
    statistics,
    tokens,
    queries,
    stride,
    scale,
    HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,  # a power of two, 16 at least
    HIDDEN: tl.constexpr,  # 0: no convolutions, the map as it is
    PARTS: tl.constexpr,  # a power of two: into so many are the keys divided
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    block, part, picture = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    query = block * BLOCK_Q + tl.arange(0, BLOCK_Q)
    first = qkv + picture * tokens * 3 * HEADS * HEAD_DIM
    part_of_head = tl.arange(0, HEAD_DIM)[None, :]
    held = first + (query * stride)[:, None] * (3 * HEADS * HEAD_DIM) + part_of_head
    most, total = (), ()
    for _ in tl.static_range(HEADS):
        most = most + (tl.full((BLOCK_Q,), -float("inf"), tl.float32),)
        total = total + (tl.zeros((BLOCK_Q,), tl.float32),)
    chunk = tl.cdiv(tl.cdiv(tokens, PARTS), BLOCK_K) * BLOCK_K
    for start in range(part * chunk, tl.minimum(part * chunk + chunk, tokens), BLOCK_K):
        key = start + tl.arange(0, BLOCK_K)
        walked = first + key[:, None] * (3 * HEADS * HEAD_DIM) + HEADS * HEAD_DIM + part_of_head
        tile = _map_tile(
            walked, key < tokens, held, query < queries, scale, w1, b1, w2, HEADS, HEAD_DIM, HIDDEN
        )
        new_most, new_total = (), ()
        for head in tl.static_range(HEADS):
            scores = tl.where(key[:, None] < tokens, tile[head], -float("inf"))
            higher = tl.maximum(most[head], tl.max(scores, 0))
            base = tl.where(higher == -float("inf"), 0.0, higher)  # keys that count for nothing, so far
            shrunk = total[head] * tl.exp(most[head] - base)
            new_most = new_most + (higher,)
            new_total = new_total + (shrunk + tl.sum(tl.exp(scores - base[None, :]), 0),)
        most, total = new_most, new_total
    for head in tl.static_range(HEADS):
        to = statistics + ((picture * HEADS + head) * 2 * PARTS + part) * queries + query
        tl.store(to, most[head], mask=query < queries)
        tl.store(to + PARTS * queries, total[head], mask=query < queries)


@triton.jit(do_not_specialize=RUN_TIME)
def columns_kernel(
    qkv,
    w1,
    b1,
    w2,
    statistics,
    importance,
    tokens,
    queries,
    stride,
    scale,
    HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    HIDDEN: tl.constexpr,
    PARTS: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    block, picture = tl.program_id(0), tl.program_id(1).to(tl.int64)
    key = block * BLOCK_K + tl.arange(0, BLOCK_K)
    first = qkv + picture * tokens * 3 * HEADS * HEAD_DIM
    part_of_head = tl.arange(0, HEAD_DIM)[None, :]
    held = first + key[:, None] * (3 * HEADS * HEAD_DIM) + HEADS * HEAD_DIM + part_of_head
    looked = tl.zeros((BLOCK_K,), tl.float32)
    for start in range(0, queries, BLOCK_Q):
        query = start + tl.arange(0, BLOCK_Q)
        real = query < queries
        walked = first + (query * stride)[:, None] * (3 * HEADS * HEAD_DIM) + part_of_head
        tile = _map_tile(walked, real, held, key < tokens, scale, w1, b1, w2, HEADS, HEAD_DIM, HIDDEN)
        for head in tl.static_range(HEADS):
            rows = statistics + (picture * HEADS + head) * 2 * PARTS * queries
            rows += tl.arange(0, PARTS)[:, None] * queries + query[None, :]
            mosts = tl.load(rows, mask=real[None, :], other=0.0)
            totals = tl.load(rows + PARTS * queries, mask=real[None, :], other=1.0)
            most = tl.max(mosts, 0)
            total = tl.sum(totals * tl.exp(mosts - most[None, :]), 0)
            weight = tl.exp(tile[head] - most[:, None]) * (1.0 / total)[:, None]
            looked += tl.sum(tl.where(real[:, None], weight, 0.0), 0)
    tl.store(importance + picture * tokens + key, looked, mask=key < tokens)


@triton.jit
def _map_tile(
    walked,  # where head 0 of one side's rows is, [rows, HEAD_DIM]
    walked_there,
    held,  # the same of the other side, which stays over the loop: transposed, it does so in shared memory
    held_there,
    scale,
    w1,
    b1,
    w2,
    HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    HIDDEN: tl.constexpr,
):
    """The predicted map between two sides: a tuple of one [walked, held] a head, float32."""
    scores = ()
    for head in tl.static_range(HEADS):
        row = tl.load(walked + head * HEAD_DIM, mask=walked_there[:, None], other=0.0)
        column = tl.load(held + head * HEAD_DIM, mask=held_there[:, None], other=0.0)
        scores = scores + (tl.dot(row, tl.trans(column), input_precision="ieee") * scale,)
    if HIDDEN == 0:
        mixed = scores
    else:
        mixed = ()
        for _ in tl.static_range(HEADS):
            mixed = mixed + (tl.zeros_like(scores[0]),)
        # A loop, not written out: hidden x heads weights held over the outer loop would need more
        # registers than there are; this way they come from cache, a unit at a time.
        for unit in tl.range(HIDDEN, num_stages=1, loop_unroll_factor=1):
            hidden = tl.zeros_like(scores[0]) + tl.load(b1 + unit).to(tl.float32)
            for head in tl.static_range(HEADS):
                hidden += tl.load(w1 + unit * HEADS + head).to(tl.float32) * scores[head]
            hidden = tl.maximum(hidden, 0.0)
            more = ()
            for head in tl.static_range(HEADS):
                more = more + (mixed[head] + tl.load(w2 + head * HIDDEN + unit).to(tl.float32) * hidden,)
            mixed = more
    return mixed
