"""Cases read in one look are the cases that the tables keep, and no search tells the difference."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.casebase import Casebase, columns, remembered
from mmedrag.casebase.mentions import Recognition
from mmedrag.casebase.packing import is_sealed, packed, seal, unpacked
from mmedrag.casebase.row_sums import RowSum
from mmedrag.errors import CasebaseDamaged
from mmedrag.testing.questions import question_of
from mmedrag.types import Assertion, Case, Domain, Entry, Hit, Kind, Mention, Query

WORDS = st.text(max_size=12)
JSON = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS
CASES = st.builds(
    Case,
    id=st.text(min_size=1, max_size=8),
    text=st.text(max_size=40),
    image=st.none() | st.just(Path("folder/ä.png")),
    frame=st.integers(0, 99),
    domain=st.none() | st.sampled_from(list(Domain)),
    modality=WORDS,
    patient_id=WORDS,
    study_id=WORDS,
    date=WORDS,
    labels=st.lists(WORDS, max_size=3).map(tuple),
    diagnosis=WORDS,
    source=WORDS,
    licence=WORDS,
    split=WORDS,
    meta=st.dictionaries(WORDS, JSON | st.lists(JSON, max_size=2), max_size=3),
)
SITES = st.lists(st.sampled_from(["left", "right", "lower lobe"]), max_size=2, unique=True)


@st.composite
def recognised(draw: st.DrawFn) -> tuple[Case, Recognition | None]:
    case = draw(CASES)
    spans = st.tuples(st.integers(0, len(case.text)), st.integers(0, len(case.text)))
    found = tuple(
        Mention(
            case.text[start:end], start, end, draw(WORDS), draw(WORDS),
            draw(st.sampled_from(list(Assertion))), draw(st.sampled_from(list(Kind))),
            tuple(draw(SITES)),
        )
        for start, end in sorted(map(sorted, draw(st.lists(spans, max_size=3, unique=True))))
    )  # fmt: skip
    return case, draw(st.none() | st.just(Recognition("somebody", found)))


@given(recognised())
def test_what_is_packed_is_unpacked(read: tuple[Case, Recognition | None]) -> None:
    case, recognition = read
    back = unpacked(packed(case, recognition), case.text)
    assert back.case == case
    assert [*back.case.meta.items()] == [*case.meta.items()]
    if recognition is None:
        assert (back.mentions, back.recogniser) == (None, "")
    else:
        assert back.mentions is not None
        assert back.recogniser == recognition.recogniser
        assert sorted(map(repr, back.mentions)) == sorted(map(repr, recognition.mentions))


@given(st.binary(min_size=1), st.text(min_size=1), st.binary(min_size=1), st.data())
def test_a_seal_is_broken_by_any_change(
    record: bytes, text: str, vector: bytes, data: st.DataObject
) -> None:
    number = seal(record, text, vector)
    assert is_sealed(record, text, vector, number)
    changed = data.draw(st.text(min_size=1).filter(lambda new: new != text))
    assert not is_sealed(bytes([record[0] ^ 1]) + record[1:], text, vector, number)
    assert not is_sealed(record, changed, vector, number)
    assert not is_sealed(record, text, bytes([vector[0] ^ 1]) + vector[1:], number)


@pytest.mark.parametrize("stored", [None, 3])
def test_what_is_not_there_is_not_sealed(stored: object) -> None:
    assert not is_sealed(stored, "text", b"", 0)
    assert not is_sealed(b"[]", stored, b"", 0)


def mass(text: str, assertion: Assertion = Assertion.AFFIRMED) -> Mention:
    start = text.index("mass")
    return Mention("mass", start, start + 4, "X:1", "mass", assertion, Kind.FINDING)


def entry(name: str, text: str) -> Entry:
    vector = np.ones(2, np.float32) / 2
    case = Case(id=name, text=text, labels=("tumour",), diagnosis="Mass", modality="CT")
    return Entry(case, vector, name, None, (mass(text),), "somebody")


@pytest.fixture
def casebase(tmp_path: Path) -> Iterator[Casebase]:
    with Casebase.create(tmp_path / "cases", dim=2, fingerprint="f", preset="p") as casebase:
        casebase.add([entry("a", "A mass."), entry("b", "Another mass.")])
        casebase.publish()
        yield casebase


def found(casebase: Casebase) -> list[tuple[Case, tuple[Mention, ...] | None, str]]:
    casebase._access.forget()  # what former searches have read
    hits: list[Hit] = casebase.search(question_of(Query(), np.ones(2, np.float32) / 2**0.5), 5)
    return [(hit.case, hit.mentions, hit.recogniser) for hit in hits]


def run(casebase: Casebase, sql: str) -> None:
    casebase._access.database._run(sql)


DAMAGES = [
    "record = CAST(replace(CAST(record AS TEXT), 'tumour', 'tumoor') AS BLOB)",
    "record = CAST(replace(CAST(record AS TEXT), 'tumour', CAST(x'c354' AS TEXT)) AS TEXT)",
    "record = NULL",
    "record = ''",
    "seal = seal + 1",
    "seal = NULL",
    "record = (SELECT record FROM texts WHERE row = 2), seal = (SELECT seal FROM texts "
    "WHERE row = 2)",
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_is_not_believed_and_packed_again(casebase: Casebase, damage: str) -> None:
    before = found(casebase)
    assert [case.id for case, _, _ in before] == ["a", "b"]
    run(casebase, f"UPDATE texts SET {damage} WHERE row = 1")
    assert found(casebase) == before
    noticed = [problem for problem in casebase.verify() if "record of row 1" in problem]
    assert bool(noticed) == ("record = NULL" not in damage)
    casebase.rebuild()
    assert casebase.verify() == []
    run(casebase, "DELETE FROM recognised WHERE row = 3")  # a row that is not there changes nothing
    assert found(casebase) == before


def test_findings_that_nobody_has_asked_for_are_the_hit_s_all_the_same(casebase: Casebase) -> None:
    asked = question_of(Query(), np.ones(2, np.float32) / 2**0.5)
    for use in (pickled, copy.copy, copy.deepcopy, lambda hit: replace(hit, relevance=1.0)):
        casebase._access.forget()
        for hit in casebase.search(asked, 5):
            other = use(hit)
            assert isinstance(other, Hit)
            assert other.mentions == hit.mentions == (mass(hit.case.text),)
            assert hit.mentions is hit.mentions
            assert repr(other).startswith("Hit(")
            with pytest.raises(FrozenInstanceError):
                hit.mentions = ()  # type: ignore[misc]


def pickled(hit: Hit) -> Hit:
    back: Hit = pickle.loads(pickle.dumps(hit))
    return back


@pytest.mark.parametrize(
    ("record", "reads"),
    [
        (b"[]", False),
        (b"", False),
        (b"[[1],2,[]]", False),
        (b"\xff", False),
        (b'{"a":1}', False),
        (b'[["a",null,0,null,"","","","",[],"","","","",{}],"x",[[1]]]', True),
        (b'[["a",null,0,null,"","","","",[],"","","","",{}],"x",7]', True),
        (b'[["a",null,0,null,"","","","",[],"","","","",{}],"x",[', True),
    ],
)
def test_a_sealed_record_of_another_form_is_damage(
    casebase: Casebase, record: bytes, reads: bool
) -> None:
    vector = (np.ones(2, np.float32) / 2).tobytes()
    casebase._access.database._run(
        "UPDATE texts SET record = ?, seal = ? WHERE row = 1",
        [record, seal(record, "A mass.", vector)],
    )
    casebase._access.forget()
    asked = question_of(Query(), np.ones(2, np.float32) / 2**0.5)
    if reads:
        hit = next(hit for hit in casebase.search(asked, 5) if hit.case.id == "a")
        with pytest.raises(CasebaseDamaged, match="findings of case 'a'"):
            hit.mentions  # noqa: B018
    else:
        with pytest.raises(CasebaseDamaged, match="row 1"):
            casebase.search(asked, 5)
    casebase.rebuild()
    assert [mentions for _, mentions, _ in found(casebase)] == [
        (mass("A mass."),),
        (mass("Another mass."),),
    ]


def test_cases_that_were_read_first_are_forgotten_first(
    casebase: Casebase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_CASES", 2)
    casebase.add([entry("c", "A third mass.")])
    cases, read = remembered.RememberedCases(), []
    with casebase._access.now():
        database = casebase._access.database
        monkeypatch.setattr(database, "read", lambda rows: read.extend(rows) or dict(rows))
        for row in (2, 1, 2, 3, 1, 3, 2):
            cases.read(database, {row: np.ones(2, np.float32) / 2}, 3)
    assert read == [2, 1, 3, 2]


class Reader:
    """Recognises that there is no mass."""

    fingerprint = "somebody else"

    def recognise(self, texts: list[str]) -> list[tuple[Mention, ...]]:
        return [(mass(text, Assertion.NEGATED),) for text in texts]


def test_a_report_that_is_read_anew_is_packed_anew(casebase: Casebase) -> None:
    assert casebase.recognise(Reader()) == 2  # type: ignore[arg-type]
    for case, mentions, recogniser in found(casebase):
        assert (mentions, recogniser) == ((mass(case.text, Assertion.NEGATED),), "somebody else")
    assert casebase.verify() == []


def test_what_was_recognised_is_never_given_out_after_it_was_forgotten(casebase: Casebase) -> None:
    with casebase._access.database.writing() as epoch:
        casebase._access.database.forget_recognised(epoch)
    assert [mentions for _, mentions, _ in found(casebase)] == [None, None]


def test_terms_that_chose_a_case_are_checked(casebase: Casebase) -> None:
    asked = question_of(Query(where="affirms = 'X:1'"), np.ones(2, np.float32) / 2**0.5)
    assert len(casebase.search(asked, 5)) == 2
    run(casebase, "UPDATE mentions SET term = term, start = start + 1 WHERE row = 1")
    casebase._access.forget()
    with pytest.raises(CasebaseDamaged, match="row 1"):
        casebase.search(asked, 5)
    assert len(found(casebase)) == 2  # nobody asked the terms
    with pytest.raises(CasebaseDamaged, match="row 1"):
        casebase.search(asked, 5)


@pytest.mark.parametrize("published", [False, True])
def test_fields_that_chose_a_case_are_checked(
    casebase: Casebase, published: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    casebase.add([entry("c", "A third mass.")])
    if published:
        monkeypatch.setattr(columns, "LARGEST", 0)  # no field has a column
        casebase.publish()
    monkeypatch.setattr(RowSum, "is_broken", lambda self, epoch: False)  # it is not always due
    run(casebase, "UPDATE cases SET modality = 'MR' WHERE id = 'c'")
    casebase._access.forget()
    asked = question_of(Query(where="modality = 'MR'"), np.ones(2, np.float32) / 2**0.5)
    with pytest.raises(CasebaseDamaged, match="Case 'c' fails its checksum"):
        casebase.search(asked, 5)
    assert len(found(casebase)) == 3  # nobody asked the fields


def test_a_damaged_report_costs_no_other_its_terms(casebase: Casebase) -> None:
    run(casebase, "UPDATE texts SET text = 'Another mess.' WHERE row = 2")
    with pytest.raises(CasebaseDamaged, match="'b'"):
        casebase.rebuild(Reader())  # type: ignore[arg-type]
    assert casebase.unrecognised("somebody") == 0
    casebase.delete(["b"])
    casebase.rebuild(Reader())  # type: ignore[arg-type]
    assert casebase.verify() == []


def test_damaged_terms_are_left_to_whoever_reads_them(casebase: Casebase) -> None:
    run(casebase, "UPDATE mentions SET start = start + 1 WHERE row = 1")
    casebase.rebuild()
    with pytest.raises(CasebaseDamaged, match="row 1"):
        found(casebase)
    casebase.rebuild(Reader())  # type: ignore[arg-type]
    assert casebase.verify() == []


def test_what_was_learned_of_a_case_goes_before_the_case(casebase: Casebase) -> None:
    learned = [casebase.path / name for name in ("names.jsonl", "knowledge.jsonl")]
    for change in (
        lambda: casebase.add([entry("a", "A new mass.")]),
        lambda: casebase.delete(["a"]),
    ):
        for file in learned:
            file.write_text("learned")
        casebase.add([entry("new", "One more mass.")])
        casebase.delete(["nobody"])
        assert all(file.exists() for file in learned)
        casebase.delete(["new"])
        assert not any(file.exists() for file in learned)
        for file in learned:
            file.write_text("learned")
        change()
        assert not any(file.exists() for file in learned)


def test_a_deleted_case_leaves_no_record(casebase: Casebase) -> None:
    casebase.delete(["a"])
    casebase.close()
    for file in casebase.path.rglob("*"):
        assert not file.is_file() or b'"a",null,0' not in file.read_bytes()
