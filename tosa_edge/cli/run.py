"""`tosa-edge run`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, ProviderOption, emit, require_all
from tosa_edge.console import say
from tosa_edge.find_model import DEFAULT_MODEL

EXAMPLES = ("tosa-edge run photo.jpg", "tosa-edge run 0 --serve")

SourcesArgument = Annotated[
    Optional[list[str]],
    typer.Argument(
        metavar="SOURCE",
        help="A file, a folder of pictures, a pattern ('*.mp4'), a camera (0, v4l2://, csi://0), rtsp://, "
        "http(s)://, gst:PIPELINE or test://. Several share one engine.",
        show_default=False,
    ),
]
SourceOption = Annotated[
    Optional[list[str]], typer.Option("-s", "--source", help="The same; may be repeated.")
]
RecursiveFlag = Annotated[
    bool, typer.Option("--recursive", help="Of a folder take its folders' pictures too.")
]
ModelOption = Annotated[
    str,
    typer.Option(
        "-m",
        "--model",
        "--engine",
        help="A bundled model (NAME or NAME:VARIANT), a model folder, an .onnx file or an engine.",
    ),
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
    typer.Option(
        "-o", "--out", help="Folder for what is written. Of files and folders: ./run, or ./run-2 and so on."
    ),
]
FitOption = Annotated[
    str, typer.Option("--fit", help="How frames fit the model: letterbox, stretch or crop.")
]
MapsFlag = Annotated[
    bool, typer.Option("--depth-maps", "--npy", help="Also write each frame's depth to OUT/depth as .npy.")
]
PicturesFlag = Annotated[
    bool,
    typer.Option("--png", help="Also write OUT/png: depth in 16 bits and in colours. Of pictures unasked."),
]
CloudsFlag = Annotated[bool, typer.Option("--ply", help="Also write point clouds to OUT/clouds; see --fov.")]
NoFilesFlag = Annotated[bool, typer.Option("--no-files", help="Write nothing.")]
FovOption = Annotated[
    Optional[float], typer.Option("--fov", help="The camera's field of view in degrees, across. Else 60.")
]
CameraOption = Annotated[
    Optional[Path], typer.Option("--intrinsics", help="The camera as JSON: width, height, fx, fy, cx, cy.")
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
    sources: SourcesArgument = None,
    source: SourceOption = None,
    model: ModelOption = DEFAULT_MODEL,
    recursive: RecursiveFlag = False,
    refresh: RefreshOption = "1",
    provider: ProviderOption = "auto",
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
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Real-time depth from cameras, streams and files. Ctrl-C ends it and keeps what was written.

    A picture gives pictures under its own name, in colours and in 16 bits; a video gives a video. What never
    ends is only shown, unless --out or --record asks for files. Beside a viewer or --record alone no other
    file is written.
    """
    from tosa_edge.cli.run_display import RunDisplay, say_result
    from tosa_edge.verbs.run import run_sources

    with RunDisplay() as display:
        result = run_sources(
            [*(sources or ()), *(source or ())],
            model=model,
            recursive=recursive,
            refresh=refresh,
            reuse=reuse,
            provider=provider,
            fit=fit,
            out=out,
            record=record,
            depth_maps=depth_maps,
            png=png,
            ply=ply,
            no_files=no_files,
            fov=fov,
            intrinsics=intrinsics,
            metres=metres or (),
            serve=serve,
            host=host,
            port=port,
            token=token,
            rerun=rerun,
            window=window,
            frames=frames,
            force=force,
            on_start=display.begin,
            on_result=display.step,
            say=say,
        )
    say_result(result)
    emit(result, as_json)
    require_all(result["refused"])
