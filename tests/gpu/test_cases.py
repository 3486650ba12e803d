"""What is asked of a kernel, and who judges the answer."""

import numpy as np
import pytest

from tests.gpu.cases import of_kernel, of_model
from tests.gpu.judge import form_of, judged, tensors_of
from tosa_edge.plugins import launch
from tosa_edge.plugins.kernel_list import wanted

NAMES = ("gather", "attention", "scatter", "importance_1", "importance_8")


@pytest.mark.parametrize("name", NAMES)
def test_sizes_are_those_that_pytorch_launches_with(name):
    case = of_model("fp16", 3, 17, 9)[name]
    shapes = {n: a.shape for n, a in case.arrays.items()}
    planned = launch.plan(case.operator.name, shapes, True, case.attributes)
    assert planned is not None
    launches, sizes = planned
    # The C++ host goes by these too; attention has no other tokens than the kept ones.
    assert {n: v for n, v in case.sizes.items() if n in sizes} == {
        n: v for n, v in sizes.items() if n in case.sizes
    }
    assert all(axis in case.sizes for one in launches for axis, _ in one.grid)


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_is_judged(name):
    case = of_model("fp32", 3, 17, 9)[name]
    out = form_of(case)(*tensors_of(case.arrays, "cpu"), **case.attributes)
    right = [o.numpy() for o in (out if isinstance(out, tuple) else (out,))]
    assert judged(case, right, "cpu")["passed"]
    for picture in range(3):
        for value in (1.01 * right[-1][picture, -1], np.nan):
            wrong = [o.copy() for o in right]
            wrong[-1][picture, -1] = value
            assert not judged(case, wrong, "cpu")["passed"]


def test_every_kernel_that_ships_has_a_case():
    for kernel in wanted((90,)):
        found = list(of_kernel(kernel.operator, kernel.precision, dict(kernel.shape), 1, 17, 9, (8,)))
        assert found
        for case in found:
            assert (case.operator.name, case.precision) == (kernel.operator, kernel.precision)
            assert dict(case.shape) == dict(kernel.shape)
