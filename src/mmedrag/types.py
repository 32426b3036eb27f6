"""The nouns of the system: what goes in, what each stage hands to the next, what comes out.

Everything here is a frozen value. A stage never changes what it was given; it returns new values
(:func:`dataclasses.replace`).
"""

from __future__ import annotations

import reprlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.domains import ALL, Scope
from mmedrag.domains import Domain as Domain

if TYPE_CHECKING:
    from PIL.Image import Image

Vector: TypeAlias = NDArray[np.float32]
"""One embedding, shape ``(dim,)``."""

Matrix: TypeAlias = NDArray[np.float32]
"""Embeddings by row, shape ``(n, dim)``."""


ImageSource: TypeAlias = "Path | str | bytes | Image | NDArray[Any]"
"""A picture: a file's path, its bytes, or its pixels (a PIL image, an array of grey or RGB)."""

BARE = 12
"""Words up to which a question describes no case."""

LONGEST_TEXT = 200_000
"""Characters of a report or a question, some sixty pages; longer ones are refused, not cut."""

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def _named(value: object, **shown: object) -> str:
    """``Name(field=value, …)`` of what tells a value from others, on one short line."""
    given = {name: v for name, v in shown.items() if v not in ("", (), None)}
    fields = ", ".join(f"{name}={_SHORT.repr(v)}" for name, v in given.items())
    return f"{type(value).__name__}({fields})"


