"""TokenScatter: the last residual of the kept tokens, and their way back into the full set.

    out = x;  out[b, index[b]] = rows + gamma * update           [B, T, D]

`gamma` is the LayerScale of the last selective layer's MLP. The tokens that were not kept pass unchanged,
bit for bit: that is the bypass.
"""

from tosa_edge.plugins.operator import Operator, Shape


def _shapes(x: Shape, index: Shape, rows: Shape, update: Shape, gamma: Shape) -> tuple[Shape, ...]:
    return (x,)


TOKEN_SCATTER = Operator(
    name="TokenScatter",
    inputs=("x", "index", "rows", "update", "gamma"),
    outputs=("out",),
    attributes={},
    shapes=_shapes,
    axes={
        "x": "batch tokens width",
        "index": "batch kept",
        "rows": "batch kept width",
        "update": "batch kept width",
        "gamma": "width",
    },
    # ScatterND moves whole rows; ScatterElements would move one number at a time. It knows no batches, so
    # each place is written out as (picture, token).
    body="""
    scaled = Mul (update, gamma)
    finished = Add (rows, scaled)
    index64 = Cast <to = 7> (index)
    last = Constant <value_ints = [-1]> ()
    token = Unsqueeze (index64, last)
    index_shape = Shape (index)
    zero = Constant <value_int = 0> ()
    one = Constant <value_int = 1> ()
    batch = Gather (index_shape, zero)
    pictures = Range (zero, batch, one)
    one_two = Constant <value_ints = [1, 2]> ()
    pictures_column = Unsqueeze (pictures, one_two)
    token_shape = Shape (token)
    picture = Expand (pictures_column, token_shape)
    place = Concat <axis = -1> (picture, token)
    out = ScatterND (x, place, finished)
""",
)
