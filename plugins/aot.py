"""The kernels compiled ahead of time: `make kernels`, one cubin for each GPU architecture, without a GPU."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from time import perf_counter
from typing import Any

from tosa_edge.errors import CheckFailed, TosaEdgeError, exit_code_of
from tosa_edge.plugins import compiler, kernel_file, launch, launch_facts
from tosa_edge.plugins.kernel_list import ARCHITECTURES, Kernel, kernels_to_compile
from tosa_edge.plugins.resources import launches_table, over_limits, ratios_table, table


def build(
    kernels: list[Kernel],
    jobs: int,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    every_variant: bool = False,
) -> tuple[bytes, dict[str, Any], list[list[dict[str, Any]]]]:
    """Compiles them on so many cores: the file's bytes, its index, and all that was compiled of each."""
    results = {}
    with ProcessPoolExecutor(jobs, initializer=compiler.prepare) as pool:
        futures = {
            pool.submit(compiler.compile_one, kernel, every_variant): place
            for place, kernel in enumerate(kernels)
        }
        try:
            for done, future in enumerate(as_completed(futures), 1):
                results[futures[future]] = future.result()
                on_step(done, len(kernels))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    ordered = [results[place] for place in range(len(kernels))]
    file, index = kernel_file.write(
        ((variants[0][1], variants[0][0]) for variants in ordered), compiler.version()
    )
    return file, index, [[entry for _, entry in variants] for variants in ordered]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tosa_edge.plugins.aot", description="Compiles the kernels."
    )
    parser.add_argument(
        "--sm", type=int, nargs="+", default=ARCHITECTURES, help="architectures, such as 87 90"
    )
    parser.add_argument("--quick", action="store_true", help="one model's kernels, float16")
    parser.add_argument("--only", metavar="OPERATOR", help="one operator's kernels only")
    parser.add_argument(
        "--choose", action="store_true", help="compile every way to launch them, and keep what was found"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("-o", "--out", type=Path, default=Path("build/tosa.kernels"))
    given = parser.parse_args()
    if unknown := set(given.sm) - set(ARCHITECTURES):
        raise TosaEdgeError(f"no kernels are made for sm_{unknown.pop()}", f"choose from {ARCHITECTURES}")
    start = perf_counter()

    def on_step(done: int, total: int) -> None:
        left = (perf_counter() - start) / done * (total - done)
        print(f"\r{done}/{total} kernels, {left:.0f} s left ", end="", file=sys.stderr, flush=True)

    def kernels() -> list[Kernel]:
        return [
            k for k in kernels_to_compile(tuple(given.sm), given.quick) if given.only in (None, k.operator)
        ]

    file, index, compiled = build(kernels(), given.jobs, on_step, given.choose)
    print(file=sys.stderr)
    if given.choose:
        chosen_from = (variants for variants in compiled if len(variants) > 1)
        launch_facts.write(((e["way"], e) for variants in chosen_from for e in variants), compiler.version())
        launch.forget()
    print(table(index))
    print(launches_table(kernels()))
    print(ratios_table(given.sm))
    if problems := over_limits(index):
        raise CheckFailed(
            "over budget: " + "; ".join(problems), "smaller blocks or more warps in plugins/launch.py"
        )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_bytes(file)
    print(f"{given.out}: {len(file)} bytes, {len(index['kernels'])} kernels, {perf_counter() - start:.0f} s")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
