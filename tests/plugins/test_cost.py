"""The counted work, against the arrays themselves and against the PyTorch forms' own arithmetic."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tosa_edge.nn import tosa
from tosa_edge.plugins import launch
from tosa_edge.plugins.cost import Sizes, attention, columns, gather, importance, scatter, statistics, table

B, T, K, D, H = 3, 50, 20, 64, 2
SIZES = Sizes(T, K, D, H, 2 * H, stride=8, size=2, batch=B)


def nbytes(*shapes, dtype=np.float16):
    return sum(np.zeros(shape, dtype).nbytes for shape in shapes)


def test_bytes_are_those_of_the_tensors():
    index, row, rows, x = nbytes((B, K), dtype=np.int32), (D,), (B, K, D), (B, T, D)
    assert gather(SIZES).bytes == nbytes(rows, rows, rows, row, row) + index
    assert attention(SIZES).bytes == nbytes((B, K, 3 * D), rows)
    bypassed = (B, T - K, D)
    assert scatter(SIZES).bytes == nbytes(bypassed, rows, rows, row, x) + index
    queries = -(-T // 8)
    between = nbytes((B, H, 2, launch.PARTS, queries), dtype=np.float32)
    read = nbytes((B, queries, D), x, (2 * H, H), (2 * H,), (H, 2 * H))
    assert statistics(SIZES).bytes == read + between
    merged = nbytes((B, 2, H, queries), dtype=np.float32)
    assert columns(SIZES).bytes == read + between + merged + nbytes((B, T), dtype=np.float32)


@pytest.mark.parametrize("stride", [1, 8])
def test_matrix_products_are_pytorchs(stride):
    """The kernels make the map twice; the PyTorch form makes it once, and mixes heads by matrix products."""
    with FlopCounterMode(display=False) as counted:
        tosa.selective_attention(torch.zeros(B, K, 3 * D), num_heads=H, scale=1.0)
    assert attention(SIZES).matrix == counted.get_total_flops()
    sizes = Sizes(T, K, D, H, 2 * H, stride, batch=B)
    weights = torch.zeros(2 * H, H), torch.zeros(2 * H), torch.zeros(H, 2 * H)
    with FlopCounterMode(display=False) as counted:
        tosa.learned_importance(
            torch.zeros(B, T, 3 * D), *weights, num_heads=H, query_stride=stride, scale=1.0
        )
    total = importance(sizes)
    assert total.matrix + total.ordinary == 2 * counted.get_total_flops()


def test_the_table_is_for_one_picture_in_half():
    lines = table(1369, 384, 6, 0.5).splitlines()
    assert len(lines) == 9
    assert lines[-2] == "| selective attention | 718.63 | 0.00 | 2.10 | 342.0 |"
