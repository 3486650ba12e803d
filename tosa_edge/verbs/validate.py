"""`tosa-edge validate` as a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tosa_edge.verbs.arguments import StrPath, as_path, ignore

if TYPE_CHECKING:
    from tosa_edge.progress import OnStep


def validate_engine(
    engine: StrPath,
    *,
    reference: StrPath | None = None,
    data: StrPath | None = None,
    provider: str = "auto",
    on_step: OnStep = ignore,
) -> dict[str, Any]:
    """Is an engine still right? Compared with its float32 model in ONNX Runtime, on real pictures.

    Args:
        engine: what `build_engine` made, or a model as ONNX Runtime runs it.
        reference: the float32 model to compare with; None is what the engine was built from.
        data: a folder of pictures with depth: compared on them, and scored on all of them.
        provider: of ONNX Runtime, for a model: auto, cpu, cuda, tensorrt or rtx.

    Returns:
        `passed`, and `checks`: each with its `name`, `value`, `limit` and `passed`. Where one failed,
        `departed` is the first layer that departs, and `reproduce` a command that shows it. Also what was
        compared: `engine`, `reference`, `precision`, `backend`, `provider`, `pictures`, `data`, `notes` and
        `refused`.

    Example:
        >>> assert validate_engine("engines/NAME.engine")["passed"]
    """
    from tosa_edge.validate.validate import validate

    wanted = None if reference is None else str(reference)
    return validate(str(engine), wanted, as_path(data), on_step, provider)
