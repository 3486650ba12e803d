"""`tosa-edge inspect`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tosa_edge.cli.common import JsonFlag, emit
from tosa_edge.console import answers
from tosa_edge.row_sharing import Way

if TYPE_CHECKING:
    from rich.table import Table

EXAMPLES = ("tosa-edge inspect tosa_depth_s:g3", "tosa-edge inspect engines/NAME.engine --json")

FileArgument = Annotated[
    str,
    typer.Argument(metavar="FILE", help="A bundled name, a model folder, an .onnx file or an engine."),
]
_MOST_KINDS = 16  # of layers in a line; --json has all


def main(file: FileArgument, as_json: JsonFlag = False) -> None:
    """What is in a model or an engine: sizes, layers, precisions, and whether an engine fits this machine."""
    from tosa_edge.verbs.inspect import inspect_model

    result = inspect_model(file)
    answers(as_json).print(_table(result))
    emit(result, as_json)


def _table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title=result["model"], show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for what, value in _engine(result) if "manifest" in result else _model(result):
        table.add_row(what, value)
    return table


def _model(result: dict[str, Any]) -> list[tuple[str, str]]:
    info, weights = result["info"], result["weights"]
    rows, columns = info["grid"]
    lines = [
        ("file", f"{result['file']} ({result['file_bytes']:,} bytes)"),
        ("made by", f"tosa-edge {info['version']}; opset {result['opset']}, IR {result['ir_version']}"),
        ("model", f"{info['name']}, {info['precision']}, {info['form']} form, output {info['output']}"),
        ("input size", f"{info['height']}x{info['width']}, patch {info['patch']}: {rows}x{columns} patches"),
    ]
    if info["selective_layers"]:
        lines += [
            ("selective layers", ", ".join(map(str, info["selective_layers"]))),
            ("selections after", ", ".join(map(str, info["selections"]))),
            ("kept", f"{info['kept']} of {info['tokens']} patches; selector {info['selector']}"),
            ("query stride, group", f"{info['query_stride']}, {info['group']}"),
            ("spread", f"{info['spread']:g}"),
        ]
    elif info["ways"]:
        lines.append(("represented", "\n".join(str(Way(**way)) for way in info["ways"])))
    else:
        lines.append(("selective layers", "none: dense"))
    for kind in ("inputs", "outputs"):
        lines.append((kind, "\n".join(f"{p['name']}: {p['type']} {p['shape']}" for p in result[kind])))
    lines.append(("operators", _counts(result["operators"])))
    lines += [(f"function {f['name']}", _counts(f["operators"])) for f in result["functions"]]
    kinds = ", ".join(f"{count} {kind}" for kind, count in weights["kinds"].items())
    lines.append(
        ("weights", f"{weights['numbers']:,} numbers, {weights['bytes']:,} bytes in {kinds} tensors")
    )
    if result["calibration"]:
        lines.append(("calibration", _pairs(result["calibration"])))
    return lines


def _engine(result: dict[str, Any]) -> list[tuple[str, str]]:
    m, fit = result["manifest"], result["fit"]
    lines = [
        ("file", f"{result['file']} ({result['file_bytes']:,} bytes)"),
        ("this machine", "fits" if fit["fits"] else f"does not fit: {fit['reason']}"),
    ]
    if fit["elsewhere"]:
        lines.append(("elsewhere", "whole, and fit for the GPUs it was built for"))
    if not fit["fits"]:
        lines.append(("to get one that fits", fit["rebuild"]))
    by = m["provider"]
    provider = f", provider {by['name']} {by['version']}" if by else ""
    targets = ", ".join(f"sm{sm}" for sm in m["targets"])
    lines += [
        ("built", f"{m['built']} by tosa-edge {m['tosa_edge']} from {m['source']}"),
        ("for", f"{m['backend']} {m['backend_version']}{provider}{f', {targets}' if targets else ''}"),
        ("on", _host(m["host"])),
        ("precision, form", f"{m['precision']}, {m['form']}"),
        ("keep, query stride, group", f"{m['keep']:g}, {m['query_stride']}, {m['group']}"),
    ]
    for kind in ("inputs", "outputs"):
        lines.append((kind, "\n".join(f"{p['name']}: {p['dtype']} {list(p['shape'])}" for p in m[kind])))
    settings = {k: v for k, v in m["settings"].items() if not k.startswith("network.")}
    lines.append(("settings", _pairs(settings)))
    if m["calibration"]:
        pictures = f"pictures {m['pictures']}" if m["pictures"] else "calibrated beforehand"
        lines.append(("calibration", f"{pictures}; graph {m['calibration'][:16]}"))
    if result.get("calibration"):
        lines.append(("ranges", _pairs(result["calibration"])))
    plugin = m["plugin"]
    lines.append(("plugin", f"{plugin['name']} {plugin['version']}" if plugin else "none needed"))
    validation = m["validation"]
    judged = [_judged(check) for check in validation["checks"]]
    lines.append(("validation", "\n".join([f"{validation['result']}: {validation['note']}", *judged])))
    return lines + _layers(result["layers"])


def _judged(check: dict[str, Any]) -> str:
    value = "not finite" if check["value"] is None else f"{check['value']:.4g}"
    limit = "" if check["limit"] is None else f", limit {check['limit']:.4g}"
    return f"{check['name']}: {value}{limit}, {'passed' if check['passed'] else 'FAILED'}"


def _layers(layers: dict[str, Any]) -> list[tuple[str, str]]:
    if not layers["total"]:
        return [("layers", layers["note"])]
    plugins = layers["plugins"]
    lines = [
        ("layers", f"{layers['total']:,} in {layers['seen_in']}; {plugins or 'none'} from plugins"),
        ("kinds", _counts(layers["kinds"])),
        ("matrix products in", _counts(layers["precisions"]) or "not told"),
    ]
    if layers["int8_weights"] is not None:
        lines.append(("int8 weights", str(layers["int8_weights"])))
    for fusion in layers["fusions"]:
        note = f" ({fusion['note']})" if fusion["note"] else ""
        lines.append((f"fused: {fusion['what']}", f"{fusion['fused']} of {fusion['of']}{note}"))
    return [*lines, ("note", layers["note"])] if layers["note"] else lines


def _host(host: dict[str, Any]) -> str:
    size = f", {host['multiprocessors']} multiprocessors" if host["multiprocessors"] else ""
    gpu = f"{host['gpu']} (sm{host['sm']}{size}, CUDA {host['cuda']})" if host["gpu"] else "no GPU"
    named = [host["cpu"], host["arch"], gpu, host["module"], host["jetpack"], ", ".join(host["cpu_features"])]
    return "; ".join(filter(None, named))


def _counts(found: dict[str, int]) -> str:
    shown = [f"{name} {count}" for name, count in list(found.items())[:_MOST_KINDS]]
    more = sum(list(found.values())[_MOST_KINDS:])
    return ", ".join([*shown, f"and {more} others"] if more else shown)


def _pairs(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in found.items()) or "none"
