"""A run's losses as a picture: every `log.jsonl` of its stages in one SVG."""

from __future__ import annotations

import math
from pathlib import Path

from tosa_edge.atomic_files import write_bytes
from tosa_edge.training.loop import LOG, read_log

WIDTH, HEIGHT, LEFT, TOP = 900, 420, 50, 30
COLOURS = ("#0b6e99", "#c2571a", "#5b8c2a", "#8a4fbf", "#b03060", "#555555")
NOT_LOSSES = ("step", "norm", "seconds")
CURVES = "curves.svg"


def draw_curves(out: Path, stages: list[str]) -> Path:
    """Writes `CURVES`, smoothed, the stages one after another, and returns its path."""
    logs = [read_log(out / stage / LOG) for stage in stages]
    total = max(1, sum(map(len, logs)))
    curves: dict[str, list[list[tuple[int, float]]]] = {}
    marks, done = [], 0
    for stage, log in zip(stages, logs, strict=True):
        marks.append((done, stage))
        for name in [key for key in (log[0] if log else {}) if key not in NOT_LOSSES]:
            values = smooth([entry[name] for entry in log], max(1, total // 100))
            curves.setdefault(name, []).append([(done + i, v) for i, v in enumerate(values)])
        done += len(log)
    known = [v for parts in curves.values() for part in parts for _, v in part if math.isfinite(v)]
    highest = max(known, default=0) or 1.0

    def place(step: int, value: float) -> str:
        return f"{LEFT + step / total * WIDTH:.1f},{TOP + (1 - value / highest) * HEIGHT:.1f}"

    shapes = [_text(LEFT, TOP - 10, f"highest {highest:.2f}, {done} steps")]
    for share in (0, 0.25, 0.5, 0.75, 1):
        shapes.append(_text(4, TOP + (1 - share) * HEIGHT + 5, f"{share * highest:.2g}"))
    for start, stage in marks:
        x = LEFT + start / total * WIDTH
        shapes.append(f'<path d="M{x:.1f} {TOP}v{HEIGHT}" stroke="#bbb" fill="none"/>')
        shapes.append(_text(x + 4, TOP + HEIGHT + 16, f"{stage}, from step {start}"))
    for number, (name, parts) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        for part in parts:
            points = " ".join(place(step, value) for step, value in part if math.isfinite(value))
            shapes.append(f'<polyline points="{points}" stroke="{colour}" fill="none" stroke-width="1.5"/>')
        shapes.append(_text(LEFT + WIDTH + 8, TOP + 16 * (number + 1), name, colour))
    size = f'width="{WIDTH + 170}" height="{HEIGHT + TOP + 30}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">'
    path = out / CURVES
    write_bytes(
        path, "\n".join((head, '<rect width="100%" height="100%" fill="white"/>', *shapes, "</svg>")).encode()
    )
    return path


def smooth(values: list[float], window: int) -> list[float]:
    """Running means over the last `window` values."""
    return [sum(values[max(0, i + 1 - window) : i + 1]) / min(window, i + 1) for i in range(len(values))]


def _text(x: float, y: float, words: str, colour: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}">{words}</text>'
