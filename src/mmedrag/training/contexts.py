"""Preference data for the reward model (section 3.6), mined from records without an annotator.

Each record asks up to four questions, by text, by image, by both, and whether its image is normal,
and each question gets contexts that are right by what annotators wrote (the same study, the same
finding set) or by what reports assert, and contexts that are wrong in one known way. Questions and
evidence come from the stages that serve queries, so that training sees what serving sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from mmedrag.answers.questions import RuleReader
from mmedrag.datasets.annotations import findings_of
from mmedrag.datasets.corpus import codes, patient_of, study_of, text_key
from mmedrag.definitions import Dictionary
from mmedrag.pipeline import searched
from mmedrag.progress import Progress, silent
from mmedrag.protocols import Embedder, ModalityClassifier
from mmedrag.selection import gather
from mmedrag.text.laterality import mirrored
from mmedrag.training.candidates import Candidates
from mmedrag.training.flips import negated
from mmedrag.training.questions import is_finding, off_topic, texts_of
from mmedrag.training.statements import Statements, on_other_side
from mmedrag.types import (
    Assertion,
    Case,
    Definition,
    Evidence,
    Hit,
    Matrix,
    Mention,
    Query,
    Question,
)

Form: TypeAlias = Literal["text", "image", "both"]

SAME_STUDY = "same study"
SAME_FINDINGS = "same findings"
SAME_NEAREST = "same findings, nearest"
STATED = "states what is asked"
COMPARABLE = "comparable case"
DEFINITION = "definition"
CHOSEN = (SAME_STUDY, SAME_FINDINGS, SAME_NEAREST, STATED, COMPARABLE, DEFINITION)
"""Kinds of right contexts."""

OTHER = "other findings"
NEAREST = "other findings, nearest"
DENIED = "rules out what is sought"
NORMAL = "normal case"
OTHER_SIDE = "other side"
OTHER_ORGAN = "other part of the body"
NEGATED = "negation flipped"
MIRRORED = "laterality flipped"
OTHER_DOMAIN = "other domain"
OTHER_DEFINITION = "other definition"
OFF_TOPIC = "off-topic question"
REJECTED = (
    OTHER, NEAREST, DENIED, NORMAL, OTHER_SIDE, OTHER_ORGAN, NEGATED, MIRRORED, OTHER_DOMAIN,
    OTHER_DEFINITION, OFF_TOPIC,
)  # fmt: skip
"""Kinds of wrong contexts."""

JUDGED_RELEVANT, JUDGED_NOT_RELEVANT = "judged relevant", "judged not relevant"
"""Kinds that a reader decided on and nothing was mined for."""

NEAR = 5
"""A nearest wrong context is drawn from the first so many."""

DEFINITIONS = 8
"""As many as the pipeline looks up."""

NORMALITY_QUESTION = "Is this normal?"

OFF_TOPIC_SHARE = 0.5
"""Of the records that ask, the share that an off-topic question is asked beside."""


_NO_VECTOR = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A question, a context for it, and of what kind the context is.

    ``words`` says where the question's text comes from (empty without text), ``number`` is that of
    the question and ``anchor`` the record that asked it.
    """

    question: Question
    evidence: Evidence
    kind: str
    form: Form
    words: str
    number: int
    anchor: Case

    @property
    def right(self) -> bool:
        """Whether the context should be kept."""
        return self.kind in CHOSEN or self.kind == JUDGED_RELEVANT


@dataclass(frozen=True, slots=True, eq=False)
class _Context:
    kind: str
    item: Case | Definition
    mentions: tuple[Mention, ...] = ()
    row: int | None = None  # among the candidates, where the item is as it stands there


