"""What is made of the figures of a GPU."""

import pytest

from tests.gpu.measure import Peaks
from tests.gpu.speed import BLOCKS, HUGE, LIMITS, judged
from tests.gpu.tools import counted
from tosa_edge.plugins import resources
from tosa_edge.plugins.cost import Cost


@pytest.mark.parametrize(
    ("batch", "ratio", "copy_share", "passed"),
    [(1, 1.25, 0.1, True), (16, 1.26, 0.9, False), (HUGE, 9.0, 0.8, True), (HUGE, 1.0, 0.79, False)],
)
def test_limits_hold_where_there_is_enough_to_do(batch, ratio, copy_share, passed):
    row = {"ratio": ratio, "copy_share": copy_share, "correct": True}
    assert judged(row, "gather", batch, 90)["passed"] == passed
    assert not judged(row | {"correct": False}, "gather", batch, 90)["passed"]
    assert set(LIMITS) == {"attention", "gather", "scatter"}


def test_importance_is_held_to_what_its_gpu_can_issue():
    limits = [resources.importance_limit(sm, 1) for sm in (87, 90)]
    row = {"ratio": limits[0], "copy_share": 0.0, "correct": True}
    assert judged(row, "importance_1", 1, 87)["passed"]
    assert not judged(row | {"ratio": limits[0] * 1.01}, "importance_1", 1, 87)["passed"]
    assert judged(row | {"ratio": limits[1]}, "importance_1", 1, 90)["limit"] == limits[1] != limits[0]


def test_the_busiest_unit_sets_the_floor():
    peaks = Peaks(half=1000.0, single=100.0, copy=10.0)
    assert peaks.floor_ms(Cost(2000, 100, 10), half=True) == 2000
    assert peaks.floor_ms(Cost(2000, 100, 10), half=False) == 21000  # IEEE products are ordinary work
    assert peaks.floor_ms(Cost(2000, 100, 50), half=True) == 5000


@pytest.mark.parametrize("name", BLOCKS)
def test_a_sweep_varies_what_it_says(name):
    from tests.gpu.blocks import in_blocks

    kernels = [in_blocks(name, way, 90) for way in BLOCKS[name]]
    launches = {
        (tuple(k.launch.constants.items()), k.launch.grid, k.launch.warps, k.launch.stages) for k in kernels
    }
    assert len(launches) == len(kernels)
    for (rows, walked, warps, _), kernel in zip(BLOCKS[name], kernels, strict=True):
        assert rows in dict(kernel.launch.grid).values()
        assert {rows, walked} <= set(kernel.launch.constants.values())
        assert kernel.launch.warps == warps
        assert kernel.launch.kernel == name


def test_the_profilers_table_is_found_behind_its_words():
    columns = '"ID","Kernel Name","Block Size","Grid Size","Metric Name","Metric Unit","Metric Value"'
    said = [
        "==PROF== Connected to process 7",
        columns,
        '"0","columns_kernel","(256, 1, 1)","(7, 1, 1)","gpu__time_duration.sum","nsecond","12,345"',
        '"0","columns_kernel","(256, 1, 1)","(7, 1, 1)","launch__registers_per_thread","","138"',
        '"1","statistics_kernel","(256, 1, 1)","(1, 8, 1)","gpu__time_duration.sum","nsecond","9"',
    ]
    first, second = counted(said)
    assert first["kernel"] == "columns_kernel"
    assert first["gpu__time_duration.sum"] == "12,345 nsecond"
    assert first["launch__registers_per_thread"] == "138"
    assert second["grid"] == "(1, 8, 1)"
    assert not list(counted(["==ERROR== ERR_NVGPUCTRPERM"]))
