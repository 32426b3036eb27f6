"""A corpus to shards: what ``mmedrag encode`` does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from mmedrag.bulk.encoder import Encoder
from mmedrag.bulk.pieces import Piece, Written, pieces, present
from mmedrag.bulk.plan import Plan, alone, begun
from mmedrag.bulk.processes import in_processes
from mmedrag.bulk.shards import shards_in
from mmedrag.errors import CorpusError
from mmedrag.presets import Stages, build
from mmedrag.progress import Progress, silent
from mmedrag.threads import cores
from mmedrag.types import Problem


@dataclass(frozen=True, slots=True)
class EncodingReport:
    """What became of a corpus: shards and cases in the folder, shards made now, problems."""

    shards: int
    made: int
    cases: int
    problems: tuple[Problem, ...] = ()


def encode_corpus(
    plan: Plan,
    workers: int = 1,
    *,
    ray: bool = False,
    strict: bool = False,
    progress: Progress = silent,
) -> EncodingReport:
    """Encode corpora into shards, or go on with it.

    Args:
        plan: what is encoded, by what, where to.
        workers: processes that encode (one is this process), or with ``ray`` actors of Ray Data.
        ray: use Ray Data, on the cluster that ``RAY_ADDRESS`` names or on this machine.
        strict: raise at the first row that cannot become a case.
        progress: called with the rows of each finished shard.

    Raises:
        QueryError: the folder holds an encoding of other settings.
        CorpusError: a corpus cannot be read or the folder not be written, or another process
            encodes into it; in strict mode, at the first problem.
        ModelError: a model cannot be loaded, or workers die again and again.
    """
    with alone(plan.into):
        return _encoded(plan, workers, ray, strict, progress)


def _encoded(
    plan: Plan, workers: int, ray: bool, strict: bool, progress: Progress
) -> EncodingReport:
    plan.register_domains()
    stages = build(plan.preset, plan.models)
    plan = begun(plan, stages.embedder.fingerprint)
    done: list[Written] = []
    for written in _in_ray(plan, workers) if ray else _here(plan, workers, stages):
        done.append(written)
        if strict and (unread := [p for p in written.problems if not p.stored]):
            raise CorpusError(str(unread[0]), "Mend the row, or leave out --strict.")
        progress(written.rows)
    for number, path in shards_in(plan.into).items():
        if number >= len(done):  # of a corpus that was longer
            path.unlink()
    done.sort(key=lambda w: w.number)
    cases = sum(w.cases for w in done)
    replace(plan, shards=len(done), cases=cases).save()
    return EncodingReport(
        len(done),
        sum(w.encoded for w in done),
        cases,
        tuple(problem for w in done for problem in w.problems),
    )


def _in_ray(plan: Plan, workers: int) -> Iterator[Written]:
    from mmedrag.bulk.ray_data import encode_in_ray

    return encode_in_ray(plan, workers)


def _here(plan: Plan, workers: int, stages: Stages) -> Iterator[Written]:
    if workers == 1:
        return map(Encoder(plan, stages=stages), pieces(plan))
    return _in_processes(plan, workers)


def _in_processes(plan: Plan, workers: int) -> Iterator[Written]:
    """What is there needs no worker, and none is started where all of it is."""
    there: list[Written] = []

    def absent() -> Iterator[Piece]:
        for piece in pieces(plan):
            if (written := present(plan, piece)) is None:
                yield piece
            else:
                there.append(written)

    load = partial(Encoder, plan, max(1, cores() // workers))
    for written in in_processes(load, absent(), workers):
        yield from _drained(there)
        yield written
    yield from _drained(there)


def _drained(items: list[Written]) -> Iterator[Written]:
    while items:
        yield items.pop(0)
