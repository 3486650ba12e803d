"""Time and loss of everything that was timed, as an SVG: down and to the right is better."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from tosa_edge.tuning.front import Point

WIDTH, HEIGHT, MARGIN = 760, 440, 60
FEW = 16
# Whatever a name holds first says whose it is.
KINDS = (
    ("windows", "#0b6e99"),
    ("fast", "#0b6e99"),
    ("groups", "#5b8c2a"),
    ("ToMe", "#a33b3b"),
    ("g1", "#8a5fbf"),
    ("g3", "#8a5fbf"),
    ("", "#777777"),
)


def chart(points: Sequence[Point], best: Sequence[Point], title: str) -> str:
    """Every point, those of the front joined and named; where they are few, the others are named too."""
    fastest = max(point.ratio for point in points)
    most = max(point.loss for point in points) or 1.0

    def place(point: Point) -> tuple[float, float]:
        x = MARGIN + (point.ratio - 1) / max(fastest - 1, 1e-9) * WIDTH
        return x, MARGIN + (1 - point.loss / most) * HEIGHT

    parts = [_text(MARGIN, 24, title)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = MARGIN + share * WIDTH, MARGIN + (1 - share) * HEIGHT
        parts.append(f'<path d="M{MARGIN} {y:.0f}h{WIDTH}" stroke="#ddd"/>')
        parts.append(_text(6, y + 4, f"{100 * share * most:.1f} %"))
        parts.append(_text(x - 12, MARGIN + HEIGHT + 20, f"{1 + share * (fastest - 1):.2f}x"))
    joined = " ".join("{:.1f},{:.1f}".format(*place(point)) for point in best)
    parts.append(f'<polyline points="{joined}" stroke="#c2571a" fill="none" stroke-width="1.5"/>')
    for point in points:
        x, y = place(point)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_colour(point.name)}"/>')
    for point in points if len(points) <= FEW else best:
        x, y = place(point)
        parts.append(_text(x + 7, y - 6, point.name, _colour(point.name)))
    parts.append(
        _text(
            MARGIN,
            MARGIN + HEIGHT + 42,
            "times as fast as dense; upwards: what dense has and this loses",
        )
    )
    size = f'width="{WIDTH + 3 * MARGIN}" height="{HEIGHT + 2 * MARGIN}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join((head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>\n"))


def _colour(name: str) -> str:
    return next(colour for kind, colour in KINDS if kind in name)


def _text(x: float, y: float, words: str, colour: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}">{escape(words)}</text>'