class Miner:
    """Mines contexts from one set of candidates.

    Args:
        candidates: the cases of one split, to which contexts are limited.
        embedder: the embedder of the candidates' vectors.
        classifier: routes the questions (section 3.2).
        definitions: recognises and defines terms (section 3.4).
        held_out: asks the off-topic questions that training does not know.
        seed: of every draw.
    """

    def __init__(
        self,
        candidates: Candidates,
        embedder: Embedder,
        classifier: ModalityClassifier,
        definitions: Dictionary,
        *,
        held_out: bool = False,
        seed: int = 0,
    ) -> None:
        self._candidates, self._embedder = candidates, embedder
        self._classifier, self._definitions = classifier, definitions
        self._held_out = held_out
        self._random = np.random.default_rng(seed)
        self._questions = 0
        self._findings = [findings_of(case) for case in candidates.cases]
        self._patients = codes(patient_of(case) for case in candidates.cases)
        self._studies = codes(study_of(case) for case in candidates.cases)
        self._texts = codes(text_key(case.text) for case in candidates.cases)
        self._domains = codes(case.domain for case in candidates.cases)
        self._sorts = codes((case.domain, case.modality) for case in candidates.cases)
        self._reader = RuleReader(definitions.concepts.domains)
        self._statements = [
            Statements.of(case.text, mentions, definitions.concepts)
            for case, mentions in zip(candidates.cases, candidates.mentions, strict=True)
        ]

    def mine(self, most: int, progress: Progress = silent) -> list[Example]:
        """Examples of the questions of at most ``most`` records, drawn at random."""
        examples: list[Example] = []
        for anchor in self._random.permutation(len(self._candidates))[:most].tolist():
            examples += self._examples_of(anchor)
            progress(1)
        return examples

    def _examples_of(self, anchor: int) -> Iterator[Example]:
        """All examples of one record."""
        words, text = self._random_text(anchor)
        image = self._candidates.cases[anchor].image
        forms: dict[Form, Query] = {"text": Query(text)} if text else {}
        if image is not None:
            forms |= {"image": Query(image=image)}
            forms |= {"both": Query(text, image)} if text else {}
        for form, query in forms.items():
            question = self._understood(query)
            contexts = [*self._right(question, anchor), *self._wrong(question, anchor)]
            contexts += self._flipped(question, contexts)
            source = words if query.text else ""
            yield from self._examples(question, contexts, form, source, anchor)
        if image is not None:
            question = self._understood(Query(NORMALITY_QUESTION, image))
            contexts = list(self._comparable(question, anchor))
            yield from self._examples(question, contexts, "both", NORMALITY_QUESTION, anchor)
        if self._random.random() < OFF_TOPIC_SHARE:
            question = self._understood(Query(off_topic(self._held_out, self._random)))
            nearest_rows = self._nearest(question, range(len(self._candidates)))
            nearest = [self._at(OFF_TOPIC, row) for row in nearest_rows[:2]]
            yield from self._examples(question, nearest, "text", OFF_TOPIC, anchor)

    def _understood(self, query: Query) -> Question:
        """What the pipeline knows of a query when it filters."""
        routing = self._classifier.classify([query])[0]
        mentions = self._definitions.recognise([query.text])[0]
        question = Question(query, routing, _NO_VECTOR, mentions)
        question = replace(question, intent=self._reader.read(question))
        return replace(question, vector=self._embedder.embed([searched(question)])[0])

    def _random_text(self, anchor: int) -> tuple[str, str]:
        """A text to ask with and where it comes from, of those that the record can give."""
        fellows = (self._studies == self._studies[anchor]) & (self._texts != self._texts[anchor])
        other = self._one(np.flatnonzero(fellows & (self._texts >= 0)).tolist())
        texts = texts_of(
            self._candidates.cases[anchor],
            sorted(self._findings[anchor]),
            self._candidates.mentions[anchor],
            self._candidates.cases[other[0]].text if other else "",
            self._definitions,
            self._random,
        )
        usable = list(texts.items())
        return usable[self._random.integers(len(usable))] if usable else ("", "")

    def _right(self, question: Question, anchor: int) -> Iterator[_Context]:
        """The same study, the same findings in another patient, a definition of what is asked."""
        for row in self._one(self._same_study(question, anchor)):
            yield self._at(SAME_STUDY, row)
        alike = self._same_findings(anchor)
        for row in self._one(alike):
            yield self._at(SAME_FINDINGS, row)
        for row in self._one(self._nearest(question, alike)[:NEAR]):
            yield self._at(SAME_NEAREST, row)
        for row in self._one(self._stating(question, anchor)):
            yield self._at(STATED, row)
        read = question.mentions if question.query.text else self._candidates.mentions[anchor]
        definitions = self._definitions.define([read], DEFINITIONS)
        for row in self._one(range(len(definitions))):
            yield _Context(DEFINITION, definitions[row])

    def _same_study(self, question: Question, anchor: int) -> list[int]:
        """Other records of the study; the record itself where only a text asks and it is alone."""
        own_text = text_key(question.query.text)
        rows = [
            row
            for row in np.flatnonzero(self._studies == self._studies[anchor]).tolist()
            if text_key(self._candidates.cases[row].text) not in (own_text, None)
        ]
        others = [row for row in rows if row != anchor]
        return others or (rows if question.query.image is None else [])

    def _same_findings(self, anchor: int) -> list[int]:
        findings = self._findings[anchor]
        alike = (self._sorts == self._sorts[anchor]) & (self._patients != self._patients[anchor])
        rows = np.flatnonzero(alike).tolist() if findings else []
        return [row for row in rows if self._findings[row] == findings]

    def _stating(self, question: Question, anchor: int) -> list[int]:
        """Cases of other patients that say what is asked for.

        All that the text affirms, on its side; of what it asks about, either that it is there or
        that it is not.
        """
        query = Statements.of(question.query.text, question.mentions, self._definitions.concepts)
        if not query.findings and not query.questioned:
            return []
        return [
            row
            for row in self._of_others(anchor, same_domain=True)
            if query.findings <= self._statements[row].wide
            and query.questioned <= self._statements[row].wide | self._statements[row].negated
            and not query.negated & self._statements[row].wide
            and not on_other_side(query, self._statements[row])
        ]

    def _comparable(self, question: Question, anchor: int) -> Iterator[_Context]:
        """Whether an image is normal is answered beside others of its sort, normal or not."""
        alike = (self._sorts == self._sorts[anchor]) & (self._patients != self._patients[anchor])
        near = self._nearest(question, np.flatnonzero(alike).tolist())
        for row in {*self._one(near[:NEAR]), *self._one(near)}:
            yield self._at(COMPARABLE, row)
        for row in self._one(self._other_organ(anchor)):
            yield self._at(OTHER_ORGAN, row)
        for row in self._one(self._of_others(anchor, same_domain=False)):
            yield self._at(OTHER_DOMAIN, row)

    def _wrong(self, question: Question, anchor: int) -> Iterator[_Context]:
        """Other findings in the same domain, another domain, a definition of something else."""
        others = self._others(question, anchor)
        for row in self._one(others):
            yield self._at(OTHER, row)
            yield from self._other_definition(question, anchor, row)
        for row in self._one(self._nearest(question, others)[:NEAR]):
            yield self._at(NEAREST, row)
        for row in self._one(self._of_others(anchor, same_domain=False)):
            yield self._at(OTHER_DOMAIN, row)
        unrelated = set(others)
        for row in self._one([row for row in self._other_organ(anchor) if row in unrelated]):
            yield self._at(OTHER_ORGAN, row)
        yield from self._contradicting(question, anchor)

    def _contradicting(self, question: Question, anchor: int) -> Iterator[_Context]:
        """Real cases that say the opposite of what the text affirms; the nearest of each kind."""
        query = Statements.of(question.query.text, question.mentions, self._definitions.concepts)
        if not query.findings:
            return
        rows = self._of_others(anchor, same_domain=True)
        statements = self._statements
        kinds = {
            DENIED: [r for r in rows if query.findings & statements[r].negated],
            NORMAL: [r for r in rows if statements[r].is_normal],
            OTHER_SIDE: [r for r in rows if on_other_side(query, statements[r])],
        }
        for kind, matching in kinds.items():
            for row in self._one(self._nearest(question, matching)[:NEAR]):
                yield self._at(kind, row)

    def _other_definition(self, question: Question, anchor: int, row: int) -> Iterator[_Context]:
        """Of a concept that another record affirms, and neither question nor record mentions."""
        spoken = {m.concept for m in (*question.mentions, *self._candidates.mentions[anchor])}
        definitions = self._definitions.define([self._candidates.mentions[row]], DEFINITIONS)
        other = [definition for definition in definitions if definition.concept not in spoken]
        for chosen in self._one(range(len(other))):
            yield _Context(OTHER_DEFINITION, other[chosen])

    def _flipped(self, question: Question, contexts: Sequence[_Context]) -> Iterator[_Context]:
        """Right cases turned to contradict the question; only where its text speaks of it."""
        concepts = {
            mention.concept
            for mention in question.mentions
            if mention.assertion in (Assertion.AFFIRMED, Assertion.NEGATED)
            and is_finding(mention, self._definitions)
        }
        sided = mirrored(question.query.text) is not None
        for context in contexts:
            if context.kind in (SAME_STUDY, SAME_FINDINGS) and isinstance(context.item, Case):
                text = context.item.text
                turned = {
                    NEGATED: negated(text, context.mentions, concepts),
                    MIRRORED: mirrored(text) if sided else None,
                }
                for kind, other in turned.items():
                    if other is not None:
                        item = replace(context.item, text=other)
                        yield _Context(kind, item, self._definitions.recognise([other])[0])

    def _of_others(self, anchor: int, *, same_domain: bool) -> list[int]:
        """Records of other patients."""
        other = self._patients != self._patients[anchor]
        alike = self._domains == self._domains[anchor]
        rows: list[int] = np.flatnonzero(other & (alike if same_domain else ~alike)).tolist()
        return rows

    def _others(self, question: Question, anchor: int) -> list[int]:
        """Records of other patients in the same domain that share no finding with the anchor.

        Neither by what annotators wrote nor by what the reports affirm; where only a text asks, the
        findings that it names count.
        """
        read = (
            question.mentions if question.query.image is None else self._candidates.mentions[anchor]
        )
        query = Statements.of(question.query.text, read, self._definitions.concepts)
        shown = query.findings | query.questioned
        findings = self._findings[anchor]
        return [
            row
            for row in self._of_others(anchor, same_domain=True)
            if findings.isdisjoint(self._findings[row])
            and shown.isdisjoint(self._statements[row].wide)
        ]

    def _other_organ(self, anchor: int) -> list[int]:
        """Records of the same domain whose findings are all of other regions."""
        regions = self._statements[anchor].regions
        if not regions:
            return []
        return [
            row
            for row in self._of_others(anchor, same_domain=True)
            if self._statements[row].regions and regions.isdisjoint(self._statements[row].regions)
        ]

    def _nearest(self, question: Question, among: Sequence[int]) -> list[int]:
        """Of these, the nearest to the question first."""
        rows = np.array(among, np.int64)
        order = np.argsort(-(self._candidates.vectors[rows] @ question.vector), kind="stable")
        nearest: list[int] = rows[order].tolist()
        return nearest

    def _one(self, rows: Sequence[int]) -> list[int]:
        """One of them, or none where there is none."""
        return [rows[int(self._random.integers(len(rows)))]] if rows else []

    def _at(self, kind: str, row: int) -> _Context:
        return _Context(
            kind, self._candidates.cases[row], tuple(self._candidates.mentions[row]), row
        )

    def _examples(
        self, question: Question, contexts: Sequence[_Context], form: Form, words: str, anchor: int
    ) -> Iterator[Example]:
        """Evidence as the pipeline gathers it (section 3.4)."""
        cases = [(c, c.item) for c in contexts if isinstance(c.item, Case)]
        defined = [(c, c.item) for c in contexts if isinstance(c.item, Definition)]
        vectors = self._vectors([c for c, _ in (*cases, *defined)])
        similarities = (vectors @ question.vector).tolist()
        hits = [
            Hit(item, vector, similarity, similarity)
            for (_, item), vector, similarity in zip(cases, vectors, similarities, strict=False)
        ]
        gathered = gather(
            question.vector,
            hits,
            [context.mentions for context, _ in cases],
            [item for _, item in defined],
            vectors[len(cases) :],
        )
        anchor_case = self._candidates.cases[anchor]
        for (context, _), evidence in zip((*cases, *defined), gathered, strict=True):
            yield Example(
                question, evidence, context.kind, form, words, self._questions, anchor_case
            )
        self._questions += 1

    def _vectors(self, contexts: Sequence[_Context]) -> Matrix:
        new = iter(self._embedder.embed([c.item for c in contexts if c.row is None]))
        rows = [next(new) if c.row is None else self._candidates.vectors[c.row] for c in contexts]
        return np.array(rows, np.float32).reshape(len(rows), self._embedder.dim)
