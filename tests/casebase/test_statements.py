"""What lists of terms say is what the mentions of the stored cases say, whatever was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_folder import FAST
from mmedrag.casebase import Casebase, comparison, ledger, statement_lists, statements
from mmedrag.casebase.row_sums import RowSum
from mmedrag.casebase.statement_lists import Lists
from mmedrag.errors import CasebaseDamaged, FilterError
from mmedrag.testing.questions import question_of
from mmedrag.text.sites import SITES
from mmedrag.types import Assertion, Case, Domain, Entry, Kind, Mention, Query
from proofs import examples

CONCEPTS = ("X:1", "X:2", "X:3")
SAID = (Assertion.AFFIRMED, Assertion.NEGATED, Assertion.HISTORICAL, Assertion.UNKNOWN)

mentioned = st.lists(
    st.tuples(
        st.sampled_from(CONCEPTS),
        st.sampled_from(SAID),
        st.lists(st.sampled_from(SITES[:3]), unique=True, max_size=2),
    ),
    max_size=4,
)
reports = st.lists(
    st.tuples(mentioned, st.sampled_from([*Domain, None]), st.sampled_from(["one", "two", ""])),
    max_size=5,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), reports),
        st.tuples(st.just("delete"), st.integers(0, 12)),
        st.tuples(st.just("publish"), st.none()),
        st.tuples(st.just("read anew"), mentioned),
    ),
    max_size=7,
)


def mentions_of(found: Sequence[tuple[str, Assertion, Sequence[str]]]) -> tuple[Mention, ...]:
    return tuple(
        Mention("", i, i + 1, concept, f"term {i % 2} of {concept}", said, Kind.FINDING, (*sites,))
        for i, (concept, said, sites) in enumerate(found)
    )


class Reader:
    """Reads the same in every report."""

    def __init__(self, mentions: tuple[Mention, ...]) -> None:
        self.fingerprint, self._mentions = f"reads {mentions}", mentions

    def recognise(self, texts: Sequence[str]) -> list[tuple[Mention, ...]]:
        return [self._mentions] * len(texts)


@pytest.mark.parametrize("few", [0, 3, 50_000])
@settings(deadline=None, max_examples=examples(30))
@given(steps, st.booleans())
def test_they_say_what_the_mentions_say(few, steps, looked_between):
    with (
        pytest.MonkeyPatch.context() as patched,
        TemporaryDirectory(dir=FAST) as folder,
        Casebase.create(Path(folder) / "c", dim=2, fingerprint="f", preset="p") as casebase,
    ):
        patched.setattr(statements, "_FULL", few)
        patched.setattr(statements, "_MANY", few or 10_000)
        model: dict[str, tuple[Mention, ...] | None] = {}
        for step, given_ in steps:
            if step == "add":
                entries = [entry(len(model) + i, *report) for i, report in enumerate(given_)]
                casebase.add(entries)
                model |= {e.case.id: e.mentions for e in entries}
            elif step == "delete" and f"{given_}" in model:
                casebase.delete([f"{given_}"])
                model[f"{given_}"] = ()
            elif step == "publish":
                casebase.publish()
            elif step == "read anew":
                casebase.recognise(Reader(mentions_of(given_)))
                there = set(casebase.ids())
                model = {i: mentions_of(given_) if i in there else () for i in model}
            if looked_between:
                hold(casebase, model)
        hold(casebase, model)
        assert casebase.verify() == []


def entry(number: int, found, domain: Domain | None, reader: str) -> Entry:
    case = Case(id=f"{number}", text=f"report {number}", domain=domain)
    mentions = mentions_of(found) if reader else None
    return Entry(case, np.zeros(2, np.float32), case.id, None, mentions, reader)


def hold(casebase: Casebase, model: dict[str, tuple[Mention, ...] | None]) -> None:
    """Everything that can be asked is answered as the model does."""
    occurrences = casebase.occurrences

    def asked(snapshot, database):
        said = snapshot.statements(database)
        members = snapshot.members
        ids = database.ids(members.rows_above(np.flatnonzero(members.above(0)), 0))
        for concept in (*CONCEPTS, "nothing"):
            for assertion in SAID:
                for sites in ((), SITES[:1], SITES[:2], ("nowhere",)):
                    positions = said.stating(assertion, said.terms([concept]), sites)
                    assert (np.diff(positions) > 0).all()
                    rows = snapshot.members.rows_above(positions, 0)
                    assert {ids[row] for row in rows.tolist()} == {
                        i
                        for i, mentions in model.items()
                        for m in mentions or ()
                        if (m.concept, m.assertion) == (concept, assertion)
                        and {*sites} <= {*m.sites}
                    }
        return {row: ids[row] for row in ids}, max(ids, default=0)

    ids, last = casebase._asked(asked)
    for above in {0, last // 2, last - 1, last} - {-1}:
        known = occurrences.concepts_of([Kind.FINDING], above)
        higher = {i: m or () for row, i in ids.items() if row > above for m in [model[i]]}
        mentioned = {m.concept for mentions in higher.values() for m in mentions}
        assert known >= mentioned if not above else known == mentioned
        for concept in CONCEPTS:
            rows = occurrences.occurring([concept], Assertion.NEGATED, above).tolist()
            assert rows == sorted(rows)
            assert {ids[row] for row in rows} == {
                i
                for i, mentions in higher.items()
                if any((m.concept, m.assertion) == (concept, SAID[1]) for m in mentions)
            }
    unread = any(model[i] is None for i in ids.values())
    if unread:
        with pytest.raises(FilterError):
            casebase.facets()
    else:
        casebase.facets()


@pytest.fixture
def casebase(tmp_path: Path) -> Iterator[Casebase]:
    found = [("X:1", Assertion.AFFIRMED, ("left",)), ("X:2", Assertion.NEGATED, ())]
    with Casebase.create(tmp_path / "c", dim=2, fingerprint="f", preset="p") as made:
        made.add([entry(i, found, Domain.RADIOLOGY, "one") for i in range(8)])
        made.publish()
        yield made


def differences(casebase: Casebase) -> list[str]:
    database, generations = casebase._access.database, casebase._access.generations
    name = generations.current()
    loaded = generations.load(name, database, "f", 2)
    return list(comparison.differences(database, loaded))


@pytest.mark.parametrize("what", ["positions", "sites", "keys", "readers"])
def test_lists_that_say_something_else_are_found(casebase, monkeypatch, what):
    assert differences(casebase) == []
    stored = statement_lists.StoredStatements
    read, readers = stored.lists.fget, stored.readers.fget

    def changed(self) -> Lists:
        lists = read(self)
        if what == "keys":
            return replace(lists, keys=lists.keys + 1)
        span = getattr(lists, what)
        return replace(lists, **{what: lambda start, stop: span(start, stop) ^ 1})

    if what == "readers":
        monkeypatch.setattr(stored, "readers", property(lambda self: readers(self) + 1))
    else:
        monkeypatch.setattr(stored, "lists", property(changed))
    assert differences(casebase) == [
        "the lists of what reports say in the index do not match the mentions"
    ]


def test_a_damaged_list_is_not_asked(casebase, tmp_path):
    where = question_of(Query(where="affirms = 'X:1'"), np.zeros(2, np.float32))
    assert len(casebase.search(where, 99)) == 8
    (file,) = casebase.path.glob("generations/*/statement_positions")
    content = bytearray(file.read_bytes())
    content[0] ^= 2
    file.write_bytes(content)
    with Casebase.open(casebase.path, readonly=True) as other:
        assert len(other.search(where, 99)) == 8
        assert any("statement_positions was changed" in notice for notice in other.notices)


def test_an_index_of_other_sites_is_not_asked(casebase, monkeypatch):
    meaning = statement_lists._MEANING | {"sites": ["somewhere"]}
    monkeypatch.setattr(statement_lists, "_MEANING", meaning)
    with Casebase.open(casebase.path, readonly=True) as other:
        where = question_of(Query(where="affirms = 'X:1'"), np.zeros(2, np.float32))
        assert len(other.search(where, 99)) == 8


def test_many_reports_wait_for_the_check_of_the_whole_file(casebase, monkeypatch):
    monkeypatch.setattr(statements, "_MANY", 2)
    waited = []
    monkeypatch.setattr(casebase._access.database, "require_sound", lambda: waited.append(1))
    where = question_of(Query(where="affirms = 'X:1'"), np.zeros(2, np.float32))
    for added in (2, 3):
        first = casebase.count()
        found = [("X:1", Assertion.AFFIRMED, ())]
        casebase.add([entry(first + i, found, None, "one") for i in range(added)])
        assert len(casebase.search(where, 99)) == first + added
    assert len(waited) == 1


def test_what_is_forgotten_with_a_case_is_told_by_no_number(casebase):
    """The number of a term that no report mentions any more may stand for another."""
    casebase.add([entry(100, [("X:3", Assertion.AFFIRMED, ())], None, "two")])
    casebase.publish()
    casebase.delete(["100"])
    again = entry(101, [], None, "three")
    casebase.add([replace(again, mentions=mentions_of([("X:2", Assertion.AFFIRMED, ())] * 2))])
    occurring = casebase.occurrences.occurring
    assert occurring(["X:3"], Assertion.AFFIRMED).tolist() == []
    assert occurring(["X:2"], Assertion.AFFIRMED).tolist() == [10]
    assert casebase.verify() == []


def execute(casebase: Casebase, *sql: str) -> None:
    """What a damage may do, that nobody is told of."""
    for statement in ("PRAGMA foreign_keys = OFF", *sql):
        casebase._access.database._run(statement)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE mentions SET assertion = 'affirmed' WHERE row = 1",
        "UPDATE terms SET concept = 'X:1' WHERE concept = 'X:2'",
    ],
)
def test_lists_that_were_made_of_damage_give_no_case_out(casebase, damage, monkeypatch):
    monkeypatch.setattr(RowSum, "is_broken", lambda self, epoch: False)
    execute(casebase, damage)
    casebase.publish()
    where = question_of(Query(where="affirms = 'X:1'"), np.zeros(2, np.float32))
    with pytest.raises(CasebaseDamaged, match="mmedrag rebuild"):
        casebase.search(where, 99)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "damage",
    [
        "mentions SET assertion = 'affirmee' WHERE row = 1",
        "mentions SET term = 'q' WHERE row = 1",
        "recognised SET recogniser = 9999999999 WHERE row = 1",
        "recognised SET recogniser = 'q' WHERE row = 1",
        "mentions SET row = 5.5 WHERE row = 5",
        "mentions SET row = '5x' WHERE row = 5",
        "recognised SET row = 7000 WHERE row = 5",
    ],
)
def test_damaged_tables_cannot_be_published_and_say_so(casebase, damage):
    casebase.add([entry(100 + i, [], None, "two") for i in range(2)])
    execute(casebase, f"UPDATE {damage}", "UPDATE sqlite_sequence SET seq = 9000")
    with pytest.raises(CasebaseDamaged, match=r"mmedrag (rebuild|verify)"):
        casebase.publish()
    vector = np.zeros(2, np.float32)
    assert len(casebase.search(question_of(Query(), vector), 99)) == 10
    casebase.rebuild(Reader(mentions_of([("X:1", Assertion.AFFIRMED, ())])))
    assert casebase.verify() == []
    assert len(casebase.occurrences.occurring(["X:1"], Assertion.AFFIRMED)) == 10


@pytest.mark.parametrize("many", [0, 10_000])
def test_what_is_kept_of_no_case_is_damage(casebase, monkeypatch, many):
    monkeypatch.setattr(statements, "_MANY", many)
    casebase.add([entry(100 + i, [("X:1", Assertion.AFFIRMED, ())], None, "two") for i in (0, 1)])
    casebase.delete(["100"])
    execute(casebase, "UPDATE recognised SET row = 9 WHERE row = 10")
    with pytest.raises(CasebaseDamaged, match="mmedrag rebuild"):
        casebase.occurrences.occurring(["X:1"], Assertion.AFFIRMED)


def test_row_numbers_may_be_far_apart(casebase):
    execute(casebase, f"UPDATE sqlite_sequence SET seq = {10**12}")
    casebase.add([entry(100, [("X:1", Assertion.AFFIRMED, ())], None, "one")])
    casebase.publish()
    assert casebase.occurrences.occurring(["X:1"], Assertion.AFFIRMED).tolist()[-1] == 10**12 + 1
    assert casebase.verify() == []


def test_a_repeated_look_at_the_file_does_not_keep_what_is_deleted(casebase, monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.ledger._AT_ONCE", 0)
    casebase.close()
    looking, seen = Event(), ledger.sha256_beside

    def slow(path: Path, stop: Event | None = None) -> str:
        if stop is not None and looking.is_set():
            assert stop.wait(20)
            raise InterruptedError
        return seen(path, stop)

    monkeypatch.setattr(ledger, "sha256_beside", slow)
    with Casebase.open(casebase.path) as again:
        again.search(question_of(Query(), np.zeros(2, np.float32)), 1)
        again._access._await_check()
        looking.set()
        again._access._next_check = 0.0
        again.search(question_of(Query(), np.zeros(2, np.float32)), 1)
        again.delete(["3"])
        assert again.erase() == {}
        assert b"report 3" not in (again.path / "casebase.db").read_bytes()


def test_concepts_that_nobody_mentions_do_not_fill_the_memory(casebase, monkeypatch):
    monkeypatch.setattr(statements, "_CONCEPTS", 10)
    vector = np.array([1.0, 0.0], np.float32)

    def affirming(concept):
        question = question_of(Query(where=f"affirms = '{concept}'"), vector)
        return {hit.case.id for hit in casebase.search(question, 50)}

    before = affirming("X:1")
    assert len(before) == 8
    assert not any(affirming(f"Y:{i}") for i in range(50))
    assert len(casebase._access._reader._snapshot._statements._terms) <= 12
    assert affirming("X:1") == before
