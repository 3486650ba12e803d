"""`tosa-edge package`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, emit
from tosa_edge.console import say

EXAMPLES = (
    "tosa-edge package tosa_depth_s:dense --for triton -o repository",
    "tosa-edge package tosa_depth_s:g3 --for container -o image",
)


def main(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A bundled model, a model folder, an .onnx file or an engine."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for what is written.")],
    target: Annotated[
        str, typer.Option("--for", help="What for: triton, container or deepstream.")
    ] = "triton",
    max_batch: Annotated[
        int,
        typer.Option(
            "--max-batch",
            min=0,
            max=256,
            help="Pictures that Triton or DeepStream puts together; 0 takes the graph as it is.",
        ),
    ] = 8,
    instances: Annotated[int, typer.Option("--instances", min=1, max=64, help="Side by side.")] = 1,
    delay_us: Annotated[
        int, typer.Option("--delay-us", min=0, max=10**6, help="How long a request may wait for others.")
    ] = 2000,
    plugin: Annotated[
        Optional[Path],
        typer.Option("--plugin", help="Our TensorRT plugin library, which the plan then uses."),
    ] = None,
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Files for other people's hosts: a repository for Triton, images, a configuration for DeepStream."""
    from tosa_edge.verbs.package import package_model

    result = package_model(
        model,
        out,
        target=target,
        max_batch=max_batch,
        instances=instances,
        delay_us=delay_us,
        plugin=plugin,
        force=force,
    )
    for file in result["files"]:
        say(f"wrote {file}")
    emit(result, as_json)
