"""What `mkdocs.yml` calls: pages that are made, and links that mean files of the repository."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import tosa_edge  # noqa: E402
from tosa_edge.cli import app  # noqa: E402
from website import api, links, verbs  # noqa: E402

MADE = {
    "reference/verbs.md": lambda: verbs.page(app),
    "reference/api.md": lambda: api.page(tosa_edge.__all__),
}
ALONE = "---\nhide: [navigation]\n---\n"  # the front page is the only one of its part
STYLE = Path(__file__).with_name("style.css")
REST = "How to"  # the part that gets the pages which mkdocs.yml does not name


def on_config(config: Any) -> Any:
    """A page that was forgotten in `nav` is reachable all the same."""
    named = set(_named(config.nav))
    docs = Path(config.docs_dir)
    there = sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.md"))
    next(part[REST] for part in config.nav if REST in part).extend(p for p in there if p not in named)
    return config


def on_files(files: Files, config: Any) -> Files:
    for path, name in links.PAGES.items():
        head = ALONE if name == "index.md" else ""
        files.append(File.generated(config, name, content=head + (ROOT / path).read_text()))
    for name, made in MADE.items():
        files.append(File.generated(config, name, content=made()))
    files.append(File.generated(config, STYLE.name, abs_src_path=str(STYLE)))
    pages = [file for file in files.documentation_pages() if file.src_uri not in MADE]
    linked = {
        target
        for file in pages
        for target in links.linked_files(file.content_string, links.of_repository(file.src_uri))
    }
    for target in sorted(linked):
        files.append(File.generated(config, links.of_site(target), abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    if page.file.src_uri in MADE:
        return markdown
    return links.moved(markdown, links.of_repository(page.file.src_uri))


def _named(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    return [name for part in (nav.values() if isinstance(nav, dict) else nav) for name in _named(part)]
