"""`tosa-edge run`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from tosa_edge.cli.common import JsonFlag, emit
from tosa_edge.model import DEFAULT_MODEL

if TYPE_CHECKING:
    from tosa_edge.runtime.intrinsics import CameraAt

SourceOption = Annotated[
    list[str],
    typer.Option(
        "--source",
        help="A file, a folder of pictures, a camera (0, v4l2://, csi://0), rtsp://, gst:PIPELINE or "
        "test://. Several share one engine.",
    ),
]
EngineOption = Annotated[
    str, typer.Option("--engine", help="A bundled model (NAME or NAME:VARIANT), a model folder, or a file.")
]
RefreshOption = Annotated[
    str, typer.Option("--refresh", help="Choose tokens anew every N frames, or when the scene changes: auto.")
]
ReuseOption = Annotated[
    Optional[str], typer.Option("--reuse", help="What runs between refreshes. Default: MODEL:g3.reuse.")
]
RecordOption = Annotated[
    Optional[Path],
    typer.Option("--record", help="Write the side-by-side video here (.webm, .mkv, .mp4, .avi)."),
]
OutOption = Annotated[
    Optional[Path],
    typer.Option("--out", help="Folder for run.webm, contact sheet and summary. For files: ./run."),
]
FitOption = Annotated[
    str, typer.Option("--fit", help="How frames fit the model: letterbox, stretch or crop.")
]
MapsFlag = Annotated[
    bool, typer.Option("--depth-maps", help="Also write each frame's depth to OUT/depth as .npy.")
]
PicturesFlag = Annotated[bool, typer.Option("--png", help="Also write depth and panel to OUT/png.")]
CloudsFlag = Annotated[bool, typer.Option("--ply", help="Also write point clouds to OUT/clouds.")]
NoFilesFlag = Annotated[bool, typer.Option("--no-files", help="Write nothing.")]
FovOption = Annotated[
    Optional[float], typer.Option("--fov", help="The camera's field of view in degrees, across.")
]
CameraOption = Annotated[
    Optional[Path], typer.Option("--intrinsics", help="The camera as JSON: fx, fy, cx, cy.")
]
MetresOption = Annotated[
    Optional[list[str]],
    typer.Option("--metres", help="X,Y=METRES: a distance you know, in the first frame. Two are better."),
]
ServeFlag = Annotated[bool, typer.Option("--serve", help="A live page for browsers.")]
HostOption = Annotated[
    str, typer.Option("--host", help="Where --serve listens; beyond this machine with a token.")
]
PortOption = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")]
TokenOption = Annotated[
    Optional[str], typer.Option("--token", envvar="TOSA_EDGE_TOKEN", help="Default: one is made.")
]
RerunFlag = Annotated[bool, typer.Option("--rerun", help="Show in Rerun: picture, depth, point cloud.")]
WindowFlag = Annotated[bool, typer.Option("--window", help="Show in a window.")]
FramesOption = Annotated[Optional[int], typer.Option("--frames", min=1, help="Stop after so many.")]


def main(
    source: SourceOption,
    engine: EngineOption = DEFAULT_MODEL,
    refresh: RefreshOption = "1",
    reuse: ReuseOption = None,
    record: RecordOption = None,
    out: OutOption = None,
    fit: FitOption = "letterbox",
    depth_maps: MapsFlag = False,
    png: PicturesFlag = False,
    ply: CloudsFlag = False,
    no_files: NoFilesFlag = False,
    fov: FovOption = None,
    intrinsics: CameraOption = None,
    metres: MetresOption = None,
    serve: ServeFlag = False,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8080,
    token: TokenOption = None,
    rerun: RerunFlag = False,
    window: WindowFlag = False,
    frames: FramesOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Real-time depth from cameras, streams and files. Ctrl-C ends it and keeps what was written."""
    from tosa_edge.cli import recording
    from tosa_edge.errors import TosaEdgeError
    from tosa_edge.runtime.outputs import Outputs

    into = depth_maps or png or ply
    if no_files and (record or out or into):
        raise TosaEdgeError("--no-files writes nothing", "Leave it out, or the options that ask for files.")
    watched = serve or rerun or window or no_files
    if out is None and (into or (record is None and not watched and all(map(ends, source)))):
        out = Path("run")
    wanted = Outputs(
        out=out,
        video=record or (out / "run.webm" if out else None),
        depth_maps=depth_maps,
        pictures=png,
        clouds=ply,
        camera=_camera(fov, intrinsics),
        serve=serve,
        host=host,
        port=port,
        token=token,
        rerun=rerun,
        window=window,
    )
    result = recording.record(
        source, engine, fit, wanted, refresh=refresh, reuse=reuse, known=metres or (), most=frames
    )
    recording.say(result)
    emit(result, as_json)


def ends(source: str) -> bool:
    """A file or a folder, which is worth writing files of; what never ends would fill a disk."""
    return Path(source).exists() and not source.startswith("/dev/")


def _camera(fov: float | None, path: Path | None) -> CameraAt:
    from functools import partial

    from tosa_edge.errors import TosaEdgeError
    from tosa_edge.runtime.intrinsics import Intrinsics, read_intrinsics

    if fov is not None and path is not None:
        raise TosaEdgeError("--fov and --intrinsics both say what the camera is", "Give one of them.")
    if path is not None:
        return read_intrinsics(path).at
    if fov is None:
        return Intrinsics.from_fov
    Intrinsics.from_fov(640, 480, fov)  # refused now, not in the middle of a run
    return partial(Intrinsics.from_fov, degrees=fov)
