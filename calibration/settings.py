"""What can be asked of a calibration, and what cannot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tosa_edge.calibration.placement import Layer, find_layers
from tosa_edge.calibration.qdq import check_activations
from tosa_edge.calibration.ranges import check_method
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph import LoadedGraph
from tosa_edge.pictures.fit import check_mode


@dataclass(frozen=True)
class Settings:
    """How to calibrate.

    Args:
        method: minmax, percentile or entropy.
        activations: symmetric (TensorRT and CPU) or unsigned (CPU only).
        images: at most this many pictures, evenly spread.
        max_drop: of delta1 between the INT8 and the float32 depth; None asks for nothing.
        report: find out what each group of layers costs, whether or not the budget needs it.
        compare: measure the agreement of the result; a budget or a report does so anyway.
        table: ranges that were measured before, instead of pictures.
        fit: how pictures go into the graph, as the runtime has it.
        threads: 0 is one for each core.
    """

    method: str = "minmax"
    activations: str = "symmetric"
    images: int = 128
    max_drop: float | None = None
    report: bool = False
    compare: bool = False
    table: Path | None = None
    fit: str = "letterbox"
    threads: int = 0

    @property
    def compares(self) -> bool:
        return self.compare or self.report or self.max_drop is not None


def layers_to_quantise(graph: LoadedGraph, settings: Settings) -> list[Layer]:
    """The layers to quantise, or an error that says why this cannot be done."""
    check_method(settings.method)
    check_activations(settings.activations)
    check_mode(settings.fit)
    if settings.max_drop is not None and not 0 <= settings.max_drop <= 1:
        raise TosaEdgeError(f"--max-drop {settings.max_drop:g} is not a share", "Give 0.01 for one percent.")
    if settings.images < 1:
        raise TosaEdgeError(f"--images {settings.images} is not possible", "Give 1 or more.")
    if graph.info.precision not in ("fp32", "fp16") or graph.info.form == "plugin":
        what = "in plugin form" if graph.info.form == "plugin" else graph.info.precision
        raise TosaEdgeError(
            f"{graph.label} is {what}: INT8 is made from a portable float graph",
            "Give the same MODEL without `.int8` or plugins, or export it with `--precision fp32`.",
        )
    if graph.info.precision == "fp16" and settings.activations == "unsigned":
        raise TosaEdgeError(
            f"{graph.label} is fp16, which is for GPUs, and unsigned activations are for CPUs",
            "Give the same MODEL without `.fp16`, or take `--activations symmetric`.",
        )
    layers = find_layers(graph.proto)
    if not layers:
        raise TosaEdgeError(
            f"{graph.label} holds no layers that INT8 pays for",
            "Give a ViT that `tosa-edge export` wrote: qkv, proj, fc1 and fc2 are found by those names.",
        )
    return layers
