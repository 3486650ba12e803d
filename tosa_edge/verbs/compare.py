"""`tosa-edge bench --against` as a function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import find_checkpoint
from tosa_edge.output_paths import refuse_overwrites
from tosa_edge.verbs.arguments import StrPath, check_between, ignore
from tosa_edge.verbs.extras import needs_export_extra

if TYPE_CHECKING:
    import numpy as np

    from tosa_edge.nn.config import ModelConfig
    from tosa_edge.progress import OnStep

TABLE, CHART = "against.json", "against.svg"
MOST_BYTES, MOST_OF_DEPTH = 1 << 29, 64  # of pictures in memory; of depth each is compared pixel by pixel


def compare_ways(
    model: StrPath,
    data: StrPath,
    out: StrPath = "against",
    *,
    limit: int | None = None,
    rounds: int = 30,
    threads: int = 0,
    force: bool = False,
    on_step: OnStep = ignore,
) -> dict[str, Any]:
    """Ways to save tokens side by side on one encoder: the paper's, ours, ToMe, EViT, lot, smaller pictures.

    Args:
        model: a model of ours: a file, a folder, a bundled name.
        data: for a classifier, pictures with classes: CLASS/NAME.jpg, or ImageNet's validation archive; else
            pictures or a video.
        out: the folder for the table, `against.json`, and the picture, `against.svg`.
        limit: at most so many pictures, evenly spread; more than fit into 512 MB are not taken.
        rounds: how often each way is timed, in turn.
        threads: of the CPU; 0 is one for each core.
        force: write into a folder that holds other things.

    Returns:
        `rows`, one for each way: `name`, `p50_ms`, `ratio` (times as fast as dense), `loss` (a share of
        dense's top-1; of depth, of its pixels), `within` (with 95 %, paired) and `best`, whether no other
        beats it; `model`, `pictures`, `top1` of dense, `rounds`, `machine`, `refused`.

    Example:
        >>> rows = compare_ways("deit", "imagenet")["rows"]
        >>> [row["name"] for row in rows if row["best"]]
    """
    check_between("--limit", limit, 2)
    check_between("--rounds", rounds, 1)
    check_between("--threads", threads, 0)
    checkpoint, place = find_checkpoint(str(model)), Path(out)
    refuse_overwrites([place], [checkpoint, Path(data)], force=force, former=_is_ours)
    with needs_export_extra("comparing ways"):
        from tosa_edge.nn.weights import load_net
        from tosa_edge.tuning.rivals import side_by_side

    net = load_net(checkpoint)
    pictures, labels, refused = _pictures(net.config, Path(data), limit)
    points, top1 = side_by_side(
        checkpoint, net, pictures, labels, rounds=rounds, threads=threads, on_step=on_step
    )
    about = {"model": str(model), "pictures": len(pictures), "top1": top1, "rounds": rounds}
    return _keep(points, place, {**about, "refused": refused})


def _is_ours(folder: Path) -> bool:
    """A former comparison, which this one replaces."""
    return folder.is_dir() and {p.name for p in folder.iterdir()} <= {TABLE, CHART}


def _pictures(
    config: ModelConfig, data: Path, limit: int | None
) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    import numpy as np

    from tosa_edge.calibration.pictures import read_pictures
    from tosa_edge.evaluation.labelled_pictures import open_labelled
    from tosa_edge.pictures.fit import middle_fit

    size, refused = (config.height, config.width), list[str]()
    if not config.classifies:
        pictures, refused = read_pictures(
            data, size, min(limit or MOST_OF_DEPTH, MOST_OF_DEPTH), flag="--data"
        )
        return pictures, None, refused
    room = MOST_BYTES // (3 * size[0] * size[1])
    most = min(limit or room, room)
    samples = open_labelled(data).samples(config.labels, config.classes, most=most, refused=refused)
    seen, labels = [], []
    for _, picture, label in samples:
        seen.append(middle_fit((picture.shape[0], picture.shape[1]), size, config.crop).forward(picture))
        labels.append(label)
    if not seen:
        raise TosaEdgeError(refused[0] if refused else f"{data} holds no pictures", "Give --data another.")
    return np.stack(seen), np.array(labels), refused


def _keep(points: list[Any], out: Path, about: dict[str, Any]) -> dict[str, Any]:
    from tosa_edge import machine
    from tosa_edge.atomic_files import write_bytes
    from tosa_edge.tuning.chart import chart
    from tosa_edge.tuning.front import front

    facts, best = machine.facts(), front(points)
    rows = [{**vars(point), "best": point in best} for point in points]
    result = {**about, "rows": rows, "machine": facts}
    write_bytes(out / TABLE, (json.dumps(result, indent=2) + "\n").encode())
    title = f"{facts['cpu']}, {facts['cores']} cores, ONNX Runtime, float32"
    write_bytes(out / CHART, chart(points, best, title).encode())
    return result
