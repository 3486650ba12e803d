"""The page of the verbs, from the command line itself."""

from __future__ import annotations

import re
from typing import Any

from typer.main import get_command

HEAD = """# Verbs, one by one

What `tosa-edge VERB -h` says, for each of them; [the verbs](../usage.md) tells what they are for.
Every verb ends with 0 done, 1 a check failed, 2 bad input, 3 this machine lacks what was asked for.
"""


def page(app: Any) -> str:
    verbs = get_command(app).commands  # type: ignore[attr-defined]
    index = [(f"[`{name}`](#{name})", _escaped(_first_sentence(verb.help))) for name, verb in verbs.items()]
    parts = [HEAD, _table(("verb", "what it does"), index)]
    parts += [_section(name, verb) for name, verb in verbs.items()]
    return "\n\n".join(parts) + "\n"


def _section(name: str, verb: Any) -> str:
    context = verb.make_context(f"tosa-edge {name}", [], resilient_parsing=True)
    usage = " ".join((f"tosa-edge {name}", *verb.collect_usage_pieces(context)))
    arguments, options = [], []
    for parameter in verb.params:
        record = parameter.get_help_record(context)
        if record is None:
            continue
        row = (_default(parameter), _text(parameter))
        if parameter.param_type_name == "argument":
            arguments.append((f"`{parameter.metavar or parameter.name.upper()}`", *row))
        else:
            options.append((_option(parameter, record[0]), *row))
    parts = [f"## {name}", _escaped(verb.help), f"```text\n{usage}\n```"]
    if arguments:
        parts.append(_table(("argument", "default", "what"), arguments))
    parts.append(_table(("option", "default", "what"), options))
    examples = [line for line in (verb.epilog or "").split("\n\n") if line.startswith("tosa-edge ")]
    parts.append("```sh\n" + "\n".join(examples) + "\n```")
    return "\n\n".join(parts)


def _option(parameter: Any, head: str) -> str:
    """Its names, and in which words typer says what it takes."""
    names = [*parameter.opts, *parameter.secondary_opts]
    kind = re.sub(r"[\[\]<>]|\blist\b", "", head.rpartition(names[-1])[2]).strip()
    word = {"str": "TEXT", "int": "NUMBER", "integer": "NUMBER", "float": "NUMBER"}.get(
        kind.lower(), kind.upper()
    )
    return ", ".join(f"`{name}`" for name in names) + (f" {word}" if word else "")


def _text(parameter: Any) -> str:
    """Its help, and what else there is to know."""
    more = []
    if parameter.envvar:
        more.append(f"Or set `{parameter.envvar}`.")
    if getattr(parameter, "multiple", False) and "repeated" not in (parameter.help or ""):
        more.append("May be repeated.")
    return " ".join([_escaped(parameter.help or ""), *more])


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if value is None or value == "" or isinstance(value, bool) or callable(value):
        return ""
    return f"`{value}`"


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


def _escaped(text: str) -> str:
    """Plain words as Markdown; a page that is named becomes a link to it."""
    escaped = re.sub(r"([\\*_\[\]<>|`])", r"\\\1", text)
    return re.sub(r"docs/([\w\\/]+)\.md", _linked, escaped)


def _linked(found: re.Match[str]) -> str:
    page = found[1].replace("\\", "")
    return f"[{page}.md](../{page}.md)"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
