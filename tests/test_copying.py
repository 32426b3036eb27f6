"""Databases copied: each case by its digest, from where it stopped, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmedrag.casebase import Casebase
from mmedrag.casebase.feedback import FeedbackFile
from mmedrag.copying import copy, entry_digest
from mmedrag.errors import CasebaseDamaged, CasebaseError, QueryError
from mmedrag.testing.case_index import DIM, JPEG, entries_of, entry, unit
from mmedrag.types import Assertion, Entry, Kind, Mention

MENTION = Mention("ct", 0, 2, "C", "ct", Assertion.AFFIRMED, Kind.FINDING)


def drawn() -> list[Entry]:
    entries = entries_of(1, 12)
    entries[0] = replace(entries[0], thumbnail=JPEG, mentions=(), recogniser="r")
    return entries


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p", settings={"a": "b"}) as made:
        made.add(drawn())
        (path / "pseudonym.key").write_text("ab" * 16)
        (path / "pseudonym.key").chmod(0o600)
    return path


def test_everything_is_copied_and_a_second_time_nothing(source, tmp_path) -> None:
    target = tmp_path / "target"
    finished: list[int] = []
    assert copy(source, target, finished.append).copied == sum(finished) == 12
    again = copy(source, target)
    assert (again.copied, again.unchanged) == (0, 12)
    with Casebase.open(source) as one, Casebase.open(target) as two:
        assert list(map(entry_digest, one.entries())) == list(map(entry_digest, two.entries()))
        assert one.settings == two.settings == {"a": "b"}
        assert two.verify() == []
    assert (target / "pseudonym.key").read_text() == "ab" * 16 + "\n"


def test_an_interrupted_copy_goes_on(source, tmp_path) -> None:
    target = tmp_path / "target"
    with Casebase.create(target, dim=DIM, fingerprint="f", preset="p") as half:
        half.add(drawn()[:5])
        half.add([entry(np.random.default_rng(9), "case-2")])  # changed since
    report = copy(source, target)
    assert (report.copied, report.unchanged) == (8, 4)


def test_what_was_set_since_is_copied_too(source, tmp_path) -> None:
    target = tmp_path / "target"
    copy(source, target)
    with Casebase.open(source) as opened:
        opened.set("domains", "dental")
        opened.set("pseudonym_key", "elsewhere")
    assert copy(source, target).copied == 0
    with Casebase.open(target) as copied:
        assert copied.settings == {"a": "b", "domains": "dental"}


def test_a_key_that_could_not_be_read_is_copied_by_the_next_run(source, tmp_path) -> None:
    target, key = tmp_path / "target", source / "pseudonym.key"
    key.chmod(0o644)
    with pytest.raises(CasebaseError, match="Others may read"):
        copy(source, target)
    key.chmod(0o600)
    assert copy(source, target).copied == 12
    assert (target / "pseudonym.key").read_text() == "ab" * 16 + "\n"


def test_feedback_goes_along_unless_the_target_has_its_own(source, tmp_path) -> None:
    target = tmp_path / "target"
    given, copied = FeedbackFile(source), FeedbackFile(target)
    for question in ("first", "second"):
        given.add({"question": question, "case": "case-1", "verdict": "relevant"}, "ada")
        copy(source, target)
        assert list(copied.read()) == list(given.read())
    copied.add({"question": "own", "case": "case-1", "verdict": "relevant"}, "bob")
    given.add({"question": "third", "case": "case-1", "verdict": "relevant"}, "ada")
    copy(source, target)
    assert [verdict["question"] for verdict in copied.read()] == ["first", "second", "own"]


def test_what_is_no_copy_of_it_is_refused(source, tmp_path) -> None:
    with pytest.raises(QueryError, match="source and target"):
        copy(source, source)
    other = tmp_path / "other"
    Casebase.create(other, dim=DIM, fingerprint="g", preset="p").close()
    with pytest.raises(CasebaseError, match="other encoders"):
        copy(source, other)
    more = tmp_path / "more"
    with Casebase.create(more, dim=DIM, fingerprint="f", preset="p") as made:
        made.add([entry(np.random.default_rng(0), "another")])
    with pytest.raises(QueryError, match="holds 13 cases"):
        copy(source, more)


def test_what_does_not_come_back_as_it_was_is_noticed(source, tmp_path, monkeypatch) -> None:
    add = Casebase.add

    def damaging(self: Casebase, entries: list[Entry]) -> None:
        add(self, [replace(e, case=replace(e.case, split="x")) for e in entries])

    monkeypatch.setattr(Casebase, "add", damaging)
    with pytest.raises(CasebaseDamaged, match=r"not in .* as it was copied"):
        copy(source, tmp_path / "target")


def test_every_part_of_an_entry_is_in_its_digest() -> None:
    one = drawn()[0]
    others = [
        replace(one, case=replace(one.case, licence="CC0")),
        replace(one, case=replace(one.case, text="other")),
        replace(one, vector=unit(np.random.default_rng(5))),
        replace(one, content="other"),
        replace(one, thumbnail=None),
        replace(one, mentions=None, recogniser=""),
        replace(one, mentions=(MENTION,)),
        replace(one, recogniser="other"),
    ]
    assert len({entry_digest(e) for e in (one, *others)}) == 9
