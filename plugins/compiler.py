"""One kernel through Triton's compiler, for a GPU that need not be here.

The same source and compiler give the same bytes: no times, no paths, no line tables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.plugins import launch_facts
from tosa_edge.plugins.estimate import fastest_fitting, fits
from tosa_edge.plugins.kernel_file import HIDDEN_PARAMETERS
from tosa_edge.plugins.kernel_list import Kernel
from tosa_edge.plugins.machine_code import counted
from tosa_edge.plugins.resources import resources


def prepare() -> None:
    """Before Triton is imported: nothing of this machine in the cubins, nothing from its cache."""
    os.environ["TRITON_DISABLE_LINE_INFO"] = "1"
    os.environ["TRITON_ALWAYS_COMPILE"] = "1"
    os.environ.pop("TRITON_INTERPRET", None)


def translate(kernel: Kernel, known: Mapping[str, float] | None = None, **options: Any) -> Any:
    """Triton's own result: PTX, cubin, metadata.

    Args:
        known: values of parameters, which are then compiled in and no parameters any more.
    """
    from triton import compile as triton_compile
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    function, types = kernel.launch.function(), kernel.parameters()
    fixed = {**kernel.launch.constants, **(known or {})}
    signature = {n: "constexpr" if n in fixed else types[n] for n in function.arg_names}
    constants = {(function.arg_names.index(n),): v for n, v in fixed.items()}
    # Hosts align tensors to 16 bytes and more; told so, the compiler loads that much at once.
    aligned = {
        (i,): [["tt.divisibility", 16]] for i, n in enumerate(function.arg_names) if signature[n][0] == "*"
    }
    source = ASTSource(function, signature=signature, constexprs=constants, attrs=aligned)
    target = GPUTarget("cuda", kernel.architecture, 32)
    try:
        return triton_compile(source, target=target, options={**kernel.launch.options(), **options})
    except Exception as failure:
        raise TosaEdgeError(
            f"Triton's ptxas cannot compile {kernel.launch.kernel} for sm_{kernel.architecture}: "
            f"{str(failure).strip().splitlines()[-1]}",
            "set TRITON_PTXAS_PATH, or TRITON_PTXAS_BLACKWELL_PATH for sm_100 and later, to a newer CUDA's "
            "ptxas, or leave the architecture out with --sm",
        ) from failure


def compile_one(kernel: Kernel, every_variant: bool = False) -> list[tuple[bytes, dict[str, Any]]]:
    """The cubin and what the index says of it, and of what else was compiled: the best first.

    Args:
        every_variant: compile all ways to launch it, in half precision; otherwise only where the first is not
            within its means.
    """
    made, half = [_compiled(kernel)], kernel.precision == "fp16"
    if (every_variant and half) or not fits(made[0][1], kernel.architecture):
        made += [_compiled(variant) for variant in kernel.launch_options()[1:]]
    variants = [
        (variant.launch, entry) for variant, (_, entry) in zip(kernel.launch_options(), made, strict=False)
    ]
    best = fastest_fitting(variants, kernel.architecture, half) or 0
    return [made[best], *made[:best], *made[best + 1 :]]


def _compiled(kernel: Kernel) -> tuple[bytes, dict[str, Any]]:
    done = translate(kernel)
    cubin = done.asm["cubin"]
    parameters = [[n, t] for n, t in kernel.parameters().items()] + [[n, "*null"] for n in HIDDEN_PARAMETERS]
    entry = {
        "operator": kernel.operator,
        "sm": kernel.architecture,
        "precision": kernel.precision,
        "shape": dict(kernel.shape),
        "step": kernel.step,
        "function": done.metadata.name,
        "parameters": parameters,
        "grid": [list(axis) for axis in kernel.launch.grid],
        "threads": kernel.launch.warps * 32,
        "shared": done.metadata.shared,
        "way": launch_facts.name(kernel.launch, kernel.precision == "fp16", kernel.architecture),
        "code": counted(cubin),
        **resources(cubin),
    }
    return cubin, entry


def version() -> str:
    import triton

    return f"triton {triton.__version__}"
