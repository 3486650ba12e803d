"""`tosa-edge build` as a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tosa_edge.find_model import DEFAULT_MODEL
from tosa_edge.verbs.arguments import StrPath, as_path, ignore

if TYPE_CHECKING:
    from tosa_edge.progress import OnStep


def build_engine(
    model: StrPath = DEFAULT_MODEL,
    *,
    out: StrPath | None = None,
    precision: str | None = None,
    backend: str = "auto",
    provider: str = "auto",
    calib: StrPath | None = None,
    max_drop: float | None = None,
    target: Sequence[int] = (),
    plugin: str = "auto",
    no_validate: bool = False,
    force: bool = False,
    on_step: OnStep = ignore,
    say: Callable[[str], None] = ignore,
) -> dict[str, Any]:
    """An engine for this machine, validated, with a manifest that says what it fits.

    Args:
        model: a bundled name, a model folder or an `.onnx` file.
        out: a file, or a folder. None: the folder `engines`.
        precision: fp32, fp16 or int8; None is what the model is in.
        backend: auto, onnxruntime, tensorrt or tensorrt-rtx.
        provider: what computes for ONNX Runtime: auto, cpu, cuda, tensorrt or rtx.
        calib: pictures to learn INT8 ranges from: a folder and its folders, or a video.
        max_drop: int8: what costs most stays in float, to lose at most this share of delta1.
        target: compute capabilities, such as 89. TensorRT-RTX only.
        plugin: auto, on or off: our own layers in TensorRT.
        no_validate: do not compare the engine with its float32 model.
        force: replace what is there and is no engine of ours.

    Returns:
        `engine` and `manifest` (paths), `backend`, `precision`, `bytes`, `seconds`, `reused`, `notes`,
        `refused`; of the validation `validation` (passed, failed or not run), `checks`, `departed` and
        `reproduce`. An engine that fails stays where it is, and this is how it is known.

    Example:
        >>> engine = build_engine("tosa_depth_s:g3", precision="int8", calib="photos")["engine"]
        >>> depth = DepthModel.load(engine)(frame)
    """
    from tosa_edge.builder.build import BuildProgress, build

    return build(
        str(model),
        precision,
        backend,
        as_path(calib),
        tuple(sorted(set(target))),
        as_path(out),
        BuildProgress(lambda: say("another build of this engine runs: waiting for it"), on_step, say),
        max_drop=max_drop,
        plugin=plugin,
        provider=provider,
        validate=not no_validate,
        force=force,
    ).as_dict()
