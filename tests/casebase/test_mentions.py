"""Terms are recognised when a case is written; a search reads no report."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mmedrag.assembly import assemble, create, dictionary, outdated
from mmedrag.casebase import Casebase
from mmedrag.definitions import Dictionary
from mmedrag.errors import CasebaseDamaged, CasebaseError
from mmedrag.indexing import index
from mmedrag.presets import Stages
from mmedrag.types import Assertion, Case, Definition, Mention, Query

REPORTS = {
    "a": "Large left pleural effusion. No pneumothorax.",
    "b": "No pleural effusion. Cardiomegaly.",
    "c": "Pneumothorax on the right. Pneumothorax is large.",
}


class Counting:
    """A definition source that counts the texts it is given; the real one does the work."""

    def __init__(self, source: Dictionary, fingerprint: str = "") -> None:
        self._source = source
        self.concepts = source.concepts
        self.fingerprint = fingerprint or source.fingerprint
        self.read: list[str] = []

    def recognise(self, texts: Sequence[str]) -> list[tuple[Mention, ...]]:
        self.read += texts
        return self._source.recognise(texts)

    def vocabulary(self) -> Iterator[str]:
        return self._source.vocabulary()

    def define(self, mentions: Sequence[Sequence[Mention]], limit: int) -> list[Definition]:
        return self._source.define(mentions, limit)


@pytest.fixture(scope="module")
def source() -> Dictionary:
    return dictionary()


@pytest.fixture
def casebase(tmp_path: Path, offline: Stages, source: Dictionary):
    made, _ = create(tmp_path / "x.casebase")
    cases = [Case(id=name, text=text, domain="radiology") for name, text in REPORTS.items()]
    with made:
        index(cases, made, offline.embedder, offline.classifier, definitions=source)
        yield made


def asked(casebase: Casebase, term: str, assertion: str) -> set[str]:
    """The ids of cases of which the stored terms say so, by SQL alone."""
    database = f"file:{casebase.path / 'casebase.db'}?mode=ro"
    with closing(sqlite3.connect(database, uri=True)) as connection:
        return {
            row[0]
            for row in connection.execute(
                "SELECT DISTINCT id FROM cases JOIN mentions USING (row) "
                "JOIN terms ON number = mentions.term "
                "WHERE terms.term = ? COLLATE NOCASE AND assertion = ?",
                [term, assertion],
            )
        }


def test_sql_can_ask_for_concept_and_assertion(casebase: Casebase) -> None:
    assert asked(casebase, "pleural effusion", "affirmed") == {"a"}
    assert asked(casebase, "pleural effusion", "negated") == {"b"}
    assert asked(casebase, "pneumothorax", "affirmed") == {"c"}
    assert asked(casebase, "pneumothorax", "negated") == {"a"}


def test_a_search_reads_no_report_and_finds_the_same(
    casebase: Casebase, offline: Stages, source: Dictionary
) -> None:
    stored = Counting(source)
    afresh = Counting(source, fingerprint="another dictionary")
    contexts = [
        assemble(offline, casebase, counting).retrieve(Query("pleural effusion"))
        for counting in (stored, afresh)
    ]
    assert stored.read == ["pleural effusion"]
    assert {"pleural effusion", *REPORTS.values()} <= set(afresh.read)
    one, other = ([(e.key, e.name, e.mentions) for e in c.gathered] for c in contexts)
    assert one == other
    assert all(len(m.text) == m.end - m.start for _, _, said in one for m in said)


def test_update_and_delete_keep_them_right(
    casebase: Casebase, offline: Stages, source: Dictionary
) -> None:
    changed = replace(casebase.get("a"), text="No pleural effusion. Thickened pleura.")
    index([changed], casebase, offline.embedder, offline.classifier, definitions=source)
    assert asked(casebase, "pleural effusion", "affirmed") == set()
    assert asked(casebase, "pleural effusion", "negated") == {"a", "b"}
    casebase.delete(["c"])
    assert asked(casebase, "pneumothorax", "affirmed") == set()
    with closing(sqlite3.connect(casebase.path / "casebase.db")) as connection:
        terms = connection.execute("SELECT term FROM terms").fetchall()
    assert "pneumothorax" not in {term.lower() for (term,) in terms}  # nobody has it any more
    assert casebase.verify() == []


def test_what_another_dictionary_recognised_is_said_and_derived_again(
    casebase: Casebase, source: Dictionary
) -> None:
    later = Counting(source, fingerprint="later rules")
    assert outdated(casebase, source) == []
    assert "3 of 3 cases" in outdated(casebase, later)[0]
    casebase.rebuild(later)
    assert outdated(casebase, later) == []
    assert sorted(later.read) == sorted(REPORTS.values())
    assert "3 of 3 cases" in outdated(casebase, source)[0]


def test_cases_added_without_a_dictionary_are_out_of_date(
    casebase: Casebase, offline: Stages, source: Dictionary
) -> None:
    index([Case(id="d", text="Cyst.")], casebase, offline.embedder, offline.classifier)
    assert "1 of 4 cases" in outdated(casebase, source)[0]
    context = assemble(offline, casebase, source).retrieve(Query("cyst"))
    assert next(e for e in context.gathered if e.name == "d").mentions
    assert casebase.recognise(source) == 1


def test_damaged_mentions_are_noticed_and_derived_again(
    casebase: Casebase, offline: Stages, source: Dictionary
) -> None:
    casebase._access.database._run(
        "UPDATE mentions SET assertion = 'affirmed' WHERE assertion = 'negated'"
    )
    rag = assemble(offline, casebase, source)
    with pytest.raises(CasebaseDamaged, match="mmedrag rebuild"):
        rag.retrieve(Query("pleural effusion"))
    assert any("mentions" in problem for problem in casebase.verify())
    casebase.rebuild(source)
    assert casebase.verify() == []
    assert asked(casebase, "pleural effusion", "negated") == {"b"}


def test_a_term_that_is_given_twice_at_one_place_is_refused_by_name(casebase: Casebase) -> None:
    (entry,) = casebase.entries(["a"])
    first = (entry.mentions or ())[0]
    twice = replace(entry, mentions=(first, replace(first, assertion=Assertion.NEGATED)))
    with pytest.raises(CasebaseError, match=rf"'a' has '{first.term}' at character .* 2 times"):
        casebase.add([twice])
    assert [kept.mentions for kept in casebase.entries(["a"])] == [entry.mentions]
