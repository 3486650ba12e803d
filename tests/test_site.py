"""The site of docs/: links lead somewhere there too, and all that is public is on it."""

from __future__ import annotations

import html.parser
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from typer.main import get_command

import tosa_edge
from tests.test_docs import ROOT
from tosa_edge.cli import app
from website import api, links, verbs

VERBS = get_command(app).commands


@pytest.mark.parametrize(
    ("path", "link", "there"),
    [
        ("README.md", "docs/gpu.md#rtx", "gpu.md#rtx"),
        ("README.md", "docs/demo.webp", "demo.webp"),
        ("README.md", "CONTRIBUTING.md", "contributing.md"),
        ("docs/models/tosa_depth_s.md", "../represented.md", "../represented.md"),
        ("docs/tutorials/first_depth.md", "../../README.md", "../index.md"),
        ("docs/gpu.md", "../examples/in_a_loop.py", "repository/examples/in_a_loop.py"),
        ("docs/gpu.md", "#rtx", "#rtx"),
        ("docs/gpu.md", "nothing.md", "nothing.md"),
        ("docs/gpu.md", "https://host/docs/gpu.md", "https://host/docs/gpu.md"),
    ],
)
def test_a_link_is_moved_with_its_page(path, link, there):
    assert (
        links.moved(f"see [it]({link}), or `[it]({link})`", path) == f"see [it]({there}), or `[it]({link})`"
    )


def test_files_that_pages_link_to_come_along():
    text = "[a](../examples/in_a_loop.py) [b](usage.md) [c](../README.md) `[d](../setup.py)`"
    assert links.linked_files(text, "docs/gpu.md") == {"examples/in_a_loop.py"}


def test_where_a_page_is_can_be_said_both_ways():
    for path in (*links.PAGES, "docs/models/tosa_depth_s.md"):
        assert links.of_repository(links.of_site(path)) == path


def test_the_page_of_the_verbs_has_every_option():
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", verbs.page(app), re.MULTILINE | re.DOTALL))
    assert list(sections) == list(VERBS)
    for name, verb in VERBS.items():
        for parameter in verb.params:
            names = parameter.opts if parameter.param_type_name == "option" else [parameter.metavar]
            assert all(
                f"| `{option}`" in sections[name] or f", `{option}`" in sections[name] for option in names
            )
        rows = [line for line in sections[name].splitlines() if line.startswith("|")]
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}
        assert all(example in sections[name] for example in re.findall(r"^tosa-edge .*$", verb.epilog, re.M))
    assert "| `-m`, `--model`, `--engine` TEXT | `tosa_depth_s` |" in sections["run"]
    assert "| `-o`, `--out` PATH | required |" in sections["distill"]
    assert "[represented.md](../represented.md)" in sections["distill"]


def test_the_page_of_the_interface_follows_all():
    named = re.findall(r"^::: tosa_edge\.(\w+)$", api.page(tosa_edge.__all__), re.MULTILINE)
    assert named == [name for name in tosa_edge.__all__ if name != "__version__"]


def test_docstrings_are_read_as_they_are_meant():
    pytest.importorskip("griffe", reason="griffe is not installed: pip install 'tosa-edge[docs]'")
    from website.docstrings import as_read

    text = "What it is.\n\ndepth: an array\n    of floats.\nkept: numbers.\n\nExample:\n    >>> one()"
    assert as_read(text) == (
        "What it is.\n\n- `depth`: an array\n    of floats.\n- `kept`: numbers.\n\nExamples:\n    >>> one()"
    )
    assert as_read("Args:\n    x: one.") == "Args:\n    x: one."


class Links(html.parser.HTMLParser):
    """Where a page leads to, what it loads, and what of it can be led to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.leads: list[str] = []
        self.loads: list[str] = []
        self.names: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.names |= {value for key in ("id", "name") if (value := found.get(key))}
        target = found.get("href" if tag in ("a", "link") else "src")
        if target:
            (self.leads if tag == "a" else self.loads).append(target)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Built as `make docs` does, from a copy to which a page was added that no list names."""
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'tosa-edge[docs]'")
    tree = tmp_path_factory.mktemp("site") / "tree"
    tree.mkdir()
    for path in ROOT.iterdir():
        if path.name not in ("docs", "build", ".git"):
            (tree / path.name).symlink_to(path)
    for name in ("docs", "website"):
        (tree / name).unlink(missing_ok=True)
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "docs/forgotten.md").write_text(
        "# Forgotten\n\n[a file](../setup.py), [home](../README.md#use)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return tree / "build/site"


def test_every_link_of_the_site_leads_somewhere(site):
    pages = {path: Links(path) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(pages) > 25
    for path, page in pages.items():
        for link in (*page.leads, *page.loads):
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{path.name}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].names, f"{path.name}: {link}"


def test_nothing_comes_from_elsewhere(site):
    for path in site.rglob("*.html"):
        assert [load for load in Links(path).loads if urlsplit(load).netloc] == [], path.name
    for path in site.rglob("*.css"):
        assert not re.search(r"url\(.?(https?:)?//", path.read_text()), path.name


def test_every_page_is_reachable_and_what_is_public_is_on_one(site):
    reached, ahead = set(), [site / "index.html"]
    while ahead:
        path = ahead.pop()
        if path in reached or path.suffix != ".html":
            continue
        reached.add(path)
        parts = [urlsplit(link) for link in Links(path).leads]
        ahead += [(path.parent / unquote(p.path)).resolve() for p in parts if p.path and not p.netloc]
    assert {path for path in site.rglob("*.html") if path.name != "404.html"} == reached
    assert (site / "repository/setup.py").read_text() == (ROOT / "setup.py").read_text()
    public = Links(site / "reference/api.html").names
    assert {f"tosa_edge.{name}" for name in tosa_edge.__all__ if name != "__version__"} <= public
    assert set(VERBS) <= Links(site / "reference/verbs.html").names
