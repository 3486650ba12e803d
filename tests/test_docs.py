"""What the documents name is there: files, programs, targets, verbs with their options, and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.main import get_command

from tosa_edge import __version__
from tosa_edge.cli import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(path for name in (".github", "docs") for path in (ROOT / name).rglob("*.md")),
]
FOLDERS = ("calibration", "docs", "examples", "export", "plugins", "tests", "tosa_edge", "website")
FILES = {
    path.relative_to(ROOT).as_posix()
    for folder in (ROOT, *(ROOT / name for name in FOLDERS))
    for path in (folder.glob("*") if folder == ROOT else folder.rglob("*"))
}
SOURCES = "".join(
    (ROOT / name).read_text() for name in FILES if name.endswith(".py") if name != "tests/test_docs.py"
)
SUFFIXES = (".cpp", ".cu", ".h", ".md", ".py", ".service", ".toml")
TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
VERBS = {
    name: {option for parameter in verb.params for option in (*parameter.opts, *parameter.secondary_opts)}
    | {"-h", "--help"}
    for name, verb in get_command(app).commands.items()
}


def code(text: str) -> Iterator[str]:
    """Each piece between backticks and each line of a block, without its comment."""
    text = text.replace("\\\n", " ")
    yield from re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    blocks = [*re.findall(r"^```.*?$(.*?)^```", text, re.MULTILINE | re.DOTALL)]
    blocks += re.findall(r"^ {4}.*$", text, re.MULTILINE)
    yield from (re.sub(r"(^|\s)# .*", "", line) for block in blocks for line in block.splitlines())


def headings(path: Path) -> set[str]:
    """As links name them."""
    found = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def missing_links(text: str, folder: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, heading = target.partition("#")
        path = folder / name
        if target.startswith(("http://", "https://")) or not name:
            continue
        if not path.exists() or (heading and heading not in headings(path)):
            yield target


def missing_files(piece: str) -> Iterator[str]:
    """Whole paths; and names of sources, which may leave out the folders that a document speaks of."""
    for word in re.sub(r"(?<!\S)(-o|--out|--record) \S+", "", piece).split():  # what a command writes
        name = word.strip("\"'(),:;").split("::")[0].removeprefix("./")
        if not re.fullmatch(r"[\w./*-]+", name) or re.search(r"\b[A-Z]+\b(?!\.md)", name):
            continue  # NAME stands for another
        if "/" in name and name.split("/")[0] in FOLDERS:
            there = any(ROOT.glob(name))
        else:
            there = not name.endswith(SUFFIXES) or any(f"/{file}".endswith(f"/{name}") for file in FILES)
        if not there:
            yield name


def source(module: str) -> Path | None:
    """What `python -m` runs, of ours."""
    path = ROOT / re.sub(r"^tosa_edge\.(calibration|export|plugins)\b", r"\1", module).replace(".", "/")
    return next((p for p in (path.with_suffix(".py"), path / "__main__.py") if p.exists()), None)


def missing_programs(piece: str) -> Iterator[str]:
    for module, rest in re.findall(r"python3? -m ([\w.]+)([^|;&]*)", piece):
        if module.split(".")[0] not in FOLDERS:
            if find_spec(module) is None:
                yield f"python -m {module}"
        elif (path := source(module)) is None:
            yield f"python -m {module}"
        elif module != "tosa_edge":
            known = path.read_text()
            yield from (
                f"{module} {o}" for o in re.findall(r"(?<!\S)--[a-z][\w-]*", rest) if f'"{o}"' not in known
            )


def missing_imports(piece: str) -> Iterator[str]:
    """Modules of ours that an example imports, and names that are neither in them nor modules of theirs."""
    for module, names in re.findall(r"^\s*from (tosa_edge[\w.]*) import ([\w, ]+)", piece):
        path = ROOT / re.sub(r"^tosa_edge\.(calibration|export|plugins)\b", r"\1", module).replace(".", "/")
        text = next(
            (p.read_text() for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), ""
        )
        for name in re.findall(r"\w+", names):
            defined = re.search(
                rf'^(def|class) {name}\b|^{name}\b.*=|"{name}"|import .*\b{name}\b', text, re.M
            )
            if not defined and source(f"{module}.{name}") is None:
                yield f"from {module} import {name}"


def missing_verbs(piece: str) -> Iterator[str]:
    for verb, rest in re.findall(r"(?:^|[\s/])(?:tosa-edge|-m (?:-- )?tosa_edge) ([a-z]+)([^|;&]*)", piece):
        if verb not in VERBS:
            yield f"tosa-edge {verb}"
            continue
        options = re.findall(r"(?<!\S)(--?[a-z][\w-]*)", rest)
        yield from (f"tosa-edge {verb} {option}" for option in options if option not in VERBS[verb])


def missing_options(piece: str) -> Iterator[str]:
    """An option by itself is one of any verb, or of a program of ours."""
    for option in re.findall(r"^\s*(--[a-z][a-z-]*)(?![\w-])", piece):
        if not any(option in options for options in VERBS.values()) and f'"{option}"' not in SOURCES:
            yield option


def missing(text: str, folder: Path) -> list[str]:
    found = list(missing_links(text, folder))
    for piece in code(text):
        found += missing_files(piece)
        found += missing_programs(piece)
        found += missing_imports(piece)
        found += missing_verbs(piece)
        found += missing_options(piece)
        found += [f"make {t}" for t in re.findall(r"\bmake ([a-z][\w-]*)", piece) if t not in TARGETS]
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_a_document_names_is_there(path):
    assert missing(path.read_text(), path.parent) == []


@pytest.mark.parametrize(
    "name",
    [
        *("tosa_edge/nothing.py", "plugins/*/nothing.py", "nothing/test_x.py", "nothing.md"),
        *("from tosa_edge import nothing", "from tosa_edge.nothing import build"),
        *("python -m tosa_edge.nothing", "python -m tests.soak --nothing", "python3 -m nothing_at_all"),
        *(
            "make nothing",
            "tosa-edge nothing",
            "tosa-edge run a.jpg --nothing",
            "tosa-edge build m -k",
            "--nothing",
        ),
    ],
)
@pytest.mark.parametrize("form", ["In `{}` it says.\n", "So:\n\n    {}   # a comment\n", "```sh\n{}\n```\n"])
def test_made_up_names_are_found(name, form):
    there = (
        "make test",
        "tosa-edge run a.jpg --serve",
        "python -m tosa_edge.plugins.aot --sm 90",
        "cli/run.py",
    )
    assert missing("".join(form.format(one) for one in there), ROOT) == []
    assert len(missing(form.format(name), ROOT)) == 1


def test_every_target_and_every_program_is_in_the_table():
    table = re.findall(r"^\| (`make .*?) \| (.*) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert {name for names, _ in table for name in re.findall(r"make ([\w-]+)", names)} == TARGETS
    run = r"-m ((?:tosa_edge|tests)\.[\w.]*\w)"
    told = {program for _, what in table for program in re.findall(run, what)}
    assert told == set(re.findall(run, (ROOT / "Makefile").read_text()))
    assert {
        program for path in DOCUMENTS for program in re.findall(f"python3? {run}", path.read_text())
    } <= told


def test_made_up_links_are_found():
    there = "[a](README.md) [b](docs/gpu.md#a-gpu-with-pip-alone) [c](https://host/x) "
    assert missing(there, ROOT) == []
    text = there + "[d](docs/no.md) [e](docs/gpu.md#no)"
    assert missing(text, ROOT) == ["docs/no.md", "docs/gpu.md#no"]


def test_changes_and_citation_are_of_this_version():
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
