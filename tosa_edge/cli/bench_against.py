"""`tosa-edge bench --against`: ways to save tokens side by side on one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tosa_edge.cli.common import emit, require_all, say_refused
from tosa_edge.cli.tables import print_table, unsigned_zero
from tosa_edge.console import answers, counted, say
from tosa_edge.errors import TosaEdgeError

TABLE, CHART = "against.json", "against.svg"
MOST = 2000  # pictures that are held in memory


def against(
    models: list[str],
    data: Path | None,
    out: Path,
    limit: int | None,
    rounds: int,
    threads: int,
    as_json: bool,
) -> None:
    """One model, and pictures to judge by: with classes for a classifier, of any kind for depth."""
    from tosa_edge.cli.export import needs_export_extra
    from tosa_edge.find_model import find_checkpoint
    from tosa_edge.progress import bars

    if len(models) != 1 or data is None:
        raise TosaEdgeError(
            "--against compares ways on one model, by pictures", "Name the model, and --data DIR."
        )
    checkpoint = find_checkpoint(models[0])
    with needs_export_extra("comparing ways"):
        from tosa_edge.nn.weights import load_net
        from tosa_edge.tuning.rivals import side_by_side
    net = load_net(checkpoint)
    pictures, labels, refused = _pictures(net, data, limit or MOST)
    with bars("dense") as on_step:
        points = side_by_side(
            checkpoint, net, pictures, labels, rounds=rounds, threads=threads, on_step=on_step
        )
    result = _keep(points, out, {"model": models[0], "pictures": len(pictures), "rounds": rounds})
    _say(result, labels is not None, as_json)
    say(f"wrote {out / TABLE} and {out / CHART}")
    say_refused(refused)
    emit({**result, "refused": refused}, as_json)
    require_all(refused)


def _pictures(net: Any, data: Path, most: int) -> tuple[Any, Any, list[str]]:
    import numpy as np

    from tosa_edge.calibration.pictures import read_pictures
    from tosa_edge.evaluation.labelled_pictures import open_labelled
    from tosa_edge.pictures.fit import fit_for, zoomed

    config, refused = net.config, list[str]()
    size = config.height, config.width
    if config.head != "linear":
        pictures, refused = read_pictures(data, size, min(most, 64), flag="--data")
        return pictures, None, refused
    labelled = open_labelled(data)
    seen, labels = [], []
    for _, picture, label in labelled.samples(config.labels, config.classes, most=most, refused=refused):
        fit = zoomed(fit_for((picture.shape[0], picture.shape[1]), size, "crop"), config.crop)
        seen.append(fit.forward(picture))
        labels.append(label)
    if not seen:
        raise TosaEdgeError(refused[0] if refused else f"{data} holds no pictures", "Give --data another.")
    return np.stack(seen), np.array(labels), refused


def _keep(points: list[Any], out: Path, about: dict[str, Any]) -> dict[str, Any]:
    import json

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


def _say(result: dict[str, Any], labelled: bool, as_json: bool) -> None:
    rows = [
        (
            f"{row['name']}{' *' * row['best']}",
            f"{row['p50_ms']:.1f}",
            f"{row['ratio']:.2f}",
            f"{unsigned_zero(row['loss'], 4):.2%}",
            "-" if row["within"] is None else f"{row['within']:.2%}",
        )
        for row in sorted(result["rows"], key=lambda row: row["ratio"])
    ]
    of = "dense's top-1" if labelled else "dense's answers"
    title = (
        f"{result['model']} on {counted(result['pictures'], 'picture')}; lost of {of}; *: nothing beats it"
    )
    print_table(answers(as_json), ("way",), ("p50 ms", "ratio", "lost", "±"), rows, title)
