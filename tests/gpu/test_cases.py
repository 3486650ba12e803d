"""What is asked of a kernel, and who judges the answer."""

import numpy as np
import pytest

from tests.accuracy import form_of, judged, tensors_of
from tests.gpu.cases import of_kernel, of_model, outside
from tosa_edge.plugins import launch
from tosa_edge.plugins.kernel_list import kernels_to_compile

NAMES = ("gather", "attention", "scatter", "importance_1", "importance_8")


@pytest.mark.parametrize("name", NAMES)
def test_sizes_are_those_that_pytorch_launches_with(name):
    case = of_model("fp16", 3, 17, 9)[name]
    shapes = {n: a.shape for n, a in case.arrays.items()}
    planned = launch.plan_launches(case.operator.name, shapes, True, case.attributes)
    assert planned is not None
    launches, sizes = planned
    # The C++ host goes by these too; attention has no other tokens than the kept ones.
    assert {n: v for n, v in case.sizes.items() if n in sizes} == {
        n: v for n, v in sizes.items() if n in case.sizes
    }
    assert all(axis in case.sizes for one in launches for axis, _ in one.grid)


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_is_judged(name):
    case = of_model("fp32", 2, 3, 2, heads=2, head_dim=4)[name]
    right = answer(case, case.arrays)
    assert judged(case, right, "cpu")["passed"]
    for picture in range(2):
        for value in (1.01 * right[-1][picture, -1], np.nan):
            wrong = [o.copy() for o in right]
            wrong[-1][picture, -1] = value
            assert not judged(case, wrong, "cpu")["passed"]


def answer(case, arrays):
    out = form_of(case)(*tensors_of(arrays, "cpu"), **case.attributes)
    return [o.numpy().copy() for o in (out if isinstance(out, tuple) else (out,))]


@pytest.mark.parametrize("name", ["gather", "scatter"])
def test_an_index_outside_the_picture_counts_as_the_nearest_inside(name):
    case = outside(of_model("fp32", 2, 5, 3, heads=1, head_dim=4)[name])
    index = case.arrays["index"]
    assert (index.min(), index.max()) == (-(2**31), 2**31 - 1)
    assert (np.diff(index.astype(np.int64)) > 0).all()
    nearest = case.arrays | {"index": index.clip(0, 4)}
    assert judged(case, answer(case, nearest), "cpu")["passed"]
    around = case.arrays | {"index": np.sort(index % 5)}
    assert not judged(case, answer(case, around), "cpu")["passed"]


def test_a_raised_floor_is_told_beside_one_last_place():
    case = of_model("fp32", 1, 3, 2, heads=2, head_dim=4)["importance_1"]
    case.arrays["qkv"] *= 30  # scores of hundreds
    right = answer(case, case.arrays)
    found = judged(case, [(1 + 1e-5) * o for o in right], "cpu")
    assert found["passed"]
    assert found["of_allowed"] < 1 < found["of_one_place"]


def test_every_kernel_that_ships_has_a_case():
    for kernel in kernels_to_compile((90,)):
        found = list(of_kernel(kernel.operator, kernel.precision, dict(kernel.shape), 1, 17, 9, (8,)))
        assert found
        for case in found:
            assert (case.operator.name, case.precision) == (kernel.operator, kernel.precision)
            assert dict(case.shape) == dict(kernel.shape)
