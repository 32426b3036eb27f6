"""Pieces are the rows of the corpora in order, and their digests follow whatever a row says."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mmedrag.bulk.pieces import pieces, present
from mmedrag.bulk.plan import Plan, Source, begun
from mmedrag.bulk.shards import Heading, write_shard
from mmedrag.datasets.records import write_records
from mmedrag.types import Case, Problem


@pytest.fixture
def plan(phantoms: list[Case], tmp_path: Path) -> Plan:
    for name, cases in (("one", phantoms[:5]), ("other", phantoms[5:8])):
        write_records(cases, tmp_path / name / "records.jsonl")
    sources = (Source(tmp_path / "one"), Source(tmp_path / "other"))
    return begun(Plan(tmp_path / "shards", sources, rows=2), "encoder")


def test_no_piece_is_of_two_corpora(plan: Plan, phantoms: list[Case]) -> None:
    cut = [*pieces(plan)]
    assert [(p.number, p.source, len(p.rows)) for p in cut] == [
        (0, 0, 2), (1, 0, 2), (2, 0, 1), (3, 1, 2), (4, 1, 1),
    ]  # fmt: skip
    ids = [row.id for piece in cut for row in piece.rows if isinstance(row, Case)]
    assert ids == [case.id for case in phantoms[:8]]


def test_digests_change_with_rows_files_and_encoders(plan: Plan) -> None:
    first = [piece.digest for piece in pieces(plan)]
    assert [piece.digest for piece in pieces(plan)] == first
    rows = next(pieces(plan)).rows
    os.utime(rows[0].image, ns=(1, 1))
    second = [piece.digest for piece in pieces(plan)]
    assert [a == b for a, b in zip(first, second, strict=True)] == [False, True, True, True, True]
    other = [piece.digest for piece in pieces(replace(plan, fingerprint="another"))]
    assert not {*other} & {*second}


def test_a_shard_that_fits_its_piece_is_present(plan: Plan) -> None:
    piece = next(pieces(plan))
    assert present(plan, piece) is None
    problem = Problem(Path("x"), 1, "no")
    write_shard(plan.into, 0, [], Heading(0, piece.digest, "reader", 0, (problem,)))
    made = present(plan, piece)
    assert (made.rows, made.cases, made.problems, made.encoded) == (2, 0, (problem,), False)
    assert present(plan, replace(piece, digest="other")) is None
