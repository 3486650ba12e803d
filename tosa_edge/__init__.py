"""Token Selective Attention for real-time depth: export, check and run from one command.

Example:
    >>> from tosa_edge import DepthModel
    >>> depth = DepthModel.load("tosa_depth_s")(frame)   # frame: uint8 [H, W, 3] RGB
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tosa_edge.errors import CheckFailed, MachineLacks, TosaEdgeError

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tosa_edge.depth_model import DepthModel, Prediction
    from tosa_edge.runtime.metric import MetricModel, parse_known
    from tosa_edge.runtime.sinks import Result
    from tosa_edge.runtime.sinks.callback import CallbackSink
    from tosa_edge.runtime.sinks.contact_sheet import ContactSheetSink
    from tosa_edge.runtime.sinks.files import DepthMapsSink, FolderSink, PointCloudsSink
    from tosa_edge.runtime.sinks.video import VideoSink
    from tosa_edge.runtime.sinks.wrappers import NewestOnly
    from tosa_edge.runtime.sources import Frame, open_source, open_sources
    from tosa_edge.runtime.sources.iterable import IterableSource

# ONNX Runtime takes most of a second to import; `tosa-edge --help` must not wait for it.
_LATER = {
    "DepthModel": "depth_model",
    "Prediction": "depth_model",
    "MetricModel": "runtime.metric",
    "parse_known": "runtime.metric",
    "Frame": "runtime.sources",
    "open_source": "runtime.sources",
    "open_sources": "runtime.sources",
    "IterableSource": "runtime.sources.iterable",
    "Result": "runtime.sinks",
    "CallbackSink": "runtime.sinks.callback",
    "ContactSheetSink": "runtime.sinks.contact_sheet",
    "DepthMapsSink": "runtime.sinks.files",
    "FolderSink": "runtime.sinks.files",
    "NewestOnly": "runtime.sinks.wrappers",
    "PointCloudsSink": "runtime.sinks.files",
    "VideoSink": "runtime.sinks.video",
}
__all__ = [  # noqa: RUF022  as a reader looks for them
    "DepthModel",
    "Prediction",
    "MetricModel",
    "parse_known",
    "TosaEdgeError",
    "CheckFailed",
    "MachineLacks",
    "Frame",
    "open_source",
    "open_sources",
    "IterableSource",
    "Result",
    "CallbackSink",
    "ContactSheetSink",
    "DepthMapsSink",
    "FolderSink",
    "NewestOnly",
    "PointCloudsSink",
    "VideoSink",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"tosa_edge.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
