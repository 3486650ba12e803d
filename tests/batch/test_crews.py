"""Whoever does the work, and whatever ends it: the outputs of an undisturbed run, none twice."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from threading import Event as Flag

import pytest

from tests.batch.jobs import command, done, job, pictures, results, run
from tosa_edge.atomic_files import write_bytes
from tosa_edge.batch import crews
from tosa_edge.batch.crews import Event, Lost, Processes, done_by
from tosa_edge.batch.plan import Shard
from tosa_edge.batch.run import prepared, summarise, work_off
from tosa_edge.batch.work import Outcome
from tosa_edge.errors import TosaEdgeError


def finished(output: Path) -> int:
    folder = output / "shards"
    return len([n for n in os.listdir(folder) if not n.startswith(".")]) if folder.is_dir() else 0


def killed_again_and_again(folder: Path, times: int, *arguments: str, seed: int = 0) -> int:
    """Starts the command and kills it, at moments at which it has done some more; how often it had to be."""
    chance = random.Random(seed)
    for time_ in range(times):
        before = finished(folder / "out")
        child = subprocess.Popen(
            command(folder, *arguments), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while child.poll() is None and finished(folder / "out") < before + 1:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.2))
        if child.poll() is not None:
            return time_
        child.kill()
        child.wait()
    return times


def test_killed_at_any_moment_it_ends_with_the_same_files(tmp_path):
    pictures(tmp_path / "p", 1500)  # so many that no machine is done before the last kill
    (tmp_path / "p/7.png").write_text("damaged")
    job(tmp_path)
    asked = ("--input", "p", "--as", "files", "--shard", "5")
    whole = run(tmp_path, *asked, "--output", "whole", code=1)
    kills = killed_again_and_again(tmp_path, 3, *asked, "--output", "out")
    assert kills == 3
    assert 0 < finished(tmp_path / "out") < whole["shards"]
    last = run(tmp_path, *asked, "--output", "out", code=1)
    assert results(tmp_path / "out") == results(tmp_path / "whole")
    assert (last["done"], last["failed"]) == (1499, 1)
    assert last["shards_before"] >= kills
    assert (tmp_path / "out/failures.csv").read_bytes() == (tmp_path / "whole/failures.csv").read_bytes()


def test_a_signal_ends_it_between_shards(tmp_path):
    pictures(tmp_path / "p", 600)
    job(tmp_path)
    asked = command(tmp_path, "--input", "p", "--output", "out", "--as", "files", "--shard", "5")
    child = subprocess.Popen(asked, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while finished(tmp_path / "out") < 2:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    told, said = child.communicate(timeout=60)
    assert child.returncode == 1
    assert '"stopped": true' in told
    assert "the same command goes on" in said
    assert not [p for p in (tmp_path / "out/shards").iterdir() if p.name.startswith(".")]


def test_several_processes_give_the_same_files_and_one_that_dies_is_replaced(tmp_path):
    pictures(tmp_path / "p", 160)
    asked = job(tmp_path, tmp_path / "p", form="files")
    done(asked)
    other = job(tmp_path, tmp_path / "p", form="files", output=str(tmp_path / "other"))
    plan, _ = prepared(other)
    victims = []

    def kill_one(tally) -> None:
        if not victims:
            victims.append(multiprocessing.active_children()[-1])
            victims[0].kill()

    tally = work_off(plan, lambda: Processes(other, 2), Flag(), kill_one)
    assert victims
    summary = summarise(plan, tally)
    assert (summary["done"], summary["lost"]) == (160, [])
    assert results(tmp_path / "other") == results(tmp_path / "out")
    assert multiprocessing.active_children() == []


def test_what_a_worker_refuses_is_said_in_its_words(tmp_path):
    pictures(tmp_path / "p", 2)
    asked = job(tmp_path, tmp_path / "p", form="files", provider="nothing")
    with pytest.raises(TosaEdgeError, match="nothing") as caught:
        done(asked, lambda asked: Processes(asked, 2))
    assert caught.value.remedy


@pytest.mark.parametrize("again", [False, True])
def test_nothing_half_written_stays_beside_a_whole_job(tmp_path, again):
    """Of a worker that still seemed alive when another had its shard."""
    asked = job(tmp_path, pictures(tmp_path / "p", 8), form="files")
    if again:
        done(asked)
    plan, _ = prepared(asked)
    write_bytes(tmp_path / f"out/shards/.00000001.part-{os.getppid()}/0.png", b"half")
    write_bytes(tmp_path / f"out/reports/.00000001.part-{os.getppid()}.json", b"half")
    tally = work_off(plan, lambda: crews.Alone(asked), Flag(), lambda tally: None)
    assert tally.shards == 2
    assert not [name for name in results(tmp_path / "out") if "/." in name]


class Unlucky:
    """A crew in which whoever gets shard 2 dies."""

    def __init__(self, deadly: int) -> None:
        self.deadly, self.events, self.workers = deadly, deque([Event(0), Event(1)]), 2
        self.given: list[int] = []

    def give(self, worker: int, shard: Shard) -> None:
        self.given.append(shard.number)
        if shard.number == self.deadly:
            self.events += [Event(worker, lost="it died"), Event(self.workers)]
            self.workers += 1
        else:
            self.events.append(Event(worker, Outcome(shard.number, 1, 0)))

    def next(self, patience: float) -> Event | None:
        return self.events.popleft() if self.events else None

    def close(self) -> None:
        pass


def test_a_shard_that_ends_its_workers_is_left_after_three():
    crew = Unlucky(2)
    told = list(done_by(crew, iter([Shard(n, "pictures", "/") for n in range(5)])))
    assert sorted(one.number for one in told if isinstance(one, Outcome)) == [0, 1, 3, 4]
    assert [one for one in told if isinstance(one, Lost)] == [Lost(2, "it died")]
    assert crew.given.count(2) == crews._TRIES == 3


def test_workers_that_never_get_ready_are_not_waited_for():
    crew = Unlucky(9)
    crew.events = deque(Event(n, lost="no memory") for n in range(9))
    with pytest.raises(TosaEdgeError, match="no memory"):
        list(done_by(crew, iter([Shard(0, "pictures", "/")])))


@pytest.mark.slow
def test_twenty_thousand_pictures_killed_ten_times(tmp_path):
    """And memory stays flat over them."""
    pictures(tmp_path / "p", 20_000, 14, 21)
    (tmp_path / "p/77.png").write_text("damaged")
    job(tmp_path)
    asked = ("--input", "p", "--shard", "50")
    child = subprocess.Popen(
        command(tmp_path, *asked, "--output", "whole"),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    memory = {}
    while child.poll() is None:
        pages = Path(f"/proc/{child.pid}/statm").read_text().split()
        if len(pages) > 1 and int(pages[1]):  # not yet waited for, it has none any more
            memory[finished(tmp_path / "whole")] = int(pages[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        time.sleep(0.05)
    assert child.wait() == 1
    early = max(mb for shards, mb in memory.items() if 20 <= shards < 120)
    late = max(mb for shards, mb in memory.items() if shards >= 300)
    assert late - early < 8, f"{early:.0f} MB after some thousand pictures, {late:.0f} MB at the end"
    kills = killed_again_and_again(tmp_path, 10, *asked, "--output", "out", "--workers", "2")
    assert kills == 10
    last = run(tmp_path, *asked, "--output", "out", "--workers", "2", code=1)
    assert (last["done"], last["failed"], last["shards_done"]) == (19_999, 1, 400)
    assert 0 < last["shards_before"] < 400
    assert results(tmp_path / "out") == results(tmp_path / "whole")
    names = names_in(tmp_path / "out")
    assert len(names) == len(set(names)) == 19_999


def names_in(output: Path) -> list[str]:
    parquet = pytest.importorskip("pyarrow.parquet")
    return parquet.read_table(output / "shards", columns=["name"])["name"].to_pylist()


@pytest.mark.slow
def test_two_nodes_of_ray_of_which_one_dies(tmp_path):
    pytest.importorskip("ray", reason="ray is not installed here: pip install 'tosa-edge[batch]'")
    pictures(tmp_path / "p", 1200)
    job(tmp_path)
    asked = ("--input", "p", "--as", "files", "--shard", "2")
    run(tmp_path, *asked, "--output", "whole")
    # Of its own, since a cluster leaves threads and handlers in whoever makes it.
    ended = subprocess.run(
        [sys.executable, "-c", _CLUSTER, *command(tmp_path, *asked, "--output", "out")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert "one node is gone, 2 actors were at work" in ended.stdout, ended.stdout + ended.stderr[-3000:]
    assert "ended with 0" in ended.stdout, ended.stderr[-3000:]
    assert results(tmp_path / "out") == results(tmp_path / "whole")


_CLUSTER = """
import subprocess, sys, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
node = cluster.add_node(num_cpus=1)
child = subprocess.Popen([*sys.argv[1:], "--ray", cluster.address], stdout=subprocess.DEVNULL)
seen = lambda: {p.name for p in Path("out/shards").iterdir()} if Path("out/shards").is_dir() else set()
ray.init(address=cluster.address, logging_level="ERROR")
while len(seen()) < 20 or len(ray.nodes()) < 2:
    time.sleep(0.05)
busy = sum(n["Resources"].get("CPU", 0) for n in ray.nodes()) - ray.available_resources().get("CPU", 0)
assert child.poll() is None, "too fast"
cluster.remove_node(node, allow_graceful=False)
print(f"one node is gone, {busy:.0f} actors were at work, {len(seen())} shards were done", flush=True)
print("ended with", child.wait(), flush=True)
cluster.shutdown()
"""
