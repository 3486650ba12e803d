"""Our docstrings as mkdocstrings reads them: two ways of writing that it does not know."""

from __future__ import annotations

import re
from typing import Any

import griffe

_FIELD = re.compile(r"(\w+(?:, \w+)*): ")


class House(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = as_read(obj.docstring.value)


def as_read(text: str) -> str:
    """`Example:` is a section with code; a paragraph of lines `name: words` is a list."""
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    return "\n\n".join(map(_listed, text.split("\n\n")))


def _listed(paragraph: str) -> str:
    lines = paragraph.split("\n")
    if not _FIELD.match(lines[0]):
        return paragraph
    return "\n".join(_FIELD.sub(r"- `\1`: ", line, count=1) if _FIELD.match(line) else line for line in lines)
