"""`tosa-edge package` as a function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tosa_edge.verbs.arguments import StrPath, as_path, check_between


def package_model(
    model: StrPath,
    out: StrPath,
    *,
    target: str = "triton",
    max_batch: int = 8,
    instances: int = 1,
    delay_us: int = 2000,
    plugin: StrPath | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Files for other people's hosts: a repository for Triton, images, a configuration for DeepStream.

    Args:
        model: a bundled name, a model folder, an `.onnx` file or an engine.
        out: the folder for what is written.
        target: what for: triton, container or deepstream.
        max_batch: pictures that Triton or DeepStream puts together; 0 takes the graph as it is.
        instances: of the model, side by side in Triton.
        delay_us: how long a request to Triton may wait for others.
        plugin: our TensorRT plugin library, which a plan for Triton then uses.
        force: replace what is there already.

    Returns:
        `files`, the paths that were written, and `for`, the target.

    Example:
        >>> package_model("tosa_depth_s", "repository", target="triton")["files"]
    """
    from tosa_edge.find_model import files_of
    from tosa_edge.output_paths import refuse_overwrites
    from tosa_edge.package.options import Options
    from tosa_edge.package.write import write_package

    check_between("--max-batch", max_batch, 0, 256)
    check_between("--instances", instances, 1, 64)
    check_between("--delay-us", delay_us, 0, 10**6)
    folder, library = Path(out), as_path(plugin)
    inputs = [*files_of(str(model)), *([library] if library else [])]
    refuse_overwrites([folder], inputs, force=force)
    options = Options(max_batch, instances, delay_us, library)
    files = write_package(target, str(model), folder, options)
    return {"files": [str(file) for file in files], "for": target}
