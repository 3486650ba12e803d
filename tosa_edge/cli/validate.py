"""`tosa-edge validate`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from tosa_edge.cli.common import JsonFlag, ProviderOption, emit, require_all, say_refused
from tosa_edge.cli.tables import print_table
from tosa_edge.console import answers, counted, say

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = ("tosa-edge validate engines/NAME.engine", "tosa-edge validate engines/NAME.engine --data frames")

EngineArgument = Annotated[
    str,
    typer.Argument(metavar="ENGINE", help="An engine that `tosa-edge build` made, or a MODEL as it is."),
]
ReferenceOption = Annotated[
    Optional[str],
    typer.Option("--reference", help="The float32 MODEL to compare with. Default: what it was built from."),
]
DataOption = Annotated[
    Optional[Path],
    typer.Option("--data", help="Pictures with depth, for the metrics of both; as `evaluate` takes them."),
]


def main(
    engine: EngineArgument,
    reference: ReferenceOption = None,
    data: DataOption = None,
    provider: ProviderOption = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Is an engine still right? Compared with its float32 model in ONNX Runtime, on real pictures.

    Exit 1 when a check fails: then it names the first layer that departs, and a Polygraphy command that
    shows it.
    """
    from tosa_edge.errors import CheckFailed
    from tosa_edge.progress import bars
    from tosa_edge.verbs.validate import validate_engine

    with bars(f"loading {engine}") as on_step:
        result = validate_engine(engine, reference=reference, data=data, provider=provider, on_step=on_step)
    _say(result, answers(as_json))
    say_refused(result["refused"])
    emit(result, as_json)
    require_all(result["refused"])
    if not result["passed"]:
        raise typer.Exit(CheckFailed.exit_code)


def sentence(check: dict[str, Any]) -> str:
    """`depth_error 1.2e-06, at most 1.2e-05`"""
    value = "not finite" if check["value"] is None else f"{check['value']:.4g}"
    return f"{check['name']} {value}{limit_of(check)}"


def limit_of(check: dict[str, Any]) -> str:
    if check["limit"] is None:
        return ""
    return f", {'at least' if 'overlap' in check['name'] else 'at most'} {check['limit']:.4g}"


def say_failure(result: dict[str, Any]) -> None:
    for check in result["checks"]:
        if not check["passed"]:
            say(f"failed: {sentence(check)}")
    if result["departed"]:
        say(f"departs first: {result['departed']}")
    if result["reproduce"]:
        say(f"see it with: {result['reproduce']}")


def _host(result: dict[str, Any]) -> str:
    provider = result["provider"]
    return result["backend"] + (f" ({provider})" if provider not in (None, "cpu") else "")


def _say(result: dict[str, Any], to: Console) -> None:
    source = result["data"] or "the bundled clip"
    title = (
        f"{result['engine']}\n{result['precision']} on {_host(result)} against {result['reference']}, "
        f"{counted(result['pictures'], 'picture')} of {source}"
    )
    rows = []
    for check in result["checks"]:
        value = "not finite" if check["value"] is None else f"{check['value']:.4g}"
        verdict = "" if check["limit"] is None and check["passed"] else "ok" if check["passed"] else "FAILED"
        rows.append((check["name"], value, limit_of(check).removeprefix(", "), verdict))
    print_table(to, ("check",), ("value", "limit", ""), rows, title)
    for note in result["notes"]:
        say(f"note: {note}")
    say_failure(result)
    to.print("passed" if result["passed"] else "failed")
