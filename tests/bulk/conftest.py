"""A corpus, and its shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.bulk.encoding import encode_corpus
from mmedrag.bulk.plan import Plan, Source
from mmedrag.datasets.records import write_records
from mmedrag.types import Case


@pytest.fixture(scope="session")
def corpus(phantoms: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty cases, some without a domain; one image cannot be read, one row is no case."""
    folder = tmp_path_factory.mktemp("bulk") / "corpus"
    write_records(phantoms[:40], folder / "records.jsonl")
    text = (folder / "records.jsonl").read_text("utf-8").replace('"radiology"', "null", 3)
    (folder / "cut.png").write_bytes(Path(phantoms[0].image).read_bytes()[:200])
    rows = [*text.splitlines(), '{"id": "cut", "image": "cut.png", "text": "A."}', "not JSON"]
    (folder / "records.jsonl").write_text("\n".join(rows), "utf-8")
    return folder


@pytest.fixture(scope="session")
def plan(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """What the tests encode: pieces of eight rows."""
    into = tmp_path_factory.mktemp("bulk") / "shards"
    return Plan(into=into, sources=(Source(corpus),), rows=8)


@pytest.fixture(scope="session")
def shards(plan: Plan) -> Path:
    """The folder of the finished shards; tests must not write to it."""
    report = encode_corpus(plan, 1)
    assert (report.shards, report.made, report.cases) == (6, 6, 40)
    return plan.into
