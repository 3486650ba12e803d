"""Rerun: picture, kept tokens, and depth as a point cloud in front of a pinhole camera."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tosa_edge.atomic_files import AtomicFile
from tosa_edge.errors import MachineLacks
from tosa_edge.graph_info import GraphInfo
from tosa_edge.pictures.colour import ColourScale
from tosa_edge.runtime.drawn_distances import DRAWN_DEPTH_RATIO, drawn_distances
from tosa_edge.runtime.intrinsics import USUAL_FOV, CameraAt, Intrinsics
from tosa_edge.runtime.sinks import Result, Sink
from tosa_edge.runtime.sinks.files import millimetres
from tosa_edge.runtime.sinks.rerun_viewer import RerunViewer
from tosa_edge.runtime.sinks.thumbnails import depth_thumbnail, jpeg, overlay_thumbnail, picture_thumbnail

_FLUSH_S = 2.0


class RerunSink(Sink):
    """Into a viewer on this machine, or with `save` into an `.rrd` file that a viewer opens later.

    Args:
        intrinsics: of the camera; without them a usual field of view is assumed.
    """

    def __init__(
        self, info: GraphInfo, intrinsics: CameraAt = Intrinsics.from_fov, save: Path | None = None
    ) -> None:
        self._rerun: Any = required()
        self._info, self._intrinsics = info, intrinsics
        self._scale = ColourScale(info.output)
        self._pending = AtomicFile(save) if save else None
        self._viewer = None if save else RerunViewer()
        self.url = self._viewer.url if self._viewer else None
        self._stream = self._rerun.RecordingStream("tosa-edge")
        if self._viewer:
            self._stream.connect_grpc(self._viewer.data_url)
        if self._pending:
            self._stream.save(self._pending.path)
        self._stream.send_blueprint(_layout(info))
        self._stream.log("/", self._rerun.ViewCoordinates.RDF, static=True)  # x right, y down, z forward
        self._say_what_is_guessed()

    def write(self, result: Result) -> None:
        rr, log = self._rerun, self._stream.log
        picture = picture_thumbnail(result)
        self._stream.set_time("frame", sequence=result.frame.index)
        self._stream.set_time("time", duration=result.frame.timestamp)
        log("camera", self._pinhole(*picture.shape[:2]))
        log("camera/picture", _picture(rr, picture))
        log("camera/depth", rr.DepthImage(self._thousandths(depth_thumbnail(result)), meter=1000))
        if not self._info.dense:
            log("kept", _picture(rr, overlay_thumbnail(result, self._info)))
        times = result.prediction.times_ms
        for name, value in (("fps", result.fps), ("age_ms", result.age_ms), *times.items()):
            log(f"numbers/{name}", rr.Scalars(value))

    def seal(self) -> None:
        self._stream.flush(timeout_sec=_FLUSH_S)
        self._stream.disconnect()
        if self._viewer:
            self._viewer.leave()

    def commit(self) -> Path | None:
        return self._pending.commit() if self._pending else None

    def abort(self) -> None:
        self._stream.disconnect()
        if self._viewer:
            self._viewer.end()
        if self._pending:
            self._pending.abort()

    def _thousandths(self, depth: Any) -> Any:
        """uint16, thousandths of a metre or of whatever relative depth is in."""
        if self._info.output == "metric_depth":
            return millimetres(depth)
        self._scale.update(depth)
        near, far = self._scale.ends() or (1.0, 0.0)
        return millimetres(drawn_distances(depth, near, far))

    def _pinhole(self, height: int, width: int) -> Any:
        camera = self._intrinsics(width, height)
        matrix = [[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]]
        return self._rerun.Pinhole(image_from_camera=matrix, resolution=[width, height])

    def _say_what_is_guessed(self) -> None:
        said = ["Depth is in metres."]
        if self._info.output != "metric_depth":
            said = [
                "Relative depth has no unit and no known shift: the nearest is drawn at 1, the farthest at "
                f"{DRAWN_DEPTH_RATIO:g}. The order along a ray is the model's, distances are not."
            ]
        if self._intrinsics == Intrinsics.from_fov:
            said.append(f"No intrinsics were given: {USUAL_FOV:g} degrees from left to right are assumed.")
        self._stream.log("notes", self._rerun.TextDocument("\n\n".join(said)), static=True)


def required() -> Any:
    """The module `rerun`."""
    try:
        import rerun
    except ImportError:
        raise MachineLacks(
            "Rerun is not installed", "pip install 'tosa-edge[viewer]', or use --serve and a browser."
        ) from None
    return rerun


def _picture(rr: Any, picture: Any) -> Any:
    return rr.EncodedImage(contents=jpeg(picture), media_type="image/jpeg")


def _layout(info: GraphInfo) -> Any:
    import rerun.blueprint as rrb

    flat = [rrb.Spatial2DView(origin="camera", name="Picture and depth")]
    if not info.dense:
        flat.append(rrb.Spatial2DView(origin="kept", name="Attended tokens"))
    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Vertical(*flat),
            rrb.Spatial3DView(origin="/", contents=["camera/**"], name="Point cloud"),
            rrb.Vertical(
                rrb.TimeSeriesView(origin="numbers", name="Numbers"),
                rrb.TextDocumentView(origin="notes", name="Notes"),
            ),
            column_shares=[2, 3, 2],
        ),
        collapse_panels=True,
    )
