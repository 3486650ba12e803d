"""`tosa-edge run`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from tosa_edge.cli.common import JsonFlag, emit
from tosa_edge.model import DEFAULT_MODEL

SourceOption = Annotated[
    str, typer.Option("--source", help="A video file, a picture, or a folder of pictures.")
]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine", help="A bundled model (NAME or NAME:VARIANT), a model folder, or an .onnx file."
    ),
]
RecordOption = Annotated[
    Optional[Path],
    typer.Option("--record", help="Write the side-by-side video here (.webm, .mkv, .mp4, .avi)."),
]
OutOption = Annotated[
    Optional[Path],
    typer.Option("--out", help="Folder for run.webm, contact sheet and summary. Without --record: ./run."),
]
FitOption = Annotated[
    str, typer.Option("--fit", help="How frames fit the model: letterbox, stretch or crop.")
]
MapsFlag = Annotated[
    bool, typer.Option("--depth-maps", help="Also write each frame's depth to OUT/depth as .npy.")
]


def main(
    source: SourceOption,
    engine: EngineOption = DEFAULT_MODEL,
    record: RecordOption = None,
    out: OutOption = None,
    fit: FitOption = "letterbox",
    depth_maps: MapsFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Depth for a video, a picture or a folder of pictures."""
    from tosa_edge.cli import recording

    if out is None and (record is None or depth_maps):
        out = Path("run")
    video = record or (out / "run.webm" if out else None)
    result = recording.record(source, engine, fit, out, video, depth_maps)
    recording.say(result)
    emit(result, as_json)
