"""From a question to a cited answer: sections 3.1 to 3.6 on one screen.

This file knows Protocols, types and how an image is opened, so it runs unchanged with a
stranger's stages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Self

import numpy as np
from PIL.Image import Image

from mmedrag.citations import attribute, resolve
from mmedrag.dates import chronological
from mmedrag.errors import QueryError
from mmedrag.expansion import NearQuestion
from mmedrag.filters import as_of, both, quoted
from mmedrag.imaging.decoding import open_image
from mmedrag.protocols import (
    Analyst,
    CaseExpansion,
    CaseIndex,
    CaseNamer,
    CaseStore,
    ClaimChecker,
    ContextFilter,
    CorpusStatistics,
    DefinitionSource,
    Embedder,
    Generator,
    ModalityClassifier,
    QuestionExpander,
    QuestionReader,
    Reranker,
    RoutingReviser,
    SpellingCorrector,
)
from mmedrag.selection import (
    alternating,
    gather,
    head,
    neighbours,
    with_called,
    with_definition,
    with_met,
    with_named,
)
from mmedrag.text.language import ENGLISH, language
from mmedrag.types import (
    LONGEST_TEXT,
    Answer,
    Assertion,
    Case,
    Context,
    Corrected,
    Evidence,
    Hit,
    ImageSource,
    Mention,
    Piece,
    Query,
    Question,
    QuestionKind,
    Routing,
)

_NO_VECTOR = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class MMedRAG:
    """The paper's six modules, joined (section 3.1, figure 1).

    ``k_cases`` are found in stage 1, ``k_final`` of them and ``k_definitions`` go to the filter.
    A yes or no of an image rests on the ``k_neighbours`` cases most like it. ``expansion`` may
    bring neighbours of what stage 1 finds (6.3, 7). ``where`` restricts every query, beside the
    query's own filter.

    Beyond the paper, each left out by ``None``: ``speller`` corrects the words of a question,
    ``reader`` says what a question asks for, ``expander`` what cases should affirm and rule out,
    ``reviser`` which domain has such cases, ``namer`` which cases are called so, ``analyst`` reads
    the kept evidence in answer to it, with base rates of ``statistics``, and ``checker`` reads what
    the generator writes against what it marks.
    """

    classifier: ModalityClassifier
    embedder: Embedder
    cases: CaseIndex
    definitions: DefinitionSource
    reranker: Reranker
    context_filter: ContextFilter
    generator: Generator
    reader: QuestionReader | None = None
    analyst: Analyst | None = None
    checker: ClaimChecker | None = None
    statistics: CorpusStatistics | None = None
    expander: QuestionExpander | None = None
    speller: SpellingCorrector | None = None
    reviser: RoutingReviser | None = None
    namer: CaseNamer | None = None
    expansion: CaseExpansion = field(default_factory=NearQuestion)
    k_cases: int = 50
    k_final: int = 10
    k_definitions: int = 8
    k_neighbours: int = 20
    where: str | None = None

    def retrieve(self, query: Query | ImageSource) -> Context:
        """Find the evidence that the generator may see (sections 3.2 to 3.6).

        Args:
            query: a :class:`~mmedrag.types.Query`, a text, or a picture.

        Raises:
            QueryError: where it has neither text nor image, or more text than
                :data:`~mmedrag.types.LONGEST_TEXT`.
            ImageError: where its image cannot be decoded.
            FilterError: where its ``where`` does not parse, or its ``at`` is no date.
        """
        query = Query.of(query)
        _require_content(query)
        query = replace(query, where=both(self.where, both(query.where, _until_now(query))))
        lap = _Stopwatch()
        question = self._understand(query, lap)
        hits, called = self._find_cases(question)  # 3.4  eq. (2)
        lap("cases")
        mentions = self._mentions(hits)  # 3.4  E
        terms = [explained(question), *mentions]
        defined = self.definitions.define(terms, self.k_definitions)  # R_def
        gathered = gather(question.vector, hits, mentions, defined, self.embedder.embed(defined))
        lap("definitions")
        if compares_patient(question):  # a history is given whole and in time
            return Context(question, gathered, gathered, gathered, lap.timings)
        ranked = self.reranker.rerank(question, gathered)  # 3.5  eq. (3), (4)
        lap("rerank")
        first = head(ranked, self.k_final)
        adequate = self.context_filter.keep(question, first)  # 3.6  r_i > tau
        passed = with_met(adequate, first, self._meeting(question, first))
        kept = with_definition(question, with_called(passed, first, called), ranked)
        if judges_image(question):
            kept = neighbours(gathered, ranked, kept, self.k_neighbours)
        lap("filter")
        return Context(question, gathered, ranked, kept, lap.timings)

    def answer(self, context: Context) -> AnswerStream:
        """Read what was kept, write from it, and check every citation and claim meanwhile."""
        context = self._briefed(context)
        kept = context.kept
        written = self.generator.generate(context.question, kept) if kept else ()
        pieces = resolve(written, kept)
        return AnswerStream(self.checker.check(pieces, kept) if self.checker else pieces, context)

    def ask(
        self, query: Query | ImageSource, on_piece: Callable[[str], None] | None = None
    ) -> Answer:
        """Retrieve, then answer.

        Args:
            query: see :meth:`retrieve`.
            on_piece: receives the answer while it is written, marks already checked.

        Raises:
            QueryError, ImageError, FilterError: see :meth:`retrieve`.
            GenerationError: where the generator's server cannot answer.
        """
        answer = self.answer(self.retrieve(query))
        for piece in answer:
            if on_piece is not None:
                on_piece(piece)
        return answer.result()

    @property
    def notices(self) -> Sequence[str]:
        """What the store of cases found damaged, and what was done about it."""
        return self.cases.notices if isinstance(self.cases, CaseStore) else ()

    def preview(self, case_id: str) -> bytes | None:
        """A small JPEG of a case's image, where the store of cases keeps one."""
        return self.cases.preview(case_id) if isinstance(self.cases, CaseStore) else None

    def close(self) -> None:
        """Close the store of cases; ``with mmedrag.load(…) as rag`` does it at the end."""
        if isinstance(self.cases, CaseStore):
            self.cases.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _briefed(self, context: Context) -> Context:
        """The context with the answer as data."""
        if self.analyst is None:
            return context
        start = perf_counter()
        brief = self.analyst.brief(context.question, context.kept, self.statistics)
        timings = {**context.timings, "analysis": (perf_counter() - start) * 1000.0}
        question = replace(context.question, brief=brief)
        return replace(context, question=question, timings=timings)

    def _understand(self, query: Query, lap: _Stopwatch) -> Question:
        """Sections 3.2 and 3.3; the image is decoded once for both."""
        picture = None
        if query.image is not None:
            picture = open_image(query.image, query.frame)
            query = replace(query, frame=picture.info.get("frame", query.frame))
        lap("decoding")
        corrected = self._corrected(query)
        query = replace(query, text=corrected.text)
        lap("spelling")
        routing = self._route(query, picture)  # 3.2  eq. (1)
        lap("modality")
        mentions = self.definitions.recognise([query.text])[0]
        question = Question(query, routing, _NO_VECTOR, mentions, corrections=corrected.corrections)
        if self.reader is not None:
            question = replace(question, intent=self.reader.read(question))
        if compares_patient(question):
            own = replace(routing, scores={}, decision=None, reason="the patient's own studies")
            question = replace(question, routing=own)
        if self.expander is not None:
            criteria, synonyms = self.expander.criteria(question), self.expander.synonyms(question)
            question = replace(question, criteria=criteria, synonyms=synonyms)
        if self.reviser is not None:
            question = replace(question, routing=self.reviser.revise(question))
        lap("terms")
        vector = self.embedder.embed([in_english(question)], [picture])[0]  # 3.3
        lap("encoding")
        return replace(question, vector=vector)

    def _corrected(self, query: Query) -> Corrected:
        if self.speller is None:
            return Corrected(query.text)
        return self.speller.correct(query.text)

    def _route(self, query: Query, picture: Image | None) -> Routing:
        if query.domain is not None:
            return Routing({}, query.corpus, reason="domain given by the user")
        return self.classifier.classify([query], [picture])[0]

    def _find_cases(self, question: Question) -> tuple[list[Hit], frozenset[str]]:
        """The cases, and which of them, by id, the record calls what is sought."""
        if not question.routing.medical:
            return [], frozenset()
        question = replace(question, query=searched(question))
        if not compares_patient(question):
            return self._search(question)
        own = both(question.query.where, f"patient_id = {quoted(question.query.patient_id)}")
        query = replace(question.query, where=own)
        hits = self.cases.search(replace(question, query=query), self.k_cases)
        return chronological(hits, lambda hit: hit.case), frozenset()

    def _search(self, question: Question) -> tuple[list[Hit], frozenset[str]]:
        """Stage 1, and the cases that are called what is sought, whatever their reports say.

        Of findings that are to be told apart as many cases are taken of each.
        """
        options = () if self.expander is None else self.expander.options(question)
        if options:
            asked = [replace(question, criteria=(option,)) for option in options]
            found = [self.cases.search(q, self.k_final) for q in asked]
            return alternating(found, self.k_final), frozenset()
        hits = self.expansion.search(self.cases, question, self.k_cases)
        name = None if self.namer is None else self.namer.named(question)
        if name is None:
            return hits, frozenset()
        query = replace(question.query, where=both(question.query.where, name))
        named = self.cases.search(replace(question, query=query), self.k_cases)
        return with_named(hits, named, self.k_cases), frozenset(h.case.id for h in named)

    def _meeting(self, question: Question, evidence: Sequence[Evidence]) -> set[str]:
        """The keys of cases whose reports have all that a request in words requires."""
        if self.expander is None or question.query.image is not None:
            return set()
        cases = (e for e in evidence if isinstance(e.item, Case))
        return {e.key for e in cases if self.expander.meets(question, e.mentions)}

    def _mentions(self, hits: Sequence[Hit]) -> list[tuple[Mention, ...]]:
        """Terms by report: as they were stored by the same source, the others recognised now."""
        source = self.definitions.fingerprint
        stored = [hit.mentions if hit.recogniser == source else None for hit in hits]
        unread = [h.case.text for h, terms in zip(hits, stored, strict=True) if terms is None]
        read = iter(self.definitions.recognise(unread) if unread else ())
        return [next(read) if terms is None else terms for terms in stored]


