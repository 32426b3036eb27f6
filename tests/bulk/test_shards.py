"""A shard gives back what was written, whatever a case holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmedrag.bulk.shards import Heading, read_heading, read_shard, shards_in, write_shard
from mmedrag.definitions import glossary
from mmedrag.errors import CorpusError
from mmedrag.preparation import Prepared
from mmedrag.types import Case, Domain, Problem

TEXT = "No pleural effusion in the left lung. Möglicherweise 肺炎?"
FULL = Case(
    id="a/ü", text=TEXT, image=Path("/scans/a.png"), frame=3, domain=Domain("dermatology"),
    modality="ct", patient_id="P", study_id="S", date="2020-02", labels=("x", "y"),
    diagnosis="none", source="s", licence="CC0", split="val", meta={"age": 4, "deep": {"l": [1]}},
)  # fmt: skip


def prepared(case: Case, **more: object) -> Prepared:
    return Prepared(case, f"content of {case.id}", vector=np.float32([0.6, -0.8]), **more)


def written(folder: Path, cases: list[Prepared], *problems: Problem) -> Path:
    return write_shard(folder, 7, cases, Heading(1, "piece", "reader", len(cases), problems))


def test_everything_comes_back(tmp_path: Path) -> None:
    (mentions,) = glossary().recognise([TEXT])
    assert mentions
    assert any(m.sites for m in mentions)
    small = np.arange(1024, dtype=np.uint8).reshape(32, 32)
    notice = Problem(FULL.image, None, "faint", stored=True)
    full = prepared(FULL, thumbnail=b"\xff\xd8", preview=small, notice=notice, mentions=mentions)
    bare = prepared(Case(id="b", text="x"), mentions=())
    unread = prepared(Case(id="c", text="y"))
    problem = Problem(Path("corpus.jsonl"), 4, "not JSON")
    path = written(tmp_path, [full, bare, unread], problem)
    *cases, last = read_shard(path)
    assert last == problem
    assert [c.case for c in cases] == [full.case, bare.case, unread.case]
    assert [c.mentions for c in cases] == [mentions, (), None]
    assert [c.content for c in cases] == [full.content, bare.content, unread.content]
    assert {c.recogniser for c in cases} == {"reader"}
    assert (cases[0].thumbnail, cases[0].notice) == (b"\xff\xd8", notice)
    assert np.array_equal(cases[0].preview, small)
    assert (cases[1].thumbnail, cases[1].preview, cases[1].notice) == (None, None, None)
    for case in cases:
        assert case.vector.dtype == np.float32
        assert np.array_equal(case.vector, np.float32([0.6, -0.8]))
    assert read_heading(path) == Heading(1, "piece", "reader", 3, (problem,))


def test_a_shard_may_hold_problems_alone(tmp_path: Path) -> None:
    problem = Problem(Path("corpus.jsonl"), 4, "not JSON")
    assert list(read_shard(written(tmp_path, [], problem))) == [problem]


def test_another_shard_of_a_number_replaces_the_first(tmp_path: Path) -> None:
    written(tmp_path, [prepared(Case(id="a", text="x"))])
    second = written(tmp_path, [prepared(Case(id="b", text="x"))])
    assert shards_in(tmp_path) == {7: second} == shards_in(tmp_path, 7)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"PAR1PAR1", b"PAR1" * 100])
def test_what_is_no_shard_is_refused(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, [prepared(Case(id="a", text="x"))])
    path.write_bytes(content)
    assert read_heading(path) is None
    with pytest.raises(CorpusError, match="does not hold what its name says"):
        list(read_shard(path))
