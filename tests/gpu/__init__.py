"""The first quarter of an hour on a GPU: `python3 -m tests.gpu` on a bare machine, see docs/hardware.md.

`python -m tests.gpu.pack`, beforehand where there is no GPU, prepares what travels there.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACK = ROOT / "build" / "gpu"
