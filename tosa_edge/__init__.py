"""Token Selective Attention for real-time depth: export, check and run from one command.

Example:
    >>> from tosa_edge import DepthModel
    >>> depth = DepthModel.load("tosa_depth_s")(frame)   # frame: uint8 [H, W, 3] RGB
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["DepthModel", "__version__"]

if TYPE_CHECKING:
    from tosa_edge.depth_model import DepthModel


def __getattr__(name: str) -> Any:
    # ONNX Runtime takes most of a second to import; `tosa-edge --help` must not wait for it.
    if name == "DepthModel":
        from tosa_edge.depth_model import DepthModel

        return DepthModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
