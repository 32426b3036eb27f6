"""The whole way from a query to a cited answer, on real parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from mmedrag.assembly import create, dictionary, load
from mmedrag.checkpoint import read_checkpoint
from mmedrag.encoders.dual import DualEncoder, Remembering
from mmedrag.errors import CasebaseError, CheckpointError, FilterError, ImageError, QueryError
from mmedrag.imaging.decoding import open_image
from mmedrag.indexing import index
from mmedrag.modality import TrainedClassifier, heads_from_checkpoint
from mmedrag.pipeline import MMedRAG
from mmedrag.presets import MODELS, Stages, offline_encoders
from mmedrag.ranking.graph import KeepOrder, paper_graph
from mmedrag.reward.scorers import KeepAll, SimilarityThreshold
from mmedrag.testing.questions import question_of
from mmedrag.types import (
    LONGEST_TEXT,
    Assertion,
    Case,
    Definition,
    Domain,
    Evidence,
    Hit,
    Mention,
    Query,
    Question,
    QuestionKind,
)


def first(cases: list[Case], domain: Domain, finding: str) -> Case:
    return next(
        c
        for c in cases
        if c.domain == domain
        and any(f["name"] == finding and f["present"] for f in c.meta["findings"])
    )


def test_an_image_finds_itself_in_its_domain(rag: MMedRAG, phantoms: list[Case]) -> None:
    for domain in Domain:
        case = next(c for c in phantoms if c.domain == domain and c.image)
        context = rag.retrieve(Query(image=case.image))
        assert context.question.routing.decision == domain
        top = context.gathered[0]
        assert isinstance(top.item, Case)
        same = {
            case.id,
            case.meta.get("near_duplicate_of"),
            *(c.id for c in phantoms if c.meta.get("near_duplicate_of") == case.id),
        }
        assert top.item.id in same
        assert {e.item.domain for e in context.gathered if isinstance(e.item, Case)} == {domain}


def test_both_orders_and_one_score_a_stage(rag: MMedRAG, phantoms: list[Case]) -> None:
    image = first(phantoms, Domain.RADIOLOGY, "consolidation").image
    context = rag.retrieve(Query("right lower lobe consolidation", image))
    keys = [e.key for e in context.gathered]
    assert sorted(keys) == sorted(e.key for e in context.ranked)
    assert all(e.centrality is None and e.reward is None for e in context.gathered)
    assert all(e.reward is None for e in context.ranked)
    assert all((e.centrality is not None) == isinstance(e.item, Case) for e in context.ranked)
    assert all(e.reward is not None for e in context.kept)
    assert len([e for e in context.kept if e.key.startswith("C")]) <= rag.k_final
    assert list(context.timings) == [
        "decoding", "spelling", "modality", "terms", "encoding", "cases", "definitions", "rerank",
        "filter",
    ]  # fmt: skip


def test_standard_rag_by_identity_stages(rag: MMedRAG) -> None:
    plain = replace(rag, reranker=KeepOrder(), context_filter=KeepAll())
    context = plain.retrieve(Query("cotton wool spots"))
    assert list(context.ranked) == list(context.gathered)
    relevances = [e.relevance for e in context.gathered if e.key.startswith("C")]
    assert relevances == sorted(relevances, reverse=True)


def test_the_papers_graph_is_selectable(rag: MMedRAG) -> None:
    context = replace(rag, reranker=paper_graph()).retrieve(Query("pleural effusion"))
    scores = [e.centrality for e in context.ranked]
    assert scores == sorted(scores, reverse=True)


def test_definitions_of_affirmed_terms_only(rag: MMedRAG) -> None:
    context = rag.retrieve(Query("pleural effusion, no pneumothorax"))
    negated = [m for m in context.question.mentions if m.assertion == Assertion.NEGATED]
    assert [m.term for m in negated] == ["pneumothorax"]
    defined = [e.item for e in context.gathered if isinstance(e.item, Definition)]
    assert defined[0].term == "pleural effusion"
    assert len(defined) <= rag.k_definitions


def test_an_answer_cites_only_what_was_kept(rag: MMedRAG, phantoms: list[Case]) -> None:
    case = first(phantoms, Domain.RADIOLOGY, "pleural effusion")
    answer = rag.ask(Query("Is there an effusion?", case.image))
    assert not answer.abstained
    assert answer.cited
    assert {e.key for e in answer.cited} <= {e.key for e in answer.context.kept}
    assert "generation" in answer.context.timings


def test_pieces_join_to_the_answer(rag: MMedRAG) -> None:
    pieces: list[str] = []
    answer = rag.ask(Query("drusen"), pieces.append)
    assert "".join(pieces).strip() == answer.text.strip()


def test_the_evidence_is_there_before_the_answer_is_written(rag: MMedRAG) -> None:
    context = rag.retrieve("drusen")
    stream = rag.answer(context)
    assert stream.context.kept is context.kept
    first_piece = next(stream)
    answer = stream.result()  # the rest is written now
    assert answer.text.startswith(first_piece.strip())
    assert answer.text == rag.ask("drusen").text
    assert stream.result().text == answer.text
    assert {*context.timings, "generation"} <= answer.context.timings.keys()


def test_a_text_a_picture_and_an_array_are_questions(rag: MMedRAG, phantoms: list[Case]) -> None:
    image = first(phantoms, Domain.RADIOLOGY, "pleural effusion").image
    picture = open_image(image)
    by_path = [e.name for e in rag.retrieve(Query(image=image)).kept]
    for asked in (image, image.read_bytes(), picture, np.asarray(picture)):
        assert [e.name for e in rag.retrieve(asked).kept] == by_path
    by_text = [e.name for e in rag.retrieve(Query("drusen")).kept]
    assert [e.name for e in rag.retrieve("drusen").kept] == by_text


class Counted:
    """An encoder that counts what it encodes."""

    def __init__(self, encoder) -> None:
        self._encoder, self.dim, self.fingerprint = encoder, encoder.dim, encoder.fingerprint
        self.encoded: list[object] = []

    def encode(self, items):
        self.encoded += items
        return self._encoder.encode(items)


@pytest.fixture
def counting(rag: MMedRAG, offline: Stages) -> tuple[MMedRAG, Counted, Counted]:
    """The system, with the encoders of its embedder and its classifier counted."""
    images, texts = (Counted(encoder) for encoder in offline_encoders())
    both = Remembering(images), Remembering(texts)
    heads = heads_from_checkpoint(read_checkpoint(MODELS / "modality", "modality"))
    classifier = TrainedClassifier(both[0].encode, both[1].encode, *heads)
    fusion = offline.embedder.fusion
    counted = replace(rag, classifier=classifier, embedder=DualEncoder(*both, fusion))
    return counted, images, texts


def test_a_query_is_encoded_once(counting, phantoms: list[Case], monkeypatch) -> None:
    system, images, texts = counting
    opened = []

    def counted_open(source, frame):
        opened.append(source)
        return open_image(source, frame)

    for module in ("pipeline", "modality", "encoders.dual"):
        monkeypatch.setattr(f"mmedrag.{module}.open_image", counted_open)
    image = first(phantoms, Domain.OPHTHALMOLOGY, "drusen").image
    system.retrieve(Query("Hazy view of the left eye.", image))
    assert len(images.encoded) == 1
    assert texts.encoded.count("Hazy view of the left eye.") == 1
    assert opened == [image]
    system.retrieve("Is there a pleural effusion?")
    assert texts.encoded.count("Is there a pleural effusion?") == 1
    assert len(images.encoded) == 1


def test_a_question_is_held_against_what_its_image_shows(
    rag: MMedRAG, phantoms: list[Case]
) -> None:
    fundus = first(phantoms, Domain.OPHTHALMOLOGY, "drusen").image
    context = rag.retrieve(Query("Is there a pneumothorax?", fundus))
    assert context.question.routing.decision == Domain.OPHTHALMOLOGY
    assert context.question.intent.kind is QuestionKind.OUT_OF_SCOPE
    assert context.question.intent.rule == "contradicts the image"


def test_an_image_that_cannot_be_read_is_named_beside_words(rag: MMedRAG, tmp_path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ImageError, match=r"broken\.png"):
        rag.retrieve(Query("Is there a pneumothorax?", broken))


class Failing:
    """A classifier whose model is damaged."""

    def classify(self, queries, pictures=None):
        raise CheckpointError("The head is damaged", "Install it again.")


def test_what_fails_in_routing_is_raised(rag: MMedRAG) -> None:
    with pytest.raises(CheckpointError, match="head is damaged"):
        replace(rag, classifier=Failing()).retrieve("pleural effusion")


class Judge:
    """A reranker that needs the question: cases that share a word with it come first."""

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        words = set(question.query.text.lower().split())
        return sorted(evidence, key=lambda e: -len(words & set(e.text.lower().split())))


def test_a_reranker_sees_the_question(rag: MMedRAG) -> None:
    judged = replace(rag, reranker=Judge())
    for text in ("drusen macula", "pleural effusion"):
        ranked = judged.retrieve(text).ranked
        assert any(word in ranked[0].text.lower() for word in text.split())


class Annotated:
    """An index that knows the mentions of its first hit."""

    known = (Mention("x", 0, 1, "made:up", "made up", Assertion.AFFIRMED),)

    def __init__(self, index) -> None:
        self._index = index

    def search(self, question: Question, k: int) -> list[Hit]:
        first_hit, *others = self._index.search(question, k)
        return [replace(first_hit, mentions=self.known), *others]


def test_mentions_that_the_index_knows_are_not_read_again(rag: MMedRAG) -> None:
    plain = rag.retrieve("pleural effusion").gathered
    annotated = replace(rag, cases=Annotated(rag.cases)).retrieve("pleural effusion").gathered
    assert annotated[0].mentions == Annotated.known
    assert [e.mentions for e in annotated[1:5]] == [e.mentions for e in plain[1:5]]


def test_a_system_closes_its_store(phantoms: list[Case], offline: Stages, tmp_path) -> None:
    casebase, _ = create(tmp_path / "few")
    with casebase:
        index(
            phantoms[:6], casebase, offline.embedder, offline.classifier, definitions=dictionary()
        )
    with load(tmp_path / "few") as rag:
        pictured = next(c for c in phantoms[:6] if c.image)
        assert rag.notices == []
        assert rag.preview(pictured.id).startswith(b"\xff\xd8")
        assert rag.preview("nobody") is None
        assert rag.retrieve("effusion").gathered
    with pytest.raises(CasebaseError, match="closed"):
        rag.retrieve("effusion")


def test_a_bare_index_has_nothing_to_close(rag: MMedRAG) -> None:
    with replace(rag, cases=Annotated(rag.cases)) as bare:
        assert bare.notices == ()
        assert bare.preview("any") is None
    assert rag.retrieve("effusion").gathered


class Inventor:
    """A generator that cites what nobody gave it."""

    def generate(self, question: Question, evidence: Sequence[Evidence]) -> Iterator[str]:
        yield "Seen before [C1]. Made up [C99"
        yield "]."


def test_invented_citations_are_removed(rag: MMedRAG) -> None:
    answer = replace(rag, generator=Inventor()).ask(Query("drusen"))
    assert "C99" not in answer.text
    assert answer.removed == ["[C99]"] or "C99" in str(answer.removed)
    assert [e.key for e in answer.cited] == ["C1"]


def test_nothing_passes_is_said(rag: MMedRAG) -> None:
    strict = replace(rag, context_filter=SimilarityThreshold(1.0))
    answer = strict.ask(
        Query(
            image=rag.cases.search(  # any stored image
                question_of(Query("fracture"), rag.embedder.embed([Query("fracture")])[0]), 1
            )[0].case.image
        )
    )
    assert answer.abstained
    assert not answer.cited


def test_a_picture_that_is_not_medical_is_not_searched(rag: MMedRAG, tmp_path) -> None:
    from PIL import Image

    from mmedrag.phantoms.corpus import out_of_domain

    path = tmp_path / "page.png"
    Image.fromarray(out_of_domain(1, 3, ("document",))[0].image).save(path)
    context = rag.retrieve(Query("What is it?", path))
    assert not context.question.routing.medical
    assert not [e for e in context.gathered if e.key.startswith("C")]
    assert rag.ask(Query("What is it?", path)).abstained
    forced = rag.retrieve(Query("What is it?", path, Domain.RADIOLOGY))
    assert [e for e in forced.gathered if e.key.startswith("C")]


def test_all_domains_are_searched_where_the_user_says_so(rag: MMedRAG, phantoms) -> None:
    image = first(phantoms, Domain.RADIOLOGY, "consolidation").image
    elsewhere = "domain != 'radiology'"
    routed = rag.retrieve(Query("", image, where=elsewhere))
    assert routed.question.routing.decision == Domain.RADIOLOGY
    assert not [e for e in routed.gathered if isinstance(e.item, Case)]
    everywhere = rag.retrieve(Query("", image, "all", elsewhere))
    assert everywhere.question.routing.decision is None
    assert everywhere.question.routing.medical
    assert {e.item.domain for e in everywhere.gathered if isinstance(e.item, Case)} == {
        Domain.PATHOLOGY,
        Domain.OPHTHALMOLOGY,
    }


def test_filters_hold(rag: MMedRAG) -> None:
    context = rag.retrieve(
        Query("adenocarcinoma in the tissue", where="domain = 'pathology' and split = 'train'")
    )
    found = [e.item for e in context.gathered if isinstance(e.item, Case)]
    assert found
    assert all(c.domain == Domain.PATHOLOGY and c.split == "train" for c in found)


def test_a_bad_filter_is_named(rag: MMedRAG) -> None:
    with pytest.raises(FilterError):
        rag.retrieve(Query("finding", where="colour = 'red'"))


def test_a_question_longer_than_a_report_is_refused(rag: MMedRAG) -> None:
    with pytest.raises(QueryError, match=r"200,001 characters.*part that matters"):
        rag.retrieve(Query("a" * (LONGEST_TEXT + 1)))


@pytest.mark.parametrize("text", ["", "   \n"])
def test_an_empty_query_is_refused(rag: MMedRAG, text: str) -> None:
    with pytest.raises(QueryError, match="neither text nor image"):
        rag.retrieve(Query(text))


def test_the_same_question_gets_the_same_answer(rag: MMedRAG, phantoms: list[Case]) -> None:
    query = Query("Which changes are seen?", phantoms[4].image)
    assert rag.ask(query).text == rag.ask(query).text


def test_an_image_that_is_asked_about_is_replied_to_by_its_neighbours(
    rag: MMedRAG, phantoms: list[Case]
) -> None:
    image = first(phantoms, Domain.RADIOLOGY, "consolidation").image
    context = rag.retrieve(Query("Is there consolidation?", image))
    cases = [e.key for e in context.gathered if isinstance(e.item, Case)]
    kept = [e.key for e in context.kept if isinstance(e.item, Case)]
    assert set(kept) == set(cases[: rag.k_neighbours])
    assert kept == [e.key for e in context.ranked if e.key in kept]
