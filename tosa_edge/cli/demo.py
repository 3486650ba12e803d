"""`tosa-edge demo`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, emit, require_all
from tosa_edge.console import console, say

EXAMPLES = ("tosa-edge demo", "tosa-edge demo --out /tmp/demo")

OutOption = Annotated[
    Path, typer.Option("--out", help="Folder for the video, the contact sheet and the summary.")
]


def main(out: OutOption = Path("demo"), force: ForceFlag = False, as_json: JsonFlag = False) -> None:
    """See it work: the bundled model on the bundled clip, as a video to look at.

    The clip itself is left beside it, to try other verbs on.
    """
    from tosa_edge.atomic_files import write_bytes
    from tosa_edge.cli.run_display import RunDisplay, say_result
    from tosa_edge.diagnosis.next_command import next_command
    from tosa_edge.files import read_bytes
    from tosa_edge.find_model import ASSETS, DEFAULT_MODEL
    from tosa_edge.output_paths import refuse_overwrites
    from tosa_edge.runtime.outputs import OutputOptions
    from tosa_edge.verbs.run_pipeline import run_pipeline

    bundled, clip = ASSETS / "clip.webm", out / "clip.webm"
    film = read_bytes(bundled)
    refuse_overwrites([clip], [bundled], flag="--out", force=force, former=lambda path: _holds(path, film))
    wanted = OutputOptions(out, out / "demo.webm")
    with RunDisplay() as display:
        result = run_pipeline(
            [str(bundled)],
            DEFAULT_MODEL,
            "letterbox",
            wanted,
            force=force,
            replaces=True,
            on_start=display.begin,
            on_result=display.step,
            say=say,
        )
    write_bytes(clip, film)
    say_result(result)
    command, what = next_command()
    console.print(f"Open {out / 'demo.webm'} in a browser. Then: {command}   ({what})", soft_wrap=True)
    emit(result, as_json)
    require_all(result["refused"])


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
