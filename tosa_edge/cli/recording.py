"""What `demo` and `run` share: frames through a model into files, with progress, and a summary of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tosa_edge.cli.common import console
from tosa_edge.cli.progress import progress


def record(
    source_spec: str,
    model_spec: str,
    fit: str,
    out: Path | None,
    video: Path | None,
    depth_maps: bool = False,
) -> dict[str, Any]:
    """Runs everything and returns what `--json` prints. `out` gets sheet and summary, `video` the video."""
    from tosa_edge import machine
    from tosa_edge.depth_model import DepthModel
    from tosa_edge.pending import write_bytes
    from tosa_edge.runtime import pipeline
    from tosa_edge.runtime.sources import open_source

    source = open_source(source_spec)
    try:
        with DepthModel.load(model_spec, fit=fit) as model:
            sinks = _sinks(source.fps, out, video, depth_maps)
            with progress(f"{model.label} on {Path(source.label).name}", source.frames) as step:
                summary = pipeline.run(source, model, sinks, step)
            result: dict[str, Any] = {
                **summary.as_dict(),
                "dropped": 0,
                "reconnects": 0,
                "model": model.label,
                "size": f"{model.info.height}x{model.info.width}",
                "fit": fit,
                "source": source.label,
                "machine": machine.facts(),
            }
    finally:
        source.close()
    if out is not None:
        path = out / "summary.json"
        result["outputs"] = [*result["outputs"], str(path)]
        write_bytes(path, (json.dumps(result, indent=2) + "\n").encode())
    return result


def _sinks(fps: float, out: Path | None, video: Path | None, depth_maps: bool) -> list:
    from tosa_edge.runtime.sinks.contact_sheet import ContactSheetSink
    from tosa_edge.runtime.sinks.depth_maps import DepthMapsSink
    from tosa_edge.runtime.sinks.video import VideoSink

    sinks: list = []
    try:
        if video is not None:
            sinks.append(VideoSink(video, fps))
        if out is not None:
            sinks.append(ContactSheetSink(out / "contact_sheet.png"))
        if out is not None and depth_maps:
            sinks.append(DepthMapsSink(out / "depth"))
    except BaseException:
        for sink in reversed(sinks):
            sink.abort()
        raise
    return sinks


def say(result: dict[str, Any]) -> None:
    """The summary for people."""
    latency, stages = result["latency_ms"], result["stages_ms"]
    console.print(
        f"{result['frames']} frames of {result['source']} with {result['model']} at {result['size']}: "
        f"{result['fps']:.1f} frames/s from file to file",
        soft_wrap=True,
        markup=False,
    )
    console.print(
        f"depth of a frame: {latency['p50']:.1f} ms (p90 {latency['p90']:.1f}, p99 {latency['p99']:.1f})"
    )
    console.print(
        "stages: " + ", ".join(f"{name} {ms:.1f}" for name, ms in stages.items()) + " ms", soft_wrap=True
    )
    for path in result["outputs"]:
        console.print(f"  {path}", soft_wrap=True, markup=False)