class AnswerStream(Iterator[str]):
    """An answer while it is being written: its text in pieces, then the whole as a value.

    Attributes:
        context: what it is written from.
    """

    def __init__(self, pieces: Iterator[Piece], context: Context) -> None:
        self.context = context
        self._unread = pieces
        self._read: list[Piece] = []
        self._milliseconds = 0.0

    def __next__(self) -> str:
        """The next piece that has text; its marks are checked."""
        start = perf_counter()
        try:
            for piece in self._unread:
                self._read.append(piece)
                if piece.text:
                    return piece.text
        finally:
            self._milliseconds += (perf_counter() - start) * 1000.0
        raise StopIteration

    def result(self) -> Answer:
        """The answer; what was not read yet is written first."""
        for _ in self:
            pass
        timings = {**self.context.timings, "generation": self._milliseconds}
        return attribute(self._read, self.context, timings)


def searched(question: Question) -> Query:
    """What is searched for: the query, less what only asks about its image."""
    if question.intent is None or question.query.image is None:
        return question.query
    return replace(question.query, text=question.intent.described)


def in_english(question: Question) -> Query:
    """What is searched for, the English names of foreign terms beside it: encoders know those."""
    query = searched(question)
    if not query.text or not question.synonyms or language(query.text) == ENGLISH:
        return query
    return replace(query, text=f"{query.text} {', '.join(question.synonyms)}")


