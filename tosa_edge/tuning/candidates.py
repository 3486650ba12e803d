"""What is tried: smaller pictures, rows for several tokens, and both together."""

from __future__ import annotations

from dataclasses import dataclass

from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.tosa import Pattern
from tosa_edge.row_sharing import parse_ways, split_layers

DENSE = "dense"
# Of each side of the picture.
SHARES = (1.0, 0.89, 0.78, 0.67)
# Windows whole and windows in pairs, in as many runs of layers.
WINDOWS = (
    ((0.2, 0.4),),
    ((0.5, 0.3), (0.2, 0.4)),
    ((0.6, 0.3), (0.4, 0.4), (0.25, 0.4)),
    ((0.5, 0.3), (0.2, 0.4), (0.05, 0.35)),
    ((0.3, 0.4), (0.1, 0.4), (0.0, 0.3)),
)
MERGED = (0.15, 0.2)  # of all patches, by each of three mergings


@dataclass(frozen=True)
class Candidate:
    """A size of pictures and a pattern; the first of all is the model as it is."""

    name: str
    size: tuple[int, int]
    pattern: Pattern


def candidates(config: ModelConfig) -> list[Candidate]:
    """Dense first. Of each size that fits, dense and every way."""
    return [
        Candidate(
            _name(config, size, spec), size, Pattern(ways=parse_ways(spec, config.layers) if spec else ())
        )
        for size in sizes(config)
        for spec in ("", *sharing_specs(config.layers))
    ]


def sizes(config: ModelConfig) -> list[tuple[int, int]]:
    """The model's own and smaller ones of about its proportions, each once."""
    rows, columns = config.grid
    found = [
        tuple(max(1, round(share * side)) * config.patch for side in (rows, columns)) for share in SHARES
    ]
    return [(size[0], size[1]) for size in dict.fromkeys(found)]


def sharing_specs(layers: int) -> list[str]:
    """From a sixth or a quarter of the layers on: in the first ones sharing costs most."""
    found = []
    for shares in WINDOWS:
        first = max(1, layers // (4 if len(shares) == 1 else 6))
        runs = split_layers(range(first, layers), len(shares))
        if all(runs):
            parts = zip(runs, shares, strict=True)
            found.append("+".join(f"windows={w:g},{p:g}:{run[0]}-{run[-1]}" for run, (w, p) in parts))
    first = max(1, layers // 6)
    return found + [
        f"groups={m:g}:{first}-{layers - 1}/{max(1, layers // 4)}" for m in MERGED if layers > first
    ]


def _name(config: ModelConfig, size: tuple[int, int], spec: str) -> str:
    smaller = f"{size[0]}x{size[1]}" if size != (config.height, config.width) else ""
    return " ".join(part for part in (smaller, spec) if part) or DENSE
