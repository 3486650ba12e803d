"""What a verb says of input that it refuses: exit code 2, one line what is wrong and one what to do."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from tosa_edge.cli import app


def refused(result, what: str) -> None:
    """Holds a result to it: the two lines are all that is said, and the first has `what` in it."""
    assert result.exit_code == 2, result.output
    error, remedy = result.stderr.strip().splitlines()
    assert error.startswith("error: ")
    assert what in error
    assert remedy.startswith("do: ")


def refusal(*command: str) -> str:
    """Both lines, as `--json` has them."""
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 2, done.output
    said = json.loads(done.stdout)
    assert "\n" not in said["error"] + said["remedy"]
    return said["error"] + " " + said["remedy"]
