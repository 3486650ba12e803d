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
    from tosa_edge.class_model import ClassModel
    from tosa_edge.depth_model import DepthModel, Prediction
    from tosa_edge.runtime.metric import MetricModel, parse_known
    from tosa_edge.runtime.pipeline import run as run_stream
    from tosa_edge.runtime.sinks import Result
    from tosa_edge.runtime.sinks.callback import CallbackSink
    from tosa_edge.runtime.sinks.contact_sheet import ContactSheetSink
    from tosa_edge.runtime.sinks.files import DepthMapsSink, FolderSink, PointCloudsSink
    from tosa_edge.runtime.sinks.video import VideoSink
    from tosa_edge.runtime.sinks.wrappers import NewestOnly
    from tosa_edge.runtime.sources import Frame, open_source, open_sources
    from tosa_edge.runtime.sources.iterable import IterableSource
    from tosa_edge.verbs.batch import batch_pictures
    from tosa_edge.verbs.bench import bench_models
    from tosa_edge.verbs.build import build_engine
    from tosa_edge.verbs.calibrate import calibrate_model
    from tosa_edge.verbs.compare import compare_ways
    from tosa_edge.verbs.distill import distill_model
    from tosa_edge.verbs.doctor import diagnose_machine
    from tosa_edge.verbs.evaluate import evaluate_model
    from tosa_edge.verbs.export import export_model
    from tosa_edge.verbs.inspect import inspect_model
    from tosa_edge.verbs.package import package_model
    from tosa_edge.verbs.run import run_sources
    from tosa_edge.verbs.train import train_model
    from tosa_edge.verbs.tune import tune_model
    from tosa_edge.verbs.validate import validate_engine

# ONNX Runtime takes most of a second to import; `tosa-edge --help` must not wait for it.
_LATER = {
    "run_sources": "verbs.run",
    "batch_pictures": "verbs.batch",
    "build_engine": "verbs.build",
    "export_model": "verbs.export",
    "calibrate_model": "verbs.calibrate",
    "tune_model": "verbs.tune",
    "distill_model": "verbs.distill",
    "train_model": "verbs.train",
    "validate_engine": "verbs.validate",
    "evaluate_model": "verbs.evaluate",
    "bench_models": "verbs.bench",
    "compare_ways": "verbs.compare",
    "package_model": "verbs.package",
    "inspect_model": "verbs.inspect",
    "diagnose_machine": "verbs.doctor",
    "DepthModel": "depth_model",
    "ClassModel": "class_model",
    "Prediction": "depth_model",
    "run_stream": "runtime.pipeline:run",
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
    "run_sources",
    "batch_pictures",
    "build_engine",
    "export_model",
    "calibrate_model",
    "tune_model",
    "distill_model",
    "train_model",
    "validate_engine",
    "evaluate_model",
    "bench_models",
    "compare_ways",
    "package_model",
    "inspect_model",
    "diagnose_machine",
    "run_stream",
    "DepthModel",
    "ClassModel",
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
        module, _, other = _LATER[name].partition(":")
        return getattr(import_module(f"tosa_edge.{module}"), other or name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What completion in an interpreter offers."""
    return sorted({*globals(), *__all__})
