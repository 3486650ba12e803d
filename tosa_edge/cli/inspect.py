"""`tosa-edge inspect`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tosa_edge.cli.common import JsonFlag, console, emit

FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A bundled name, a model folder or an .onnx file.")
]


def main(file: FileArgument, as_json: JsonFlag = False) -> None:
    """What is in a model: sizes, selective layers, inputs, outputs, operators, weights."""
    from tosa_edge.inspection import describe

    result = describe(file)
    _say(result)
    emit(result, as_json)


def _say(result: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(title=result["model"], show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for what, value in _lines(result):
        table.add_row(what, value)
    console.print(table)


def _lines(result: dict[str, Any]) -> list[tuple[str, str]]:
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
        ]
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
    return lines


def _counts(operators: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in operators.items())