class Assertion(StrEnum):
    """What a text says of a finding that it mentions (ConText, Harkema et al. 2009).

    ``INTERROGATIVE``: a question asks for it ("Is there an effusion?"), which neither affirms nor
    doubts it. ``UNKNOWN``: the text is in a language without rules. Both are neither affirmed nor
    negated, and no count of cases may take them for either.
    """

    AFFIRMED = "affirmed"
    NEGATED = "negated"
    UNCERTAIN = "uncertain"
    HISTORICAL = "historical"
    OTHER_PERSON = "other person"
    INTERROGATIVE = "interrogative"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """What sort of thing a concept is, whatever dictionary it came from."""

    FINDING = "finding"
    DISEASE = "disease"
    SYMPTOM = "symptom"
    NORMAL = "normal"
    ANATOMY = "anatomy"
    TECHNIQUE = "technique"
    PROCEDURE = "procedure"
    STAIN = "stain"
    DEVICE = "device"
    MEASUREMENT = "measurement"
    OTHER = "other"

    @property
    def is_finding(self) -> bool:
        """Whether a case can have it or be free of it: findings, diseases, symptoms, normality."""
        return self in {Kind.FINDING, Kind.DISEASE, Kind.SYMPTOM, Kind.NORMAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One image-report pair of a clinical corpus (section 3.4, stage 1).

    ``frame`` is the frame of a multi-frame file that the case shows. ``domain`` is ``None`` where
    nobody has said it and the classifier abstained: such a case is found only by searches over all
    domains. ``diagnosis`` is what the source gives as the case's final diagnosis, in its own words;
    empty where it gives none.
    """

    id: str
    text: str = ""
    image: Path | None = None
    frame: int = 0
    domain: Domain | None = None
    modality: str = ""
    patient_id: str = ""
    study_id: str = ""
    date: str = ""
    labels: tuple[str, ...] = ()
    diagnosis: str = ""
    source: str = ""
    licence: str = ""
    split: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        domain = self.domain and str(self.domain)
        image = self.image and self.image.name
        return _named(self, id=self.id, domain=domain, text=self.text, image=image)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What a store keeps of one case.

    ``vector`` has norm at most 1, shape ``(dim,)``. ``content`` is a hash of what was encoded
    (text, image, encoder), by which a vector is found again. ``thumbnail`` is a small JPEG.
    ``mentions`` are the terms of the report, recognised by the source whose fingerprint is
    ``recogniser``; ``None`` where nobody has looked.
    """

    case: Case
    vector: Vector
    content: str
    thumbnail: bytes | None
    mentions: tuple[Mention, ...] | None = None
    recogniser: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A row or file of a corpus that could not become a case, and why.

    ``stored`` says that it became one nevertheless, and the reason what is wrong with it.
    """

    file: Path
    line: int | None
    reason: str
    stored: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line is not None else str(self.file)
        return f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Query:
    """What a user asks: a text, an image, or both.

    ``domain`` overrules the modality classifier; with ``"all"`` every corpus is searched, and
    cases without a domain. ``where`` is a metadata filter such as
    ``"modality = 'ct' and patient_id != 'P1'"``. ``patient_id`` is whom it is about, ``at`` when: a
    date, or a number of the patient's ``offset_days``. What is stored of that patient after it, or
    at no known time, is not searched. ``frame`` is that of a multi-frame image, from 0; without it,
    the one that stands for the file in a corpus.
    """

    text: str = ""
    image: ImageSource | None = None
    domain: Scope | None = None
    where: str | None = None
    patient_id: str = ""
    at: str | float | None = None
    frame: int | None = None

    def __repr__(self) -> str:
        shown = self.image and (
            str(self.image) if isinstance(self.image, Path | str) else type(self.image).__name__
        )
        return _named(self, text=self.text, image=shown, domain=self.domain and str(self.domain))

    @property
    def corpus(self) -> Domain | None:
        """The one domain that the user restricts it to."""
        return None if self.domain in (None, ALL) else Domain(self.domain)

    @classmethod
    def of(cls, query: Query | ImageSource) -> Query:
        """A query from what was asked: a ``str`` is a text; a path, bytes or pixels an image."""
        if isinstance(query, Query):
            return query
        return cls(text=query) if isinstance(query, str) else cls(image=query)


@dataclass(frozen=True, slots=True)
class Mention:
    """A medical term found in a text: characters ``start`` to ``end``, and what is said of it.

    ``sites`` are the sides and lobes that the text gives it ("left", "lower lobe"), in the order of
    :data:`mmedrag.text.sites.SITES`.
    """

    text: str
    start: int
    end: int
    concept: str
    term: str
    assertion: Assertion
    kind: Kind = Kind.FINDING
    sites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """Definition(e) of section 3.4: what a dictionary says of one concept."""

    concept: str
    term: str
    text: str
    source: str
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Routing:
    """The modality classifier's verdict (section 3.2, eq. 1).

    ``scores`` are probabilities by domain (they sum to 1; empty where nothing was classified).
    ``decision`` is ``None`` where the classifier abstains, and then every domain is searched.
    ``medical`` is ``False`` where the image was recognised as not medical: nothing is searched.
    ``reason`` says in a few words why.
    """

    scores: Mapping[str, float]
    decision: Domain | None
    medical: bool = True
    reason: str = ""


class QuestionKind(StrEnum):
    """What a question asks for; decides the form of its answer."""

    PRESENCE = "presence"
    DEFINITION = "definition"
    DIFFERENTIAL = "differential"
    DESCRIPTION = "description"
    NORMALITY = "normality"
    CHOICE = "choice"
    COMPARISON = "comparison"
    SEARCH = "search"
    OUT_OF_SCOPE = "out of scope"


@dataclass(frozen=True, slots=True)
class Intent:
    """How a question was understood.

    ``rule`` names the rule that decided, ``concepts`` are those that it asks about, in order.
    ``phrases`` are the words that it asks about where no dictionary knows them. ``described`` is
    what is searched for: the text, less a sentence that asks about an image and describes nothing.
    ``detail`` is what is asked besides: ``side`` or ``grade`` of a finding, ``kind`` where kinds of
    it are to be counted, ``feature`` where it is asked of a disease, the first of the concepts,
    ``count`` where a number of cases is asked for, ``associated`` where it is asked what goes with
    them, ``normal`` and ``abnormal`` where normal studies or others are sought.
    ``reason`` says of a question that is out of scope why, and what can be asked instead;
    ``unanswered`` says so of a second question in the same text, where the first is answered.
    """

    kind: QuestionKind
    rule: str
    concepts: tuple[str, ...] = ()
    detail: str = ""
    reason: str = ""
    phrases: tuple[str, ...] = ()
    described: str = ""
    unanswered: str = ""


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a report should say of a concept: that it is there, or that it is not.

    ``assertion`` is affirmed or negated. Kinds of the concept count as the concept
    (:mod:`mmedrag.entailment`). ``term`` is its name. ``sites`` are the sides and lobes that are
    meant; none is anywhere. What is
    ``required`` divides the cases, those that meet all of it come first; else it is evidence among
    other, the stronger the rarer the concept is. All criteria of a question are of one kind.
    """

    assertion: Assertion
    concept: str
    term: str = ""
    sites: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True, slots=True)
class Correction:
    """A word as it was written, and the word that was meant; characters of the text as written."""

    written: str
    meant: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Corrected:
    """A text after its corrections, which an answer should show."""

    text: str
    corrections: tuple[Correction, ...] = ()


