"""TokenImportance: how much the sampled queries of a standard layer look at each token.

    S          = scale * Q K^T                         [B, heads, Q, T], Q = every query_stride-th row
    importance = sum over heads and queries of softmax_T(W2 relu(W1 S + b1))        [B, T], float32

W1 and W2 mix heads, pointwise over the map: this is the paper's selector, which predicts the next layer's
attention map. (A bias after W2 would be the same for every token, and softmax would take it out again.)
The form without W1, b1, W2 is the training-free selector: the standard layer's own map stands for the next.
Everything from Q K^T on is float32, whatever the model's precision: a rounding here flips whole tokens.
"""

from tosa_edge.plugins.operator import Operator, Shape, Sizes

PARTS = 8  # into so many are the keys of a row shared out
UNITS = 2  # hidden units to a turn of the kernels' inner loop
ROWS_MERGED = 512  # at a time, before the loop over them

MAP = """
    q, k, v = Split <axis = 2, num_outputs = 3> (qkv)
    first = Constant <value_ints = [0]> ()
    last = Constant <value_ints = [9223372036854775807]> ()
    axis = Constant <value_ints = [1]> ()
    stride_scalar = Constant <value_int: int = @query_stride> ()
    stride = Unsqueeze (stride_scalar, first)
    q_sampled = Slice (q, first, last, axis, stride)
    heads_scalar = Constant <value_int: int = @num_heads> ()
    heads = Unsqueeze (heads_scalar, first)
    copy = Constant <value_ints = [0, 0]> ()
    rest = Constant <value_ints = [-1]> ()
    by_head = Concat <axis = 0> (copy, heads, rest)
    q_heads = Reshape (q_sampled, by_head)
    k_heads = Reshape (k, by_head)
    q_half = Transpose <perm = [0, 2, 1, 3]> (q_heads)
    k_half = Transpose <perm = [0, 2, 3, 1]> (k_heads)
    q32 = Cast <to = 1> (q_half)
    k32 = Cast <to = 1> (k_half)
    scale32 = Constant <value_float: float = @scale> ()
    q_scaled = Mul (q32, scale32)
    scores = MatMul (q_scaled, k32)
"""
MIX = """
    flat_map = Constant <value_ints = [0, 0, -1]> ()
    scores_flat = Reshape (scores, flat_map)
    w1_32 = Cast <to = 1> (w1)
    b1_32 = Cast <to = 1> (b1)
    w2_32 = Cast <to = 1> (w2)
    b1_column = Unsqueeze (b1_32, axis)
    mixed = MatMul (w1_32, scores_flat)
    biased = Add (mixed, b1_column)
    hidden = Relu (biased)
    predicted_flat = MatMul (w2_32, hidden)
    map_shape = Shape (scores)
    predicted = Reshape (predicted_flat, map_shape)
"""
SUM = """
    attention = Softmax <axis = -1> ({map})
    over = Constant <value_ints = [1, 2]> ()
    importance = ReduceSum <keepdims = 0> (attention, over)
"""


def _shapes(qkv: Shape, *_weights: Shape) -> tuple[Shape, ...]:
    return (qkv[:2],)


def _sizes(known: Sizes) -> dict[str, int]:
    queries = -(-known["tokens"] // known["query_stride"])
    return {"heads": known["num_heads"], "stride": known["query_stride"], "queries": queries, "parts": PARTS}


def _scratch(known: Sizes) -> dict[str, Shape]:
    """Largest score and sum of every row: of each part, and then of all of them."""
    return {"statistics": (known["batch"], 2, PARTS + 1, known["heads"], known["queries"])}


ATTRIBUTES = {"num_heads": int, "query_stride": int, "scale": float}
AXES = {"qkv": "batch tokens 3*num_heads*head_dim"}

TOKEN_IMPORTANCE = Operator(
    name="TokenImportance",
    inputs=("qkv", "w1", "b1", "w2"),
    outputs=("importance",),
    attributes=ATTRIBUTES,
    shapes=_shapes,
    axes={**AXES, "w1": "hidden num_heads", "b1": "hidden", "w2": "num_heads hidden"},
    sizes=_sizes,
    scratch=_scratch,
    float32_outputs=("importance",),
    body=MAP + MIX + SUM.format(map="predicted"),
)
TOKEN_IMPORTANCE_PREVIOUS = Operator(
    name="TokenImportance",
    inputs=("qkv",),
    outputs=("importance",),
    attributes=ATTRIBUTES,
    shapes=_shapes,
    axes=AXES,
    sizes=_sizes,
    scratch=_scratch,
    float32_outputs=("importance",),
    body=MAP + SUM.format(map="scores"),
)
