"""What a verb may write, decided in one place before any work: `refuse_overwrites`.

No input is ever an output, whatever name it goes by. A former result of ours may be replaced where the verb
says so; of anything else that is there already nothing is, unless the user asks for it with `--force`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from tosa_edge.atomic_files import remove_if_empty, write_error
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import read_bytes

SUMMARY = "summary.json"
_OF_A_RUN = {"frames", "latency_ms", "outputs", "source"}


def refuse_overwrites(
    outputs: Iterable[Path],
    inputs: Iterable[Path],
    *,
    flag: str = "-o",
    force: bool = False,
    former: Callable[[Path], bool] = lambda path: False,
    check: Callable[[Path], None] = lambda path: None,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Raises unless all of `outputs` may be written; says what of them is going to be replaced.

    Args:
        outputs: files, and folders that are written as a whole.
        inputs: files and folders that are read; those that are not there do no harm.
        flag: the option that names the outputs, for the remedy.
        former: whether what is at a path is a former result that this verb may replace.
        check: raises where what is there must stay, whatever the user asks for.
    """
    outputs, inputs = list(outputs), [path for path in inputs if os.path.exists(path)]
    for output in outputs:
        for read in inputs:
            _refuse_overlap(output, read, flag)
    there = [path for path in outputs if _is_there(path)]
    foreign = [path for path in there if not former(path)]
    if foreign and not force:
        raise TosaEdgeError(
            f"{_listed(foreign)} there already, and would be replaced",
            f"Choose another name with {flag}, or replace what is there with --force.",
        )
    for path in there:
        check(path)
    if there:
        say(f"replacing {', '.join(map(str, there))}")


@contextmanager
def new_run_folder(folder: Path, *, new: bool = False) -> Iterator[Path]:
    """A folder for a run: FOLDER itself, or FOLDER-2, FOLDER-3 and so on where a former run is.

    It is created immediately, so that concurrent runs get different folders, and removed at the end if it is
    still empty.

    Args:
        new: whatever is in a folder that exists, take the next.
    """
    with remove_if_empty() as made:
        yield _next_free(folder, new, made)


def results_of(folder: Path) -> set[str]:
    """The names of what a former run or demo left in a folder, by its summary; none of any other folder."""
    try:
        found = json.loads(read_bytes(folder / SUMMARY))
    except (OSError, ValueError, RecursionError, TosaEdgeError):
        return set()
    if not isinstance(found, dict) or not set(found) >= _OF_A_RUN or not isinstance(found["outputs"], list):
        return set()
    return {SUMMARY, *(Path(path).name for path in found["outputs"] if isinstance(path, str))}


def left_of_former(
    folder: Path, names: Iterable[str], outputs: Iterable[Path], inputs: Iterable[Path]
) -> list[Path]:
    """What a former run left in its folder under one of `names`, and a new one neither writes nor reads."""
    outputs, inputs, found = set(outputs), [path for path in inputs if path.exists()], []
    for path in (folder / name for name in sorted(results_of(folder).intersection(names))):
        with suppress(TosaEdgeError):
            for read in inputs:
                _refuse_overlap(path, read, "")
            if path not in outputs and path.exists() and not path.is_symlink():
                found.append(path)
    return found


def _next_free(folder: Path, new: bool, made: list[Path]) -> Path:
    for number in count(1):
        path = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        above = [p for p in path.parents if not p.exists()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(path, error) from error
        try:
            path.mkdir()
        except FileExistsError:
            if number == 1 and not path.is_dir():
                raise TosaEdgeError(
                    f"{path} is a file, and a folder is to be there", "Choose another --out."
                ) from None
            if number == 1 and not new and not results_of(path):
                return path
            continue
        except OSError as error:
            raise write_error(path, error) from error
        made += [path, *above]
        return path
    raise AssertionError("numbers do not end")


def _refuse_overlap(output: Path, read: Path, flag: str) -> None:
    remedy = f"Write to another place with {flag}."
    if _same(output, read):
        raise TosaEdgeError(f"{output} is read, and would be written over", remedy)
    if read.is_dir() and _is_within(output, read):
        raise TosaEdgeError(f"{output} would lie in {read}, which is read", remedy)
    if output.is_dir() and _is_within(read, output):
        raise TosaEdgeError(f"{read} is read, and lies in {output}, which is to be written", remedy)


def _same(one: Path, other: Path) -> bool:
    """The same file or folder, by hard link, symlink or another spelling."""
    with suppress(OSError):
        if os.path.samefile(one, other):
            return True
    return one.resolve() == other.resolve()


def _is_within(inner: Path, outer: Path) -> bool:
    return any(_same(parent, outer) for parent in inner.resolve().parents)


def _is_there(path: Path) -> bool:
    """An empty folder holds nothing that could be lost."""
    if path.is_dir() and not path.is_symlink():
        return any(path.iterdir())
    return os.path.lexists(path)


def _listed(paths: list[Path]) -> str:
    more = f" and {len(paths) - 1} more are" if len(paths) > 1 else " is"
    return f"{paths[0]}{more}"
