"""Where a file of the repository is on the site, so that links which are right here are right there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
OTHERS = "repository"  # a folder of the site for what pages link to and is no page
_LINK = re.compile(r"(?<=\]\()([^)\s#]*)(#[^)\s]*)?(?=[)\s])")
_CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def of_site(path: str) -> str:
    """`docs/usage.md` to `usage.md`; `examples/in_a_loop.py` to a place of its own."""
    if path in PAGES:
        return PAGES[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{OTHERS}/{path}"


def of_repository(page: str) -> str:
    """`usage.md` to `docs/usage.md`: the other way round, for pages."""
    found = [path for path, name in PAGES.items() if name == page]
    return found[0] if found else f"docs/{page}"


def moved(text: str, path: str) -> str:
    """The text of the file at `path`, with its links as they are on the site."""
    place = PurePosixPath(of_site(path)).parent

    def link(found: re.Match[str]) -> str:
        target = _target(found[1], path)
        if target is None:
            return found[0]
        return os.path.relpath(of_site(target), place) + (found[2] or "")

    return _outside_code(text, lambda part: _LINK.sub(link, part))


def linked_files(text: str, path: str) -> set[str]:
    """Files that a page links to and that are neither pages nor below docs/."""
    targets = {_target(found[1], path) for found in _LINK.finditer(_CODE.sub("", text))}
    return {target for target in targets if target and of_site(target).startswith(f"{OTHERS}/")}


def _target(link: str, path: str) -> str | None:
    """The file of the repository that a link of the file at `path` means; None for any other link."""
    if not link or "://" in link or link.startswith("/"):
        return None
    target = os.path.normpath(PurePosixPath(path).parent / link)
    return target if (ROOT / target).is_file() else None


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    parts, end = [], 0
    for code in _CODE.finditer(text):
        parts += [change(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, change(text[end:])])
