"""Labelled frames in files: each shard depends only on the seed, its number and the options."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .frames import Assets, load_assets, scene_frames

VERSION = 2  # raise it when the same numbers would give other frames


@dataclass(frozen=True)
class Job:
    """What to render; scenes are numbered from zero and shared out to shards in order."""

    frames: int
    seed: int = 0
    height: int = 252
    width: int = 336
    shard_frames: int = 250
    scene_frames: int = 10
    consecutive: int = 1  # frames along one camera path; 1 makes every view a fresh one

    @property
    def shards(self) -> int:
        return math.ceil(self.frames / self.shard_frames)

    def frames_in(self, shard: int) -> int:
        return min(self.shard_frames, self.frames - shard * self.shard_frames)

    def scenes_in(self, shard: int) -> list[int]:
        per_shard = math.ceil(self.shard_frames / self.scene_frames)
        first = shard * per_shard
        return list(range(first, first + math.ceil(self.frames_in(shard) / self.scene_frames)))

    def description(self, shard: int) -> dict[str, str]:
        """The metadata of a shard: what it takes to make it again."""
        about = asdict(self) | {
            "frames": self.frames_in(shard),
            "version": VERSION,
            "shard": shard,
            "scenes": self.scenes_in(shard),
        }
        # One key: safetensors writes several in no fixed order, and equal shards are to be equal bytes.
        return {"about": json.dumps(about)}


def shard_path(folder: Path, shard: int) -> Path:
    return folder / f"shard-{shard:05d}.safetensors"


def is_complete(path: Path, job: Job, shard: int) -> bool:
    """Whether the file is whole and was made by the same job."""
    try:
        with safe_open(path, "numpy") as file:
            shape = (job.frames_in(shard), job.height, job.width)
            return (
                file.metadata() == job.description(shard)
                and file.get_slice("depth").get_shape() == list(shape)
                and file.get_slice("image").get_shape() == [*shape, 3]
            )
    except (OSError, SafetensorError):
        return False


def render_shard(assets: Assets, job: Job, shard: int, folder: Path) -> Path:
    count = job.frames_in(shard)
    image = np.empty((count, job.height, job.width, 3), np.uint8)
    depth = np.empty((count, job.height, job.width), np.uint16)
    done = 0
    for scene in job.scenes_in(shard):
        wanted = min(job.scene_frames, count - done)
        made = scene_frames(assets, job.seed, scene, wanted, (job.height, job.width), job.consecutive)
        for one_image, one_depth in made:
            image[done], depth[done] = one_image, one_depth
            done += 1
    path = shard_path(folder, shard)
    partial = path.with_suffix(".partial")
    save_file({"image": image, "depth": depth}, partial, metadata=job.description(shard))
    os.replace(partial, path)  # a reader never sees half a shard
    return path


_shared: tuple[Assets, Job, Path]


def _render_shard(shard: int) -> int:
    render_shard(_shared[0], _shared[1], shard, _shared[2])
    return shard


def render_all(job: Job, folder: Path, assets_folder: Path | None, workers: int) -> Iterator[int]:
    """Renders the shards that are not there yet and gives each shard's number once it is on disk.

    What it takes is looked for at once: where something lacks, nothing is made.
    """
    global _shared
    there = [shard for shard in range(job.shards) if is_complete(shard_path(folder, shard), job, shard)]
    missing = sorted(set(range(job.shards)) - set(there))
    if missing:
        _shared = (load_assets(assets_folder), job, folder)
        folder.mkdir(parents=True, exist_ok=True)
    return chain(there, _rendered(missing, workers))


def _rendered(missing: list[int], workers: int) -> Iterator[int]:
    if not missing:
        return
    # Forked workers share the assets and the code as they were when the job began.
    with multiprocessing.get_context("fork").Pool(min(workers, len(missing))) as pool:
        yield from pool.imap_unordered(_render_shard, missing)
