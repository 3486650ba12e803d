"""SelectiveAttention: attention among the kept tokens, from their packed projections.

    out = merge_heads(softmax(scale * Q K^T) V)        [B, K, D]

The tokens that were not kept are neither queries nor keys. Softmax is float32.
"""

from dataclasses import replace

from tosa_edge.plugins.operator import Operator, Shape


def _shapes(qkv: Shape) -> tuple[Shape, ...]:
    return ((qkv[0], qkv[1], qkv[2] // 3),)


SELECTIVE_ATTENTION = Operator(
    name="SelectiveAttention",
    inputs=("qkv",),
    outputs=("out",),
    attributes={"num_heads": int, "scale": float},
    shapes=_shapes,
    axes={"qkv": "batch kept 3*num_heads*head_dim"},
    sizes=lambda known: {"heads": known["num_heads"]},
    body="""
    q, k, v = Split <axis = 2, num_outputs = 3> (qkv)
    first = Constant <value_ints = [0]> ()
    heads_scalar = Constant <value_int: int = @num_heads> ()
    heads = Unsqueeze (heads_scalar, first)
    copy = Constant <value_ints = [0, 0]> ()
    rest = Constant <value_ints = [-1]> ()
    by_head = Concat <axis = 0> (copy, heads, rest)
    q_heads = Reshape (q, by_head)
    k_heads = Reshape (k, by_head)
    v_heads = Reshape (v, by_head)
    q_rows = Transpose <perm = [0, 2, 1, 3]> (q_heads)
    k_columns = Transpose <perm = [0, 2, 3, 1]> (k_heads)
    v_rows = Transpose <perm = [0, 2, 1, 3]> (v_heads)
    scale32 = Constant <value_float: float = @scale> ()
    scale_like = CastLike (scale32, qkv)
    q_scaled = Mul (q_rows, scale_like)
    scores = MatMul (q_scaled, k_columns)
    scores32 = Cast <to = 1> (scores)
    weights32 = Softmax <axis = -1> (scores32)
    weights = CastLike (weights32, qkv)
    mixed = MatMul (weights, v_rows)
    by_token = Transpose <perm = [0, 2, 1, 3]> (mixed)
    merged = Concat <axis = 0> (copy, rest)
    out = Reshape (by_token, merged)
""",
)
# For hosts of opset 23: one operator, which they run as one kernel.
SELECTIVE_ATTENTION_FUSED = replace(
    SELECTIVE_ATTENTION,
    opset=23,
    body="""
    q, k, v = Split <axis = 2, num_outputs = 3> (qkv)
    out = Attention <q_num_heads: int = @num_heads, kv_num_heads: int = @num_heads, scale: float = @scale>
        (q, k, v)
""",
)
