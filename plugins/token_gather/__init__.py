"""TokenGather: the kept tokens out of the full set, and the LayerNorm that follows.

    rows   = x[b, index[b]]                            [B, K, D]
    normed = LayerNorm(rows) * weight + bias           [B, K, D]

Both go on: `rows` is the residual stream of the selective layers, `normed` the input of the first of them.
The statistics of the LayerNorm are float32. Indices are ascending, unique and within range. The reference
refuses others; a kernel has nobody to tell, and takes the nearest token inside the picture; the body leaves
it to its host.
"""

from tosa_edge.plugins.operator import Operator, Shape


def _shapes(x: Shape, index: Shape, weight: Shape, bias: Shape) -> tuple[Shape, ...]:
    rows = (*index, x[2])
    return rows, rows


TOKEN_GATHER = Operator(
    name="TokenGather",
    inputs=("x", "index", "weight", "bias"),
    outputs=("rows", "normed"),
    attributes={"epsilon": float},
    shapes=_shapes,
    axes={"x": "batch tokens width", "index": "batch kept", "weight": "width", "bias": "width"},
    body="""
    last = Constant <value_ints = [-1]> ()
    index64 = Cast <to = 7> (index)
    places = Unsqueeze (index64, last)
    rows = GatherND <batch_dims = 1> (x, places)
    rows32 = Cast <to = 1> (rows)
    weight32 = Cast <to = 1> (weight)
    bias32 = Cast <to = 1> (bias)
    normed32 = LayerNormalization <axis = -1, epsilon: float = @epsilon> (rows32, weight32, bias32)
    normed = CastLike (normed32, x)
""",
)
