"""A service for a robot without ROS: the newest frame's depth as JSON over UDP, as often as there is one.

    python examples/depth_service.py csi://0 127.0.0.1:9000 --metres 320,240=1.85 --metres 80,400=0.9

Each message: the frame's time, how old it is, and of each of nine columns the nearest metres (without
`--metres` relative inverse depth, in which larger is nearer). `nc -ul 9000` shows them.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time

import numpy as np

from tosa_edge import DepthModel, MetricModel, TosaEdgeError, open_source, parse_known

COLUMNS = 9


def columns_of(depth: np.ndarray, metric: bool) -> list[float]:
    """Of each column what is nearest: a percentile, so that one wrong pixel stops no robot."""
    parts = np.array_split(depth, COLUMNS, axis=1)
    return [round(float(np.nanpercentile(part, 5 if metric else 95)), 3) for part in parts]


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main(arguments: list[str] | None = None) -> None:
    parse = argparse.ArgumentParser(description="Depth of a camera as JSON over UDP.")
    parse.add_argument("source", help="a camera, a stream or a file, as tosa-edge run takes them")
    parse.add_argument("to", type=address, help="HOST:PORT")
    parse.add_argument("--model", default="tosa_depth_s", help="a model or an engine")
    parse.add_argument("--metres", action="append", default=[], help="X,Y=METRES: a distance that you know")
    args = parse.parse_args(arguments)
    source = open_source(args.source)
    try:
        with DepthModel.load(args.model) as loaded, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            known = [parse_known(text) for text in args.metres]
            model = MetricModel(loaded, known) if known else loaded
            for frame in source:
                depth = model.predict_next(frame.picture).depth
                message = {
                    "time_s": round(frame.timestamp, 3),
                    "age_ms": round(1000 * (time.monotonic() - frame.arrived), 1),
                    "metres" if known else "relative": columns_of(depth, bool(known)),
                }
                out.sendto(json.dumps(message).encode(), args.to)
    finally:
        source.close()


if __name__ == "__main__":
    try:
        main()
    except TosaEdgeError as error:
        sys.exit(f"{error.what}\n{error.remedy}")
    except KeyboardInterrupt:
        pass
