"""`tosa-edge build`"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from tosa_edge.cli.common import JsonFlag, console, emit
from tosa_edge.model import DEFAULT_MODEL

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A bundled name, a model folder or an .onnx file.")
]
PrecisionOption = Annotated[
    Optional[str], typer.Option("--precision", help="fp32, fp16 or int8. Default: what MODEL is in.")
]
BackendOption = Annotated[str, typer.Option("--backend", help="auto, onnxruntime, tensorrt or tensorrt-rtx.")]
CalibOption = Annotated[
    Optional[Path],
    typer.Option("--calib", help="Pictures to learn int8 ranges from: a folder or a video."),
]
TargetOption = Annotated[
    Optional[list[str]],
    typer.Option("--target", help="Compute capability, as 89 or 8.9; may be repeated. TensorRT-RTX only."),
]
OutOption = Annotated[
    Optional[Path], typer.Option("-o", "--out", help="A file, or a folder. Default: the folder engines.")
]


def main(
    model: ModelArgument = DEFAULT_MODEL,
    precision: PrecisionOption = None,
    backend: BackendOption = "auto",
    calib: CalibOption = None,
    target: TargetOption = None,
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """An engine for this machine, with a manifest that says what it fits."""
    from tosa_edge.engine.build import Watch, build

    targets = tuple(sorted({parse_target(text) for text in target or ()}))
    with _shown(model) as step:
        watch = Watch(lambda: console.print("another build of this engine runs: waiting for it"), step)
        built = build(model, precision, backend, calib, targets, out, watch)
    result = built.as_dict()
    _say(result)
    emit(result, as_json)


@contextmanager
def _shown(model: str) -> Iterator[Callable[[str, int, int], None]]:
    """A spinner until the first step is told; then one bar after another, one for each kind of step."""
    from tosa_edge.cli.progress import progress

    with ExitStack() as stack:
        stack.enter_context(console.status(f"building {model}"))
        bars: dict[str, Callable[[int], None]] = {}

        def step(what: str, done: int, total: int) -> None:
            if what not in bars:
                stack.close()
                bars[what] = stack.enter_context(
                    progress(what, total, "%" if what == "building" else "steps")
                )
            bars[what](done - 1)

        yield step


def parse_target(text: str) -> int:
    """`89`, `8.9` and `sm89` to 89."""
    from tosa_edge.errors import TosaEdgeError

    digits = text.lower().removeprefix("sm").replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit() and 2 <= len(digits) <= 3):
        raise TosaEdgeError(f"--target {text} is not a compute capability", "Write it like 89 or 8.9.")
    return int(digits)


def _say(result: dict[str, Any]) -> None:
    verb = "is there already" if result["reused"] else f"built in {result['seconds']:.1f} s"
    megabytes = result["bytes"] / 1e6
    console.print(
        f"{result['engine']}: {verb}, {result['precision']} for {result['backend']}, {megabytes:.1f} MB",
        markup=False,
        soft_wrap=True,
    )
    for note in result["notes"]:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    console.print(f"validation: {result['validation']}", markup=False)
    if result["backend"] == "onnxruntime":
        console.print(f"next: tosa-edge bench {result['engine']}", markup=False, soft_wrap=True)
