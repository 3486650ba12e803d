"""What a run is wanted to leave behind and to show, and the sinks that do it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tosa_edge.atomic_files import remove
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph_info import GraphInfo
from tosa_edge.output_paths import SUMMARY
from tosa_edge.runtime.intrinsics import CameraAt, Intrinsics
from tosa_edge.runtime.sinks import Sink
from tosa_edge.runtime.sources import Source
from tosa_edge.runtime.sources.address import without_password

if TYPE_CHECKING:
    from tosa_edge.runtime.sinks.web.telemetry import Telemetry

SHEET, MAPS, PICTURES, CLOUDS = "contact_sheet.png", "depth", "png", "clouds"
VIDEO = "run.webm"
OF_A_FOLDER = (SHEET, VIDEO, MAPS, PICTURES, CLOUDS)


@dataclass(frozen=True)
class OutputOptions:
    """Files: `out` gets the contact sheet and, of what moves, run.webm unless `video` names another;
    OUT/depth, OUT/png and OUT/clouds get what is asked for, and OUT/png always of pictures in files.
    Viewers: a page at `port` of `host`, Rerun, a window."""

    out: Path | None = None
    video: Path | None = None
    depth_maps: bool = False
    pictures: bool = False
    clouds: bool = False
    camera: CameraAt = Intrinsics.from_fov
    serve: bool = False
    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    rerun: bool = False
    window: bool = False

    @property
    def viewers(self) -> bool:
        return self.serve or self.rerun or self.window

    @property
    def is_specified(self) -> bool:
        """Whether somebody said what is to become of a run."""
        return bool(self.out or self.video or self.viewers)

    @property
    def of_frames(self) -> bool:
        """Whether files of each frame were asked for, which need a folder."""
        return self.depth_maps or self.pictures or self.clouds

    def files(self, sources: Sequence[Source]) -> list[Path]:
        """All files and folders that a run of these sources is going to write."""
        found = [self.out / SUMMARY] if self.out else []
        for number, source in enumerate(sources):
            one = self.of_stream(number) if len(sources) > 1 else self
            video = one.video_of(source)
            found += [video] if video else []
            if one.out is not None:
                written = {
                    SHEET: source.frame_count != 1,
                    MAPS: one.depth_maps,
                    PICTURES: one.pictures or source.still,
                    CLOUDS: one.clouds,
                }
                found += [one.out / name for name, is_written in written.items() if is_written]
        return found

    def video_of(self, source: Source) -> Path | None:
        """Pictures make no video, unless one is asked for."""
        return self.video or (self.out / VIDEO if self.out and not source.still else None)

    def of_stream(self, number: int) -> OutputOptions:
        """For one of several sources: a folder, a video and a port of its own."""
        return replace(
            self,
            out=self.out / str(number) if self.out else None,
            video=self.video.with_stem(f"{self.video.stem}-{number}") if self.video else None,
            port=self.port + number if self.port else 0,
        )


def refuse_others(path: Path) -> None:
    """Raises where one of the folders of results holds what is no such result: it is replaced as a whole."""
    from tosa_edge.runtime.sinks.files import DepthMapsSink, FilesSink, FolderSink, PointCloudsSink

    kinds: dict[str, type[FilesSink]] = {MAPS: DepthMapsSink, PICTURES: FolderSink, CLOUDS: PointCloudsSink}
    if path.name in kinds:
        kinds[path.name].refuse_others(path)


def remove_former(paths: Iterable[Path], say: Callable[[str], None]) -> None:
    """Takes away what a run that was replaced left behind, which would pass for results of the new one."""
    for path in paths:
        try:
            refuse_others(path)
        except TosaEdgeError:
            continue  # by now it holds something of somebody's
        say(f"removing {path}, of the run that was replaced")
        remove(path)


def open_sinks(
    wanted: OutputOptions,
    sources: Sequence[Source],
    info: GraphInfo,
    say: Callable[[str], None],
    stop: Callable[[], None],
    power: Callable[[], Mapping[str, object]] = dict,
) -> list[Sink]:
    """All of them, or none.

    Args:
        say: told where a page is, and of a viewer that ended.
        power: what the machine draws, for who watches a page's metrics.
    """
    from tosa_edge.runtime.sinks.wrappers import OfStream

    if wanted.window and len(sources) > 1:
        raise TosaEdgeError("a window shows one source", "Use --serve: each source has a page of its own.")
    sinks: list[Sink] = []
    try:
        for number, source in enumerate(sources):
            of_this = wanted.of_stream(number) if len(sources) > 1 else wanted
            for open_one in _openers(of_this, source, info, say, stop, power):
                sink = open_one()
                sinks.append(OfStream(number, sink) if len(sources) > 1 else sink)
    except BaseException:
        for sink in reversed(sinks):
            sink.abort()
        raise
    return sinks


def _openers(
    wanted: OutputOptions,
    source: Source,
    info: GraphInfo,
    say: Callable[[str], None],
    stop: Callable[[], None],
    power: Callable[[], Mapping[str, object]],
) -> list[Callable[[], Sink]]:
    from tosa_edge.runtime.sinks.contact_sheet import ContactSheetSink
    from tosa_edge.runtime.sinks.files import DepthMapsSink, FolderSink, PointCloudsSink
    from tosa_edge.runtime.sinks.video import VideoSink
    from tosa_edge.runtime.sinks.wrappers import NewestOnly

    openers: list[Callable[[], Sink]] = []
    out, camera = wanted.out, wanted.camera
    video = wanted.video_of(source)
    if video is not None:
        openers.append(lambda: VideoSink(video, source.fps, paced=source.live))
    if out is not None:
        if source.frame_count != 1:
            openers.append(lambda: ContactSheetSink(out / SHEET))
        if wanted.depth_maps:
            openers.append(lambda: DepthMapsSink(out / MAPS))
        if wanted.pictures or source.still:
            openers.append(lambda: FolderSink(out / PICTURES, info))
        if wanted.clouds:
            openers.append(lambda: PointCloudsSink(out / CLOUDS, info, camera))
    if wanted.serve:
        telemetry = _telemetry(source, info, power)
        openers.append(lambda: telemetry)
        openers.append(lambda: NewestOnly(_page(wanted, source, info, telemetry, say), say))
    if wanted.rerun:
        openers.append(lambda: NewestOnly(_rerun(info, camera, say), say))
    if wanted.window:
        openers.append(lambda: NewestOnly(_window(stop), say))
    return openers


def _telemetry(source: Source, info: GraphInfo, power: Callable[[], Mapping[str, object]]) -> Telemetry:
    from tosa_edge.runtime.sinks.web.telemetry import Telemetry

    return Telemetry(source.live, power, {"model": info.name, "source": without_password(source.label)})


def _page(
    wanted: OutputOptions,
    source: Source,
    info: GraphInfo,
    telemetry: Telemetry,
    say: Callable[[str], None],
) -> Sink:
    from tosa_edge.runtime.sinks.web import WebSink

    page = WebSink(info, wanted.host, wanted.port, wanted.token, source.label, telemetry)
    say(f"live at {page.url}")
    return page


def _rerun(info: GraphInfo, camera: CameraAt, say: Callable[[str], None]) -> Sink:
    from tosa_edge.runtime.sinks.rerun import RerunSink

    sink = RerunSink(info, intrinsics=camera)
    if sink.url:
        say(f"Rerun at {sink.url}")
    return sink


def _window(stop: Callable[[], None]) -> Sink:
    from tosa_edge.runtime.sinks.window import WindowSink

    return WindowSink(stop)
