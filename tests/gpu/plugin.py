"""The C++ plugin library on a GPU, TensorRT played by the shim: from a node to the end of two contexts."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.gpu.cases import Case, of_model, outside
from tests.gpu.cubin_launch import CaseOnDevice, Machine, machine
from tests.gpu.results import Results
from tests.gpu.shim import Plugin, PluginHost, Tensors
from tosa_edge.cuda.graph import Replay
from tosa_edge.plugins.library import NAME

SHIM = "libshim.so"
LEAST, MOST, SIZE = 1, 3, (433, 217)  # pictures, tokens and kept ones
WALKED_MOST, WALKED, WALKED_OPERATORS = 2, (5, 3), ("gather", "attention", "scatter", "importance_8")


def run(results: Results, walk: bool) -> None:
    with machine(walk) as here:
        file = here.kernels()
        have = {(e["operator"], e["precision"], tuple(sorted(e["shape"].items()))) for e in file.entries}
        folders = sorted(file.path.parent.glob("trt*"))
        if not folders:
            results.add("library", None, lacks="no library was packed: there were no TensorRT headers")
        for folder in folders:
            host = PluginHost(folder / SHIM, folder / NAME)
            results.add(f"{folder.name}: creators", host.creators == 4, creators=host.creators)
            for precision in ("fp16", "fp32"):
                most, least = (
                    of_model(precision, batch, *(WALKED if walk else SIZE))
                    for batch in (WALKED_MOST if walk else MOST, LEAST)
                )
                for name in WALKED_OPERATORS if walk else most:
                    key = most[name].operator.name, precision, tuple(sorted(most[name].shape.items()))
                    if key in have:
                        whole = partial(_whole, here, host, most[name], least[name])
                        results.attempt(f"{folder.name}: {name} {precision}", whole)
                        if "index" in most[name].arrays:
                            whole = partial(_whole, here, host, outside(most[name]), outside(least[name]))
                            results.attempt(f"{folder.name}: {name} {precision} outside", whole)
            host.close()


def _whole(here: Machine, host: PluginHost, most: Case, least: Case) -> dict[str, Any]:
    """Created, built, serialised, attached twice, and each context run on its own, also captured."""
    node = host.create(most.operator.name, most.attributes)
    workspace = node.build(_tensors(most))
    engine = node.from_engine()
    node.destroy()  # a builder is gone before an engine runs
    first, second = engine.attach(), engine.attach()
    try:
        with here.load_case(most) as large, here.load_case(least) as small:
            found = {
                "first": _run(here, first, small, workspace),
                "shape_change": _run(here, first, large, workspace),
                "second_context": _run(here, second, large, workspace),
            }
            first.destroy()
            first = None
            found["after_the_first_is_destroyed"] = _run(here, second, small, workspace)
    finally:
        for plugin in (first, second, engine):
            if plugin is not None:
                plugin.destroy()
    passed = all(found.values())
    return {"passed": passed, "workspace": workspace, **({} if passed else found)}


def _run(here: Machine, plugin: Plugin, on_device: CaseOnDevice, workspace: int) -> bool:
    """At once and from a graph: right, and the same bits."""
    from tests.accuracy import judged

    tensors = _tensors(on_device.case)
    plugin.shapes(tensors)
    scratch = sum(array.nbytes for array in on_device.scratch.values())
    if workspace < scratch:
        raise AssertionError(f"{workspace} bytes of workspace asked for, {scratch} needed")
    pointers = [
        [array.pointer for array in arrays.values()] for arrays in (on_device.inputs, on_device.outputs)
    ]
    memory = next((array.pointer for array in on_device.scratch.values()), 0)
    enqueue = partial(plugin.enqueue, tensors, *pointers, memory, here.stream.handle)
    replay = Replay(here.stream, enqueue, on_device.case.name)
    results = []
    for byte in (0xFF, 0x5A):
        on_device.poison(byte)
        replay()
        results.append(on_device.read())
    captured = replay.captured
    replay.close()
    same = all(np.array_equal(a.view(np.uint8), b.view(np.uint8)) for a, b in zip(*results, strict=True))
    return captured and same and judged(on_device.case, results[0], here.torch_device)["passed"]


def _tensors(case: Case) -> Tensors:
    return Tensors([(a.shape, a.dtype) for a in case.arrays.values()], list(case.outputs.values()))
