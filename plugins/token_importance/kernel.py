"""TokenImportance in Triton: column sums of a predicted attention map that is never written.

The two pointwise convolutions mix heads, so a tile of the map is computed for all heads at once and stays in
registers. Two launches, both deterministic (no atomics: a sum that varied would vary the kept set):

    statistics   a program for BLOCK_Q sampled queries and one of PARTS shares of the keys: largest score and
                 sum of exponentials of every row and head        [B, 2, PARTS + 1, heads, Q], float32
    columns      a program for BLOCK_K keys merges the parts (where PARTS + 1 leaves room), walks over all
                 sampled queries, makes the tiles again, and sums exp(map - largest) / sum over queries and
                 heads                                                                   [B, T], float32

Keys are shared out because few queries are sampled: without it, stride 8 would occupy a few multiprocessors.
Exponentials are in base 2, the one a GPU has: log2(e) is part of the scores' factor.
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
    held = _rows(first, query, queries, stride, HEADS, HEAD_DIM)
    most, total = (), ()
    for _ in tl.static_range(HEADS):
        most = most + (tl.full((BLOCK_Q,), -float("inf"), tl.float32),)
        total = total + (tl.zeros((BLOCK_Q,), tl.float32),)
    chunk = tl.cdiv(tl.cdiv(tokens, PARTS), BLOCK_K) * BLOCK_K
    for start in range(part * chunk, tl.minimum(part * chunk + chunk, tokens), BLOCK_K):
        key = start + tl.arange(0, BLOCK_K)
        walked = _rows(first + HEADS * HEAD_DIM, key, tokens, 1, HEADS, HEAD_DIM)
        tile, factor = _map_tile(walked, held, scale, w1, b1, w2, HEADS, HEAD_DIM, HIDDEN)
        new_most, new_total = (), ()
        for head in tl.static_range(HEADS):
            scores = tl.where(key[:, None] < tokens, tile[head], -float("inf"))
            higher = tl.maximum(most[head], tl.max(scores, 0) * factor)
            base = tl.where(higher == -float("inf"), 0.0, higher)  # keys that count for nothing, so far
            shrunk = total[head] * tl.exp2(most[head] - base)
            new_most = new_most + (higher,)
            new_total = new_total + (shrunk + tl.sum(tl.exp2(scores * factor - base[None, :]), 0),)
        most, total = new_most, new_total
    rows = HEADS * queries
    for head in tl.static_range(HEADS):
        to = statistics + (picture * 2 * (PARTS + 1) + part) * rows + head * queries + query
        tl.store(to, most[head], mask=query < queries)
        tl.store(to + (PARTS + 1) * rows, total[head], mask=query < queries)


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
    held = _rows(first + HEADS * HEAD_DIM, key, tokens, 1, HEADS, HEAD_DIM)
    rows = HEADS * queries
    statistics += picture * 2 * (PARTS + 1) * rows
    _merge(statistics, rows, PARTS)
    merged = statistics + PARTS * rows
    looked = tl.zeros((BLOCK_Q, BLOCK_K), tl.float32)  # summed over rows at the end, once
    for start in range(0, queries, BLOCK_Q):
        query = start + tl.arange(0, BLOCK_Q)
        real = query < queries
        walked = _rows(first, query, queries, stride, HEADS, HEAD_DIM)
        tile, factor = _map_tile(walked, held, scale, w1, b1, w2, HEADS, HEAD_DIM, HIDDEN)
        for head in tl.static_range(HEADS):
            row = merged + head * queries + query
            most = tl.load(row, mask=real, other=float("inf"))  # a row that is not there counts for nothing
            share = tl.load(row + (PARTS + 1) * HEADS * queries, mask=real, other=0.0)
            looked += tl.exp2(tile[head] * factor - most[:, None]) * share[:, None]
    tl.store(importance + picture * tokens + key, tl.sum(looked, 0), mask=key < tokens)


@triton.jit
def _merge(statistics, rows, PARTS: tl.constexpr):
    """All parts of every row into one: its largest score, and 1 / its sum.

    Every program does so for itself, before its loop: in the loop, a part would be another warp's and each
    sum four barriers; in a launch between, everybody would wait. All of them write the same numbers.
    """
    BLOCK: tl.constexpr = 512  # ROWS_MERGED
    for start in range(0, rows, BLOCK):
        row = start + tl.arange(0, BLOCK)
        there = row < rows
        most = tl.load(statistics + row, mask=there, other=0.0)
        for part in tl.static_range(1, PARTS):
            most = tl.maximum(most, tl.load(statistics + part * rows + row, mask=there, other=0.0))
        total = tl.zeros((BLOCK,), tl.float32)
        for part in tl.static_range(PARTS):
            of_part = tl.load(statistics + (PARTS + 1 + part) * rows + row, mask=there, other=1.0)
            total += of_part * tl.exp2(tl.load(statistics + part * rows + row, mask=there, other=0.0) - most)
        tl.store(statistics + PARTS * rows + row, most, mask=there)
        tl.store(statistics + (PARTS + 1 + PARTS) * rows + row, 1.0 / total, mask=there)
    tl.debug_barrier()  # what one thread has written, another reads


@triton.jit
def _rows(first, row, count, stride, HEADS: tl.constexpr, HEAD_DIM: tl.constexpr):
    """Where head 0 of one side's rows is, [rows, HEAD_DIM].

    A row beyond the last is the last once more: zeros instead, by keys that are infinite, would be NaN.
    """
    place = tl.minimum(row, count - 1) * stride
    return first + place[:, None] * (3 * HEADS * HEAD_DIM) + tl.arange(0, HEAD_DIM)[None, :]


@triton.jit
def _map_tile(
    walked,
    held,  # stays over the loop: transposed, it does so in shared memory
    scale,
    w1,
    b1,
    w2,
    HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    HIDDEN: tl.constexpr,
):
    """The predicted map between two sides: a tuple of one [walked, held] a head, float32, and the factor
    that makes base-2 exponents of it."""
    scores = ()
    factor = 1.4426950408889634 * scale if HIDDEN == 0 else 1.4426950408889634
    for head in tl.static_range(HEADS):
        row, column = tl.load(walked + head * HEAD_DIM), tl.load(held + head * HEAD_DIM)
        product = tl.dot(row, tl.trans(column), input_precision="ieee")
        scores = scores + (product if HIDDEN == 0 else product * scale,)
    if HIDDEN == 0:
        mixed = scores
    else:
        mixed = ()
        for _ in tl.static_range(HEADS):
            mixed = mixed + (tl.zeros_like(scores[0]),)
        # A loop, not written out: hidden x heads weights held over the outer loop would need more
        # registers than there are; this way they come from cache, a unit at a time.
        # UNITS, two, to a turn share its addresses.
        for unit in tl.range(HIDDEN, num_stages=1, loop_unroll_factor=2):
            hidden = tl.zeros_like(scores[0]) + tl.load(b1 + unit).to(tl.float32)
            for head in tl.static_range(HEADS):
                hidden += tl.load(w1 + unit * HEADS + head).to(tl.float32) * scores[head]
            hidden = tl.maximum(hidden, 0.0)
            more = ()
            for head in tl.static_range(HEADS):
                more = more + (mixed[head] + tl.load(w2 + head * HIDDEN + unit).to(tl.float32) * hidden,)
            mixed = more
    return mixed, factor