def explained(question: Question) -> tuple[Mention, ...]:
    """The mentions of the question; a term whose meaning is asked for is to be defined.

    Who asks what something is neither affirms nor denies it.
    """
    intent = question.intent
    if intent is None or intent.kind is not QuestionKind.DEFINITION:
        return question.mentions
    return tuple(
        replace(m, assertion=Assertion.AFFIRMED) if m.concept in intent.concepts else m
        for m in question.mentions
    )


def compares_patient(question: Question) -> bool:
    """Whether it asks what became of a patient whom the query names."""
    intent = question.intent
    compares = intent is not None and intent.kind is QuestionKind.COMPARISON
    return compares and bool(question.query.patient_id)


_OF_YES_OR_NO = frozenset({QuestionKind.PRESENCE, QuestionKind.NORMALITY, QuestionKind.CHOICE})


def judges_image(question: Question) -> bool:
    """Whether it asks yes or no of an image."""
    intent = question.intent
    return question.query.image is not None and intent is not None and intent.kind in _OF_YES_OR_NO


def _until_now(query: Query) -> str | None:
    """The filter that keeps a patient's later studies out of an answer about an earlier time."""
    if query.at is None:
        return None
    if not query.patient_id:
        raise QueryError("A time was given without a patient", "Name the patient too (--patient).")
    return as_of(query.patient_id, query.at)


def _require_content(query: Query) -> None:
    if not query.text.strip() and query.image is None:
        raise QueryError("The query has neither text nor image", "Give a text, an image, or both.")
    if len(query.text) > LONGEST_TEXT:
        raise QueryError(
            f"The question has {len(query.text):,} characters, more than {LONGEST_TEXT:,}",
            "Ask with the part that matters, such as the impression.",
        )


class _Stopwatch:
    """Milliseconds between calls, by the name of the stage that just ended."""

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}
        self._last = perf_counter()

    def __call__(self, stage: str) -> None:
        now = perf_counter()
        self.timings[stage] = (now - self._last) * 1000.0
        self._last = now
