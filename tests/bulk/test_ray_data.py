"""Ray Data: the same shards, one core left for the reader, killed actors replaced."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mmedrag.bulk.encoding import encode_corpus
from mmedrag.bulk.plan import Plan
from mmedrag.bulk.shards import read_shard, shards_in
from mmedrag.errors import QueryError
from mmedrag.preparation import Prepared

ray = pytest.importorskip("ray", reason='pip install "mmedrag[ray]"')


@pytest.mark.parametrize(
    ("workers", "cores", "expected"), [(2, 2, 1), (8, 4, 3), (2, 64, 2), (1, 2, 1)]
)
def test_a_core_is_left_for_the_reader(workers: int, cores: int, expected: int) -> None:
    from mmedrag.bulk.ray_data import actors

    assert actors(workers, cores) == expected


def test_one_core_is_too_few() -> None:
    from mmedrag.bulk.ray_data import actors

    with pytest.raises(QueryError, match="two cores"):
        actors(1, 1)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # of Ray itself
def test_with_as_many_workers_as_cores_it_ends_and_survives_a_killed_actor(
    plan: Plan, shards: Path, tmp_path: Path
) -> None:
    """Two actors on two cores leave none for the reader: without the rule this hangs."""
    mine = replace(plan, into=tmp_path / "shards", rows=4)
    killed: list[int] = []
    stopper = threading.Thread(target=_kill_an_actor, args=(mine.into, killed), daemon=True)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False,
             _node_ip_address="127.0.0.1")  # fmt: skip
    try:
        stopper.start()
        report = encode_corpus(mine, 2, ray=True)
    finally:
        ray.shutdown()
    assert (report.shards, report.cases) == (11, 40)
    assert len(killed) == 1
    assert _cases(mine.into) == _cases(shards)


def _kill_an_actor(into: Path, killed: list[int]) -> None:
    while not (into.is_dir() and shards_in(into)):
        time.sleep(0.05)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_text()
        except OSError:
            continue
        if "MapWorker" in title and title.startswith("ray::"):
            os.kill(int(process.name), signal.SIGKILL)
            killed.append(int(process.name))
            return


def _cases(folder: Path) -> list[tuple]:
    rows = [row for path in shards_in(folder).values() for row in read_shard(path)]
    return [(r.case, r.content, r.mentions) for r in rows if isinstance(r, Prepared)]
