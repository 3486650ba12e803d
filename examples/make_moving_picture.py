"""Makes the moving picture at the head of the README out of what `tosa-edge demo` recorded.

python examples/make_moving_picture.py demo/demo.webm docs/demo.webp
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

WIDTH = 960
EVERY = 2  # frames; 20 a second are more than a page needs
QUALITY = 60


def frames_of(path: str) -> list[np.ndarray]:
    video, frames = cv2.VideoCapture(path), []
    while True:
        ok, frame = video.read()
        if not ok:
            return [smaller(one) for one in frames[::EVERY]]
        frames.append(frame)


def smaller(frame: np.ndarray) -> np.ndarray:
    height = round(frame.shape[0] * WIDTH / frame.shape[1])
    return cv2.resize(frame, (WIDTH, height), interpolation=cv2.INTER_AREA)


def main(video: str, out: str) -> None:
    frames = frames_of(video)
    if not frames:
        sys.exit(f"no frame of {video} could be read\nMake it with: tosa-edge demo")
    moving = cv2.Animation()
    moving.frames, moving.durations = frames, [50 * EVERY] * len(frames)
    if not cv2.imwriteanimation(out, moving, [cv2.IMWRITE_WEBP_QUALITY, QUALITY]):
        sys.exit(f"{out} could not be written\nName a .webp file in a folder that is there.")
    print(f"{len(frames)} frames, {Path(out).stat().st_size / 1e6:.1f} MB: {out}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("say what from and where to: make_moving_picture.py demo/demo.webm docs/demo.webp")
    main(*sys.argv[1:])
