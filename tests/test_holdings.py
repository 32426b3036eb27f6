"""A question goes to the corpus that holds what it names; the choice of a user stays."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from PIL.Image import Image

from mmedrag.assembly import assemble, create, dictionary
from mmedrag.filters import MAX_LENGTH, both, parse
from mmedrag.holdings import Holdings, Names
from mmedrag.indexing import index
from mmedrag.pipeline import MMedRAG
from mmedrag.presets import Stages
from mmedrag.protocols import CaseNamer, RoutingReviser
from mmedrag.types import Assertion, Case, Criterion, Domain, Prevalence, Query, Question, Routing

REPORTS = {
    "liver-1": ("Liver metastases with ring enhancement.", "radiology"),
    "head": ("Subarachnoid haemorrhage in the basal cisterns.", "radiology"),
    "chest": ("Small pleural effusion on the left.", "radiology"),
    "omentum": ("Metastatic carcinoma of the omentum.", "pathology"),
    "breast": ("Fibroadenoma of the breast.", "pathology"),
    "eye": ("Drusen of the macula.", "ophthalmology"),
    "disc": ("A boy with headache and vomiting. Papilloedema.", "ophthalmology"),
}


CALLED = {
    "nodes": ("Enlarged hilar nodes.", "radiology", "Sarcoidosis, stage I", ()),
    "fields": ("Reticular shadows.", "radiology", "", ("sarcoidosis",)),
    "skin": ("Granulomas of the skin.", "pathology", "", ("Sarcoidosis",)),
    "quoted": ("Necrosis of a tarsal bone.", "radiology", "Kohler's disease", ()),
}


@pytest.fixture(scope="module")
def small(offline: Stages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MMedRAG]:
    path = tmp_path_factory.mktemp("holdings") / "small.casebase"
    cases = [Case(id=i, text=t, domain=Domain(d)) for i, (t, d) in REPORTS.items()]
    cases += [
        Case(id=i, text=t, domain=Domain(d), diagnosis=named, labels=labels)
        for i, (t, d, named, labels) in CALLED.items()
    ]
    casebase, _ = create(path)
    with casebase, closing(dictionary()) as definitions:
        index(cases, casebase, offline.embedder, offline.classifier, definitions=definitions)
        yield assemble(offline, casebase, definitions)


def routed(rag: MMedRAG, text: str, chosen: str, **query: object) -> Routing:
    """The routing of a question for which the classifier chose a domain."""
    mentions = rag.definitions.recognise([text])[0]
    routing = Routing({}, Domain(chosen), reason="chosen")
    question = Question(Query(text, **query), routing, (), mentions)
    question = replace(question, intent=rag.reader.read(question))
    question = replace(question, criteria=rag.expander.criteria(question))
    return rag.reviser.revise(question)


def test_it_is_a_reviser(small: MMedRAG) -> None:
    assert isinstance(small.reviser, RoutingReviser)
    assert isinstance(small.reviser, Holdings)


@pytest.mark.parametrize(
    ("text", "chosen", "expected"),
    [
        ("Cases of subarachnoid haemorrhage", "pathology", "radiology"),
        ("Metastases with ring enhancement", "pathology", "radiology"),  # it holds both
        ("Cases with metastasis", "pathology", "pathology"),  # it holds some
        ("Cases of subarachnoid haemorrhage", "radiology", "radiology"),
        ("Cases of pneumoconiosis", "pathology", "pathology"),  # nobody holds any
        ("Is there a haemorrhage?", "ophthalmology", "radiology"),  # kinds count
        ("No pleural effusion", "pathology", "pathology"),  # what is ruled out is no reason
        ("Tell me more.", "pathology", "pathology"),
    ],
)
def test_the_corpus_that_holds_it(small: MMedRAG, text: str, chosen: str, expected: str) -> None:
    routing = routed(small, text, chosen)
    assert routing.decision == expected
    assert ("its cases of" in routing.reason) is (chosen != expected)


def test_a_domain_that_was_given_stays(small: MMedRAG) -> None:
    given = routed(small, "subarachnoid haemorrhage", "pathology", domain=Domain("pathology"))
    assert given.decision == "pathology"


def test_a_filter_counts(small: MMedRAG) -> None:
    text = "Cases of subarachnoid haemorrhage"
    assert routed(small, text, "pathology", where="id = 'breast'").decision == "pathology"
    assert routed(small, text, "pathology", where="id != 'breast'").decision == "radiology"


def test_where_no_known_word_speaks_for_a_domain_without_cases_all_are_searched(
    small: MMedRAG,
) -> None:
    assert routed(small, "Are there any wires?", "pathology").decision is Domain.PATHOLOGY
    eyes = replace(small, reviser=replace(small.reviser, domains=lambda: [Domain.OPHTHALMOLOGY]))
    moved = routed(eyes, "Are there any wires?", "pathology")
    assert moved.decision is None
    assert moved.reason == "chosen; but it holds no case"
    assert routed(eyes, "Is there a chordoma?", "pathology").decision is Domain.PATHOLOGY


def test_a_domain_whose_reports_nobody_has_read_has_cases(offline: Stages, tmp_path: Path) -> None:
    casebase, _ = create(tmp_path / "unread.casebase")
    with casebase, closing(dictionary()) as definitions:
        cases = [Case(id="a", text="Sternal wires.", domain=Domain.RADIOLOGY)]
        index(cases, casebase, offline.embedder, offline.classifier)
        rag = assemble(offline, casebase, definitions)
        assert routed(rag, "Are there any wires?", "radiology").decision is Domain.RADIOLOGY
        assert routed(rag, "Are there any wires?", "pathology").decision is None


def test_evidence_among_other_moves_only_where_nothing_is_held(small: MMedRAG) -> None:
    assert small.reviser is not None
    wanted = [
        Criterion(Assertion.AFFIRMED, small.definitions.recognise([t])[0][0].concept, t, (), False)
        for t in ("metastasis", "ring enhancement", "subarachnoid haemorrhage")
    ]
    routing = Routing({}, Domain("pathology"))
    history = Question(Query("a history"), routing, (), (), criteria=tuple(wanted))
    assert small.reviser.revise(history).decision == "pathology"
    history = replace(history, criteria=tuple(wanted[1:]))
    assert small.reviser.revise(history).decision == "radiology"


class _Pathology:
    """Sends every question to pathology."""

    def classify(self, queries: Sequence[Query], pictures: Sequence[Image | None]) -> list[Routing]:
        return [Routing({}, Domain("pathology")) for _ in queries]


def test_the_pipeline_searches_there(small: MMedRAG) -> None:
    rag = replace(small, classifier=_Pathology())
    context = rag.retrieve(Query("Cases of subarachnoid haemorrhage"))
    assert context.question.routing.decision == "radiology"
    assert context.kept[0].item.id == "head"


def kept(rag: MMedRAG, text: str, **query: object) -> list[str]:
    context = rag.retrieve(Query(text, **query))  # type: ignore[arg-type]
    return [e.item.id for e in context.kept if isinstance(e.item, Case)]


def test_cases_are_found_by_what_the_record_calls_them(small: MMedRAG) -> None:
    assert isinstance(small.namer, Names)
    assert isinstance(small.namer, CaseNamer)
    radiology = kept(small, "Cases of sarcoidosis", domain=Domain("radiology"))
    assert set(radiology[:2]) == {"nodes", "fields"}
    assert kept(small, "Cases of sarcoidosis", domain=Domain("pathology"))[0] == "skin"
    assert kept(small, "Show me Kohler disease")[0] == "quoted"


def test_a_filter_of_the_user_holds_for_them_too(small: MMedRAG) -> None:
    found = kept(small, "Cases of sarcoidosis", where="id != 'nodes'", domain=Domain("radiology"))
    assert found[0] == "fields"
    assert "nodes" not in found


@pytest.mark.parametrize(
    "text",
    [
        "No sarcoidosis",
        "Cases of sarcoidosis with pleural effusion",  # two findings
        "Left sarcoidosis",  # a side, which names do not tell
        "Cases of berylliosis",  # nobody is called so
        "A man of forty with known sarcoidosis and weight loss has had a cough for three weeks",
        "Is it normal?",
    ],
)
def test_names_are_looked_for_where_one_finding_is_sought(small: MMedRAG, text: str) -> None:
    question = small.retrieve(Query(text)).question
    assert small.namer is not None
    assert small.namer.named(question) is None


def test_an_image_is_not_searched_by_name(small: MMedRAG, phantoms: list[Case]) -> None:
    image = next(c.image for c in phantoms if c.image is not None)
    question = small.retrieve(Query("Cases of sarcoidosis", image)).question
    assert small.namer is not None
    assert small.namer.named(question) is None


class _Many:
    """Names of which there are very many, and one that no filter can have."""

    def called(self, concepts: Collection[str]) -> list[tuple[str, str]]:
        names = [("labels", f"it's number {i}") for i in range(5000)]
        return [("diagnosis", "first"), ("diagnosis", "a\0b"), *names]

    def held(
        self, question: Question, groups: Mapping[str, Collection[str]]
    ) -> dict[str, Prevalence]:
        return {name: Prevalence(0, 0, 0) for name in groups}


def test_many_names_make_a_filter_that_parses(small: MMedRAG) -> None:
    question = small.retrieve(Query("Cases of sarcoidosis")).question
    name = Names(_Many(), small.reviser.ontology).named(question)  # type: ignore[union-attr]
    assert name is not None
    assert name.startswith("diagnosis in ('first') or labels in ('it''s number 0', ")
    assert len(name) < MAX_LENGTH / 2 + 100
    parse(both("id = '" + "y" * 4000 + "'", name))
    full = replace(question.query, where="id != '" + "y" * 9000 + "'")
    names = Names(_Many(), small.reviser.ontology)  # type: ignore[union-attr]
    assert names.named(replace(question, query=full)) is None


def test_what_a_patient_complains_of_moves_no_question(small) -> None:
    assert routed(small, "headache and vomiting", "radiology").decision == "radiology"
    assert routed(small, "papilloedema", "radiology").decision == "ophthalmology"


def test_no_question_goes_where_what_it_names_cannot_be_seen(small) -> None:
    assert routed(small, "CT of the head, papilloedema", "radiology").decision == "radiology"
    assert routed(small, "papilloedema and the liver", "radiology").decision == "radiology"
    assert routed(small, "papilloedema of the optic disc", "radiology").decision == "ophthalmology"
