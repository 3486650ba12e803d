"""`tosa-edge run` as a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import DEFAULT_MODEL
from tosa_edge.verbs.arguments import StrPath, as_path, as_words, check_between, ignore
from tosa_edge.verbs.run_pipeline import run_pipeline

if TYPE_CHECKING:
    from threading import Event

    from tosa_edge.runtime.intrinsics import CameraAt
    from tosa_edge.runtime.sinks import Result
    from tosa_edge.runtime.summary import Summary


def run_sources(
    sources: StrPath | int | Sequence[StrPath | int],
    *,
    model: StrPath = DEFAULT_MODEL,
    recursive: bool = False,
    refresh: str | int = 1,
    reuse: StrPath | None = None,
    provider: str = "auto",
    fit: str = "letterbox",
    out: StrPath | None = None,
    record: StrPath | None = None,
    depth_maps: bool = False,
    png: bool = False,
    ply: bool = False,
    no_files: bool = False,
    fov: float | None = None,
    intrinsics: StrPath | None = None,
    metres: str | Sequence[str] = (),
    serve: bool = False,
    host: str = "127.0.0.1",
    port: int = 8080,
    token: str | None = None,
    rerun: bool = False,
    window: bool = False,
    frames: int | None = None,
    force: bool = False,
    stop: Event | None = None,
    on_start: Callable[[str, int | None], None] = ignore,
    on_result: Callable[[Result, Summary], None] = ignore,
    say: Callable[[str], None] = ignore,
) -> dict[str, Any]:
    """Depth of cameras, streams and files, into files and viewers, until their end or Ctrl-C.

    To do something else with each frame, take `open_source` and `DepthModel`.

    Args:
        sources: files, folders of pictures, patterns, cameras (0), rtsp:// and so on; one, or several in a
            list, which share one engine.
        model: a bundled model, a model folder, an `.onnx` file or an engine.
        recursive: of a folder take its folders' pictures too.
        refresh: choose tokens anew every so many frames, or when the scene changes: auto.
        reuse: what runs between refreshes. None: MODEL:g3.reuse.
        provider: what computes for ONNX Runtime: auto, cpu, cuda, tensorrt or rtx.
        fit: how frames fit the model: letterbox, stretch or crop.
        out: the folder for what is written. None: of files and folders `run`, or `run-2` and so on.
        record: write the side-by-side video here.
        depth_maps: also write each frame's depth to `out/depth` as .npy.
        png: also write `out/png`: depth in 16 bits and in colours. Of pictures unasked.
        ply: also write point clouds to `out/clouds`.
        no_files: write nothing.
        fov: the camera's field of view in degrees, across. None: 60.
        intrinsics: the camera as JSON: width, height, fx, fy, cx, cy.
        metres: `X,Y=METRES`: distances that you know, in the first frame.
        serve, host, port, token: a live page for browsers, and where.
        rerun, window: show in Rerun, or in a window.
        frames: stop after so many.
        force: replace what is there already.
        stop: set it, from another thread, to end the run. Ctrl-C does the same.
        on_start: told what runs on what, and how many frames there will be: None where nobody knows.
        on_result: told of each result, and of the summary so far.

    Returns:
        `frames`, `fps`, `latency_ms`, `stages`, `outputs` (paths), `refused` (what was left out, and why) and
        so on, as in `summary.json`.

    Example:
        >>> run_sources("photo.jpg", out="depth")["outputs"]
        >>> run_sources(0, serve=True, say=print)
    """
    from tosa_edge.runtime.intrinsics import USUAL_FOV
    from tosa_edge.runtime.outputs import OutputOptions

    specs = as_words(sources)
    if not specs:
        raise TosaEdgeError(
            "there is no source to run on", "Name one: tosa-edge run photo.jpg, or 0, a camera."
        )
    check_between("--frames", frames, 1)
    check_between("--port", port, 0, 65535)
    if no_files and (record or out or depth_maps or png or ply):
        raise TosaEdgeError("--no-files writes nothing", "Leave it out, or the options that ask for files.")
    if (ply or rerun) and fov is None and intrinsics is None:
        say(f"a field of view of {USUAL_FOV:g} degrees is assumed; --fov and --intrinsics say another")
    camera = as_path(intrinsics)
    wanted = OutputOptions(
        out=as_path(out),
        video=as_path(record),
        depth_maps=depth_maps,
        pictures=png,
        clouds=ply,
        camera=_camera(fov, camera),
        serve=serve,
        host=host,
        port=port,
        token=token,
        rerun=rerun,
        window=window,
    )
    return run_pipeline(
        specs,
        str(model),
        fit,
        wanted,
        refresh=str(refresh),
        reuse=None if reuse is None else str(reuse),
        known=as_words(metres),
        most=frames,
        recursive=recursive,
        usual=None if no_files else Path("run"),
        provider=provider,
        also_read=[camera] if camera else [],
        force=force,
        stop=stop,
        on_start=on_start,
        on_result=on_result,
        say=say,
    )


def _camera(fov: float | None, path: Path | None) -> CameraAt:
    from tosa_edge.runtime.intrinsics import Intrinsics, read_intrinsics

    if fov is not None and path is not None:
        raise TosaEdgeError("--fov and --intrinsics both say what the camera is", "Give one of them.")
    if path is not None:
        return read_intrinsics(path).at
    if fov is None:
        return Intrinsics.from_fov
    Intrinsics.from_fov(640, 480, fov)  # refused now, not in the middle of a run
    return partial(Intrinsics.from_fov, degrees=fov)
