"""`tosa-edge build`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, ProviderOption, emit, require_all, say_refused
from tosa_edge.console import say
from tosa_edge.find_model import DEFAULT_MODEL

EXAMPLES = (
    "tosa-edge build tosa_depth_s:g3",
    "tosa-edge build tosa_depth_s:g3 --precision int8 --calib photos",
)

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A bundled name, a model folder or an .onnx file.")
]
PrecisionOption = Annotated[
    Optional[str], typer.Option("--precision", help="fp32, fp16 or int8. Default: what MODEL is in.")
]
BackendOption = Annotated[str, typer.Option("--backend", help="auto, onnxruntime, tensorrt or tensorrt-rtx.")]
CalibOption = Annotated[
    Optional[Path],
    typer.Option("--calib", help="Pictures to learn int8 ranges from: a folder and its folders, or a video."),
]
TargetOption = Annotated[
    Optional[list[str]],
    typer.Option("--target", help="Compute capability, as 89 or 8.9; may be repeated. TensorRT-RTX only."),
]
OutOption = Annotated[
    Optional[Path], typer.Option("-o", "--out", help="A file, or a folder. Default: the folder engines.")
]
MaxDropOption = Annotated[
    Optional[float],
    typer.Option("--max-drop", help="int8: keep in float what costs most, to lose at most this of delta1."),
]
PluginOption = Annotated[str, typer.Option("--plugin", help="auto, on or off: our own layers in TensorRT.")]
ValidateFlag = Annotated[
    bool, typer.Option("--no-validate", help="Do not compare the engine with its float32 model.")
]


def main(
    model: ModelArgument = DEFAULT_MODEL,
    precision: PrecisionOption = None,
    backend: BackendOption = "auto",
    calib: CalibOption = None,
    target: TargetOption = None,
    max_drop: MaxDropOption = None,
    plugin: PluginOption = "auto",
    provider: ProviderOption = "auto",
    no_validate: ValidateFlag = False,
    out: OutOption = None,
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """An engine for this machine, validated, with a manifest that says what it fits.

    An engine that fails validation stays where it is, and its manifest says so; the exit code is 1.
    """
    from tosa_edge.engine.manifest import FAILED
    from tosa_edge.errors import CheckFailed
    from tosa_edge.progress import bars
    from tosa_edge.verbs.build import build_engine

    targets = [parse_target(text) for text in target or ()]
    with bars(f"building {model}") as on_step:
        result = build_engine(
            model,
            out=out,
            precision=precision,
            backend=backend,
            provider=provider,
            calib=calib,
            max_drop=max_drop,
            target=targets,
            plugin=plugin,
            no_validate=no_validate,
            force=force,
            on_step=on_step,
            say=say,
        )
    _say(result)
    say_refused(result["refused"])
    emit(result, as_json)
    require_all(result["refused"])
    if result["validation"] == FAILED and not no_validate:
        raise typer.Exit(CheckFailed.exit_code)


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
    say(f"{result['engine']}: {verb}, {result['precision']} for {result['backend']}, {megabytes:.1f} MB")
    for note in result["notes"]:
        say(f"note: {note}")
    _say_validation(result)
    if result["backend"] == "onnxruntime" and result["validation"] != "failed":
        say(f"next: tosa-edge bench {result['engine']}")


def _say_validation(result: dict[str, Any]) -> None:
    from tosa_edge.cli.validate import say_failure, sentence

    figures = "; ".join(sentence(check) for check in result["checks"] if check["limit"] is not None)
    about = f" ({figures})" if figures and result["validation"] == "passed" else ""
    say(f"validation: {result['validation']}{about}")
    if result["validation"] == "failed":
        say_failure(result)
