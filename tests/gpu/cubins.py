"""The cubins that ship: does this driver load them, and are they right?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from tests.gpu.cases import Case, of_kernel, outside
from tests.gpu.cubin_launch import VARIANTS, CaseOnDevice, KernelFile, Machine, machine
from tests.gpu.results import Results
from tosa_edge.cuda.driver import CudaError
from tosa_edge.cuda.graph import Replay
from tosa_edge.plugins.kernel_list import kernels_to_compile

SIZES = ((17, 9), (433, 217), (1369, 685))  # tokens and kept ones
BATCHES, STRIDES = (1, 3), (1, 8)
SMALLEST = (SIZES[:1], (1,), STRIDES[1:])
WALKED = (((9, 5),), (2,), STRIDES[1:])  # an interpreted program takes a tenth of a second


def load(results: Results, walk: bool) -> None:
    with machine(walk) as here:
        for variant in VARIANTS:
            if (
                results.attempt(f"{variant}: all that is wanted", partial(_complete, here, variant))
                is not None
            ):
                break  # CUDA 12's are for a driver that does not take those that ship


def _complete(here: Machine, variant: str) -> dict[str, Any]:
    """Every kernel loaded, with the registers that were counted when it was compiled, and none spilled."""
    try:
        file = here.all_of(variant)
    except CudaError as refused:
        if variant == VARIANTS[-1]:
            raise
        return {"passed": None, "lacks": f"a driver that takes them: {refused}"}
    figures = [
        (e, file.cubin(e).figure("NUM_REGS"), file.cubin(e).figure("LOCAL_SIZE_BYTES")) for e in file.entries
    ]
    other = [
        f"{e['function']} {e['precision']}: {r}, not {e['registers']}"
        for e, r, _ in figures
        if r != e["registers"]
    ]
    spilled = [f"{e['function']} {e['precision']}: {n} bytes" for e, _, n in figures if n]
    have = {
        (e["operator"], e["precision"], tuple(sorted(e["shape"].items())), e["step"]) for e in file.entries
    }
    want = {(k.operator, k.precision, tuple(sorted(k.shape)), k.step) for k in kernels_to_compile((here.sm,))}
    return {
        "passed": not spilled and (here.walk or not want - have),
        "sm": here.sm,
        "compiler": file.compiler,
        "loaded": len(figures),
        "missing": len(want - have),
        "other_registers": other,
        "spilled": spilled,
    }


def right(results: Results, walk: bool) -> None:
    """Against float64, poisoned memory, twice the same bits, inside a captured graph."""
    with machine(walk) as here:
        file = here.kernels()
        for case in cases(file, *(WALKED if walk else (SIZES, BATCHES, STRIDES))):
            results.attempt(case.name, partial(check_case, here, file, case))
        # Last, for a kernel that reads there may take the context with it.
        for case in cases(file, *(WALKED if walk else (SIZES[:2], BATCHES, STRIDES))):
            if "index" in case.arrays:
                results.attempt(outside(case).name, partial(check_case, here, file, outside(case)))


def cases(file: KernelFile, sizes: Any, batches: Any, strides: Any) -> list[Case]:
    """Every operator, precision and model that there are kernels for; small sizes first."""
    models = {(e["operator"], e["precision"], tuple(e["shape"].items())): None for e in file.entries}
    return [
        case
        for (tokens, kept), batch in product(sizes, batches)
        for operator, precision, shape in models
        for case in of_kernel(operator, precision, dict(shape), batch, tokens, kept, strides)
    ]


def check_case(here: Machine, file: KernelFile, case: Case) -> dict[str, Any]:
    from tests.accuracy import judged

    cubins = file.of(case)
    with here.load_case(case) as on_device:
        replay = Replay(here.stream, lambda: on_device.launch(cubins), case.name)
        try:
            results = [_once(on_device, replay, byte) for byte in (0xFF, 0x5A, 0xFF)[: 2 if here.walk else 3]]
            captured = replay.captured
        finally:
            replay.close()
    same = all(
        np.array_equal(a.view(np.uint8), b.view(np.uint8))
        for r in results[1:]
        for a, b in zip(results[0], r, strict=True)
    )
    found = judged(case, results[0], here.torch_device)
    return {**found, "passed": found["passed"] and same and captured, "same_bits": same, "captured": captured}


def _once(on_device: CaseOnDevice, replay: Replay, byte: int) -> list[np.ndarray]:
    """The first time launched, and captured behind that; then from the graph."""
    on_device.poison(byte)
    replay()
    return on_device.read()


def run_each(
    walk: bool, sizes: Any, batches: Any, strides: Any, those: Callable[[Case], bool] = lambda case: True
) -> None:
    """Once, judged by nobody: for memory checkers and profilers, so without PyTorch."""
    with machine(walk) as here:
        file = here.kernels()
        for case in filter(those, cases(file, sizes, batches, strides)):
            with here.load_case(case) as on_device:
                on_device.launch(file.of(case))
                on_device.read()
