"""What the check on a GPU makes of its figures."""

import pytest
import torch

from tests.plugins.gpu_check import LARGE, LIMITS, judged
from tests.plugins.gpu_measure import Peaks
from tosa_edge.plugins.work import Work

HALF, SINGLE = str(torch.float16), str(torch.float32)


@pytest.mark.parametrize(
    ("dtype", "tokens", "batch", "ratio", "copy_share", "passed"),
    [
        (HALF, 4096, 1, 1.25, 0.1, True),
        (HALF, 4096, 1, 1.26, 0.9, False),
        (HALF, 1369, 16, 1.26, 0.9, False),
        (HALF, 1369, 1, 9.0, 0.1, True),  # too little to do
        (SINGLE, 4096, 16, 9.0, 0.1, True),
        (HALF, 1369, LARGE, 9.0, 0.8, True),
        (HALF, 1369, LARGE, 1.0, 0.79, False),
    ],
)
def test_limits_hold_where_there_is_enough_to_do(dtype, tokens, batch, ratio, copy_share, passed):
    row = {"name": "gather", "dtype": dtype, "tokens": tokens, "batch": batch, "ratio": ratio}
    row |= {"copy_share": copy_share, "correct": True}
    assert judged(row)["passed"] == passed
    assert not judged(row | {"correct": False})["passed"]
    assert set(LIMITS) == {"importance_1", "importance_8", "attention", "gather", "scatter"}


def test_the_busiest_unit_sets_the_floor():
    peaks = Peaks(half=1000.0, single=100.0, copy=10.0)
    assert peaks.floor_ms(Work(2000, 100, 10), torch.float16) == 2000
    assert peaks.floor_ms(Work(2000, 100, 10), torch.float32) == 21000  # IEEE products are ordinary work
    assert peaks.floor_ms(Work(2000, 100, 50), torch.float16) == 5000
