"""What is known of TensorRT's releases: what each can do, and of which wrong results were reported.

From NVIDIA's release notes and its public list of issues; none of it was tried here (docs/hardware.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from tosa_edge.machine import version_numbers

Version = tuple[int, ...]


@dataclass(frozen=True)
class KnownBug:
    """Of all releases from `first` to `last`, both included; of all GPUs where `sm` is None."""

    first: Version
    last: Version
    sm: int | None
    what: str


# Each of them in half precision, which int8 engines compute in too wherever they do not in integers.
KNOWN_BUGS = (
    KnownBug((10, 3), (10, 3), None, "wrong results of ViTs in half precision (NVIDIA/TensorRT issue 4723)"),
    KnownBug((10,), (10, 16, 1), 120, "wrong fused attention on sm120 in fp16 (NVIDIA/TensorRT issue 4837)"),
)

# From this release on, until the next.
EXPECTED: tuple[tuple[Version, str], ...] = (
    ((0,), "older than the least that tosa-edge builds with, 10.3"),
    ((10, 3), "takes the plugin, knows no ONNX Attention; half precision was seen wrong: validate always"),
    ((10, 4), "takes the plugin, knows no ONNX Attention"),
    ((10, 14), "takes the plugin and ONNX Attention (opset 23, half precision)"),
    ((11,), "takes the plugin and ONNX Attention, and knows no typing but the strong one, which ours is"),
)


def known_bugs(version: str, sm: int | None) -> list[str]:
    """Where this release was seen to be wrong on such a GPU."""
    here = version_numbers(version)
    return [
        bug.what
        for bug in KNOWN_BUGS
        if bug.first <= here and here[: len(bug.last)] <= bug.last and bug.sm in (None, sm)
    ]


def expected(version: str) -> str:
    here = version_numbers(version)
    return [what for first, what in EXPECTED if first <= here][-1] if here else "a version that is not known"


def unchecked(version: str, sm: int | None, precision: str, engine: str) -> str:
    """What to say of a half-precision engine that nobody compared with its model."""
    known = known_bugs(version, sm)
    why = f": of TensorRT {version} are known {' and '.join(known)}" if known else ""
    return (
        f"this {precision} engine was not compared with its model, and half precision can be wrong without a "
        f"word{why}. Compare it: tosa-edge validate {engine}"
    )