@dataclass(frozen=True, slots=True)
class Prevalence:
    """How many of the ``of`` cases of the searched corpus affirm a finding, and rule it out."""

    affirmed: int
    negated: int
    of: int


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What has become of a store since an earlier state.

    ``state`` names the state of now, ``last`` is its highest row number. ``gone`` are the row
    numbers, ascending, that were deleted since; ``None`` where all must be read anew.
    """

    state: Hashable
    last: int
    gone: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True)
class Facet:
    """A concept that reports mention by itself, and how many cases say what of it.

    A case that affirms it counts as affirming alone, one that negates it not as uncertain. Kinds of
    the concept are facets of their own.
    """

    concept: str
    term: str
    kind: Kind
    affirmed: int
    negated: int
    uncertain: int


class Reply(StrEnum):
    """The direct reply. To an open question ``yes`` is that the evidence answers it."""

    YES = "yes"
    NO = "no"
    MIXED = "mixed"
    UNKNOWN = "unknown"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a number of cases say of a finding.

    ``assertion`` is ``None`` where they do not mention it. ``keys`` are the cases that say so, of
    the ``of`` cases that were read. ``side`` ("left", "right", "left and right") and ``grade``
    narrow the claim to the cases that say so; they are empty where it is not narrowed.
    ``prevalence`` is the base rate, where the index counts. ``asked`` is the concept that is asked
    about, where cases that do not mention it affirm this one, of which it is a kind.
    """

    concept: str
    term: str
    assertion: Assertion | None
    keys: tuple[str, ...]
    of: int
    side: str = ""
    grade: str = ""
    prevalence: Prevalence | None = None
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """How many cases have a finding, of a question that asks for their number.

    ``within`` is what the cases meet that were counted; empty, all that a search could find were.
    """

    concept: str
    term: str
    prevalence: Prevalence
    within: tuple[Criterion, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A diagnosis of the differential, with the cases that have it and what speaks against it.

    ``concept`` is empty where no dictionary has the diagnosis. ``against`` are findings that the
    question rules out and these cases affirm, or the reverse. ``explanation`` says how the findings
    of the question lead to it, where a knowledge graph was asked.
    """

    diagnosis: str
    concept: str
    keys: tuple[str, ...]
    of: int
    prevalence: Prevalence | None = None
    against: tuple[Claim, ...] = ()
    explanation: str = ""


class Trend(StrEnum):
    """What became of a finding between two studies of one patient."""

    NEW = "new"
    WORSE = "worse"
    UNCHANGED = "unchanged"
    BETTER = "better"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a finding from an ``earlier`` study to a ``later`` one.

    Both are keys of evidence; ``earlier`` is empty where no earlier report speaks of the finding.
    ``days`` lie between them, where both times are known. ``words`` of the later report say so;
    where they are empty, what the two reports assert does. ``contradiction`` says how the words and
    the assertions differ, and is empty where they agree. Where the later report speaks of a change
    and names no finding, ``concept`` is empty and ``term`` quotes it. ``side`` is given where a
    finding of the left and one of the right went different ways, ``measured`` ("8 mm to 12 mm")
    where the reports give one size each.
    """

    concept: str
    term: str
    trend: Trend
    earlier: str
    later: str
    days: float | None = None
    words: str = ""
    contradiction: str = ""
    side: str = ""
    measured: str = ""

    @property
    def name(self) -> str:
        """The term with its side."""
        return f"{self.side} {self.term}" if self.side else self.term


@dataclass(frozen=True, slots=True)
class Verdict:
    """The direct reply on one of the things asked about, with its ground in one sentence."""

    concept: str
    reply: Reply
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Brief:
    """An answer as data, before anybody words it: the reply and the claims that it rests on.

    ``reason`` is the reply's ground in one sentence, without marks. ``definitions`` are the keys of
    those to be shown. ``declined`` says why the question is not answered, ``unanswered`` why a
    second one in the same text is not; both are empty where all is answered. ``changes`` are what
    became of the patient's findings since the study before, ``compared`` the keys of the studies
    that were compared, the latest last. ``verdicts`` are the replies on each thing that a question
    of yes or no asks about, in order; ``counts`` answer one of how many.
    """

    kind: QuestionKind
    reply: Reply
    reason: str = ""
    claims: tuple[Claim, ...] = ()
    differential: tuple[Candidate, ...] = ()
    definitions: tuple[str, ...] = ()
    declined: str = ""
    unanswered: str = ""
    changes: tuple[Change, ...] = ()
    compared: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    counts: tuple[Count, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A query as the system has understood it.

    It is routed, embedded, its medical terms recognised and its kind read. ``brief`` is what the
    kept evidence says to it; generators get it, earlier stages do not. ``criteria`` is what the
    reports of the cases should affirm and rule out, ``synonyms`` are names that are searched beside
    the words of the text. The query's text is that after ``corrections``.
    """

    query: Query
    routing: Routing
    vector: Vector
    mentions: tuple[Mention, ...] = ()
    intent: Intent | None = None
    brief: Brief | None = None
    criteria: tuple[Criterion, ...] = ()
    synonyms: tuple[str, ...] = ()
    corrections: tuple[Correction, ...] = ()

    @property
    def written(self) -> str:
        """The text as it was asked, before its corrections."""
        text = self.query.text
        for c in self.corrections:  # what stands before it is as it was written by now
            text = text[: c.start] + c.written + text[c.start + len(c.meant) :]
        return text

    def __repr__(self) -> str:
        decision = self.routing.decision and str(self.routing.decision)
        terms = tuple(dict.fromkeys(m.term for m in self.mentions))
        return _named(self, text=self.query.text, routed_to=decision, terms=terms)


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """A case found in stage 1.

    ``similarity`` is the cosine of eq. 2. ``relevance`` is what stage 1 ranks by: the similarity
    itself, or for text queries its blend with BM25. ``mentions`` are the terms that were recognised
    in the report when it was stored, by the source whose fingerprint is ``recogniser``. The
    pipeline takes them where that is its own source, and reads the report otherwise.
    ``proximity`` is how much reached the case from the best ones over the stored neighbours, from 0
    to 1; it has one where it came in by that alone (:mod:`mmedrag.expansion`).
    """

    case: Case
    vector: Vector
    similarity: float
    relevance: float
    mentions: tuple[Mention, ...] | None = None
    recogniser: str = ""
    proximity: float | None = None

    def __repr__(self) -> str:
        return _named(
            self, case=self.case.id, relevance=round(float(self.relevance), 4), text=self.case.text
        )


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A case (keys C1, C2, …) or a definition (D1, D2, …) standing in the context.

    Each stage fills exactly one score; ``None`` means that the stage did not run: stage 1
    ``similarity`` and the ``relevance`` it ranked by, section 3.5 ``centrality``, section 3.6
    ``reward``. ``proximity`` is that of a case which came in by its neighbours alone.
    """

    key: str
    item: Case | Definition
    vector: Vector
    similarity: float
    relevance: float
    mentions: tuple[Mention, ...] = ()
    centrality: float | None = None
    reward: float | None = None
    proximity: float | None = None

    def __repr__(self) -> str:
        return _named(
            self, key=self.key, name=self.name, relevance=round(float(self.relevance), 4),
            text=self.text,
        )  # fmt: skip

    @property
    def text(self) -> str:
        """The report or the definition."""
        return self.item.text

    @property
    def name(self) -> str:
        """The case's id, or the defined term."""
        return self.item.id if isinstance(self.item, Case) else self.item.term


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """The evidence at each station, so that both orders of section 4.4 come from one pass.

    ``gathered`` is the Standard RAG order, ``ranked`` the Graph-RAG order, ``kept`` what passed the
    reward filter and may be seen by the generator. Asked yes or no of an image, ``kept`` has the
    nearest cases of stage 1, whether the filter scored them or not.
    ``timings`` are milliseconds by stage.
    """

    question: Question
    gathered: Sequence[Evidence]
    ranked: Sequence[Evidence]
    kept: Sequence[Evidence]
    timings: Mapping[str, float]

    def __repr__(self) -> str:
        stations = {name: len(getattr(self, name)) for name in ("gathered", "ranked", "kept")}
        return _named(self, question=self.question.query.text, **stations)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer whose marks are checked.

    ``cited`` are the supplied keys that it names, ``removed`` the ones that it named in vain,
    ``struck`` is the sentence in whose place it stands. ``retracts`` says that all pieces before
    it were a model's reasoning and no answer.
    """

    text: str
    cited: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    struck: str = ""
    retracts: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A text whose every mark names evidence that was supplied.

    ``cited`` is that evidence by first mention. ``removed`` are marks that named nothing and were
    taken out, ``struck`` the sentences whose marked evidence says otherwise. ``abstained`` is true
    where there was no adequate evidence to answer from. ``brief`` is the answer as data.
    """

    text: str
    cited: Sequence[Evidence]
    removed: Sequence[str]
    abstained: bool
    context: Context
    brief: Brief | None = None
    struck: Sequence[str] = ()

    def __repr__(self) -> str:
        keys = tuple(e.key for e in self.cited)
        return _named(self, text=self.text, cited=keys, abstained=self.abstained)

    def _repr_html_(self) -> str:
        """The answer in a notebook; what others wrote is escaped."""
        # Views know these types and not the other way round, so they are loaded by name.
        cell: str = import_module("mmedrag.views.notebook").answer_cell(self)
        return cell


Embeddable: TypeAlias = Case | Query | Definition
"""What an embedder accepts."""
