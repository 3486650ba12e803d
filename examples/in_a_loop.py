"""Depth inside a program of yours: whatever gives frames, and whatever wants depth.

    python examples/in_a_loop.py video.mp4        # or 0, a camera

Says of every frame in which third of the picture the nearest thing is.
"""

from __future__ import annotations

import sys

import numpy as np

from tosa_edge import DepthModel, TosaEdgeError, open_source

SIDES = ("left", "middle", "right")


def nearest_side(depth: np.ndarray) -> str:
    """Relative depth: larger is nearer. A high percentile, and not one pixel that may be wrong."""
    thirds = np.array_split(depth, 3, axis=1)
    return SIDES[int(np.argmax([np.percentile(third, 95) for third in thirds]))]


def main(spec: str) -> None:
    source = open_source(spec)
    try:
        with DepthModel.load("tosa_depth_s") as model:
            for frame in source:
                print(f"{frame.timestamp:8.2f} s  {nearest_side(model(frame.picture))}", flush=True)
    finally:
        source.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("say which video or camera: python examples/in_a_loop.py video.mp4")
    try:
        main(sys.argv[1])
    except TosaEdgeError as error:
        sys.exit(f"{error.what}\n{error.remedy}")
    except KeyboardInterrupt:
        pass
