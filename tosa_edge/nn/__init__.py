"""The model in PyTorch: pure functions first, modules second."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tosa_edge.nn.apply import apply_tosa

__all__ = ["apply_tosa"]


def __getattr__(name: str) -> Any:
    """Late: whoever asks for a description of a model alone does without PyTorch."""
    if name == "apply_tosa":
        from tosa_edge.nn.apply import apply_tosa

        return apply_tosa
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
