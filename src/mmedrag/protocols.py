"""What a stage must be. Any object with these methods can take the stage's place.

The laws in the docstrings are the contract suites of :mod:`mmedrag.testing`.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mmedrag.types import (
    Assertion,
    Brief,
    Case,
    Changes,
    Corrected,
    Criterion,
    Definition,
    Domain,
    Embeddable,
    Entry,
    Evidence,
    Hit,
    Intent,
    Kind,
    Matrix,
    Mention,
    Piece,
    Prevalence,
    Query,
    Question,
    Routing,
    Vector,
)

if TYPE_CHECKING:
    from PIL.Image import Image


@runtime_checkable
class ModalityClassifier(Protocol):
    """Section 3.2: which domain corpus a query belongs to.

    Laws: scores are probabilities that sum to 1 (or empty); an abstention is ``decision=None``;
    the same query gets the same verdict, in any batch. ``pictures`` are the queries' images where
    the caller has decoded them already.
    """

    def classify(
        self, queries: Sequence[Query], pictures: Sequence[Image | None] | None = None
    ) -> list[Routing]: ...


@runtime_checkable
class Embedder(Protocol):
    """Section 3.3: the only maker of vectors in the shared space.

    Laws: ``embed([])`` is ``(0, dim)``; rows are float32, finite, of norm 1 where the item has all
    that the space asks for and at most 1 where a modality is absent (absent evidence counts as
    nothing, it is not made up by the other modality); the order and size of batches do not matter.
    ``fingerprint`` names the weights and settings: equal fingerprints mean equal vectors.
    ``pictures`` are the items' images where the caller has decoded them already, in place of
    reading the files again.
    """

    @property
    def dim(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...

    def embed(
        self, items: Sequence[Embeddable], pictures: Sequence[Image | None] | None = None
    ) -> Matrix: ...


@runtime_checkable
class CaseIndex(Protocol):
    """Section 3.4, stage 1 (eq. 2).

    Laws: at most ``k`` hits by falling relevance; never a case of another domain than the routing
    decided on (``None`` searches all); never one that the query's ``where`` excludes; never a
    deleted one. A hit carries the mentions of its report where the index knows them.
    """

    def search(self, question: Question, k: int) -> list[Hit]: ...


@runtime_checkable
class CaseStore(CaseIndex, Protocol):
    """A case index that is filled and emptied: the database of section 3.4, stage 1.

    Laws: what :meth:`add` or :meth:`delete` returned from is seen by the next search and survives
    the process; an entry replaces that of the same id; ``add`` writes all entries or, on an error,
    none; :meth:`publish` changes no result, only its cost. ``fingerprint`` is the encoder's, see
    :class:`Embedder`. ``notices`` say what was found damaged and what was done about it.
    """

    @property
    def fingerprint(self) -> str: ...

    @property
    def notices(self) -> Sequence[str]: ...

    def count(self) -> int: ...

    def get(self, case_id: str) -> Case | None: ...

    def preview(self, case_id: str) -> bytes | None:
        """A small JPEG of the case's image, or ``None``."""
        ...

    def vectors_by_content(self, contents: Sequence[str]) -> dict[str, Vector]:
        """Stored vectors by content hash, so that nothing is encoded twice."""
        ...

    def add(self, entries: Sequence[Entry]) -> None: ...

    def delete(self, ids: Sequence[str]) -> int:
        """Returns how many there were."""
        ...

    def publish(self) -> None: ...

    def close(self) -> None: ...


class Walk(Protocol):
    """Goes from candidates of stage 1, at most so many, over their neighbours.

    Arrays are those of :func:`mmedrag.expansion.walk`.
    """

    @property
    def candidates(self) -> int: ...

    def reached(
        self,
        start: NDArray[np.int64],
        relevance: NDArray[np.float64],
        near: NDArray[np.int64],
        nearness: NDArray[np.float64],
        count: int,
    ) -> NDArray[np.float64]: ...

    def blended(
        self, relevance: NDArray[np.float64], reached: NDArray[np.float64]
    ) -> NDArray[np.float64]: ...


@runtime_checkable
class NeighbourIndex(Protocol):
    """What a case index may also do: know the nearest cases of each case beforehand.

    Laws: those of :class:`CaseIndex`, whatever the neighbours are; where a walk reaches nothing but
    candidates and leaves their order, the hits are those of ``search``. A hit that would not be
    among these has ``proximity``.
    """

    def search_onward(self, question: Question, k: int, walk: Walk) -> list[Hit]: ...


@runtime_checkable
class CaseExpansion(Protocol):
    """Sections 6.3 and 7: stage 1, and what an offline graph brings to it.

    Laws: those of :class:`CaseIndex`.
    """

    def search(self, cases: CaseIndex, question: Question, k: int) -> list[Hit]: ...


@runtime_checkable
class CorpusStatistics(Protocol):
    """What a case index may also do: count, so that an answer can name base rates.

    ``groups`` are sets of concepts by a name of the caller's choice; a case affirms a group where
    its report, diagnosis or labels affirm one of its concepts, and rules it out where they negate
    one and affirm none. Laws: only cases that ``search`` could find for the question are counted;
    ``affirmed + negated <= of``, and ``of`` is the same for every group.
    """

    def prevalence(
        self, question: Question, groups: Mapping[str, Collection[str]]
    ) -> Mapping[str, Prevalence]: ...


@runtime_checkable
class CaseNames(Protocol):
    """By which diagnoses and labels the stored cases have a concept, and how many have it.

    Laws: each name is a field and a value such that the filter ``field = 'value'`` finds a case;
    ``held`` is :meth:`CorpusStatistics.prevalence`. Both guide a search: where counting takes long
    they may be of a state a moment ago.
    """

    def called(self, concepts: Collection[str]) -> Sequence[tuple[str, str]]: ...

    def held(
        self, question: Question, groups: Mapping[str, Collection[str]]
    ) -> Mapping[str, Prevalence]: ...


@runtime_checkable
class OccurrenceStore(Protocol):
    """Where concepts occur in the stored cases, by row numbers ``(n,)``, ascending and unique.

    ``above`` asks for higher row numbers alone. Laws: rows of :meth:`undisputed` are among those
    that :meth:`occurring` gives for affirmed ones; what an answer says of a row is what it said at
    an earlier state, unless :meth:`changes` since then counts the row as gone or knows of none.
    """

    def changes(self, since: Hashable) -> Changes:
        """What has changed since a state that was named before; since ``None``, all has."""
        ...

    def read_by(
        self, recogniser: str, domain: Domain | None, where: str | None, above: int = 0
    ) -> NDArray[np.int64]:
        """Cases that a search could find and whose reports that recogniser has read."""
        ...

    def occurring(
        self, concepts: Collection[str], assertion: Assertion, above: int = 0
    ) -> NDArray[np.int64]: ...

    def undisputed(self, concepts: Collection[str], above: int = 0) -> NDArray[np.int64]:
        """Reports that affirm one of the concepts and nowhere negate that same one."""
        ...

    def concepts_of(self, kinds: Sequence[Kind], above: int = 0) -> frozenset[str]:
        """At least the concepts of these kinds that reports mention."""
        ...

    def names(self, above: int = 0) -> Sequence[tuple[str, str, NDArray[np.int64]]]:
        """Each diagnosis and label of a case, as field and value, with its rows."""
        ...


@runtime_checkable
class QuestionReader(Protocol):
    """What a question asks for (:class:`~mmedrag.types.QuestionKind`).

    Laws: the same question gets the same intent; its concepts are among those of its mentions.
    """

    def read(self, question: Question) -> Intent: ...


@runtime_checkable
class Analyst(Protocol):
    """Reads the kept evidence in answer to the question; makes no words.

    Law: every claim and every candidate names evidence whose passage says so.
    """

    def brief(
        self, question: Question, evidence: Sequence[Evidence], corpus: CorpusStatistics | None
    ) -> Brief: ...


@runtime_checkable
class ClaimChecker(Protocol):
    """Reads what a generator writes against the evidence that it marks, while it is written.

    Laws: what no piece of evidence contradicts is let through as it is, and how the text is cut
    into pieces makes no difference to that; a contradicted sentence does not come out.
    """

    def check(self, pieces: Iterable[Piece], evidence: Sequence[Evidence]) -> Iterator[Piece]: ...


@runtime_checkable
class DefinitionSource(Protocol):
    """Section 3.4, stage 2: entity set E, and R_def.

    Laws: ``recognise`` returns one tuple a text, mentions in text order without overlap, and
    ``text[m.start:m.end] == m.text``; ``define`` gives at most ``limit`` definitions, one a
    concept, for affirmed mentions only, those of earlier texts first. ``fingerprint`` names the
    dictionaries and the rules: equal fingerprints mean equal mentions.
    """

    @property
    def fingerprint(self) -> str: ...

    def recognise(self, texts: Sequence[str]) -> list[tuple[Mention, ...]]: ...

    def define(self, mentions: Sequence[Sequence[Mention]], limit: int) -> list[Definition]: ...


@runtime_checkable
class Ontology(Protocol):
    """What concepts are, and which are kinds of which, over all dictionaries at once.

    Concepts are named by their codes (:attr:`mmedrag.types.Mention.concept`); a code that no
    dictionary has is a finding without relatives. ``same`` are the codes that mean the same, itself
    included; ``find`` gives the concept of a name, or nothing. Laws: ``is_a(c, c)``; ``is_a(a, b)``
    exactly where ``b`` is in ``same(a)`` or among ``ancestors(a)``; ``a in ancestors(b)``
    wherever ``b in descendants(a)``; a concept is neither its own ancestor nor its own descendant.
    """

    def kind(self, concept: str) -> Kind: ...

    def name(self, concept: str) -> str: ...

    def region(self, concept: str) -> str: ...

    def find(self, name: str) -> str: ...

    def same(self, concept: str) -> frozenset[str]: ...

    def is_a(self, concept: str, ancestor: str) -> bool: ...

    def ancestors(self, concept: str) -> tuple[str, ...]: ...

    def descendants(self, concept: str) -> tuple[str, ...]: ...


@runtime_checkable
class SpellingCorrector(Protocol):
    """Corrects the spelling of a question before it is read.

    Laws: the text differs from what was given in the corrected words alone; what is given without
    mistakes comes back as it is.
    """

    def correct(self, text: str) -> Corrected: ...


@runtime_checkable
class Words(Protocol):
    """What a case index may also do: say which words its reports use.

    ``frequency`` is the number of reports that use a word (in any of its inflections), ``similar``
    are words of reports that may be what somebody meant who wrote this one, and in how many letters
    they differ.
    """

    def frequency(self, word: str) -> int: ...

    def similar(self, word: str) -> Mapping[str, int]: ...


@runtime_checkable
class QuestionExpander(Protocol):
    """What is searched besides the words of a question, for stage 1 of section 3.4.

    ``criteria`` are what the reports of the cases should affirm and rule out; ``synonyms`` are
    names of what the question says in other words. ``meets`` tells whether a report, given its
    mentions, meets all that a question requires; ``options`` are what a question that describes no
    case wants told apart, each to be searched for by itself. Laws: every criterion is affirmed or
    negated and has a concept; a question without mentions has no synonyms; none meets what requires
    nothing.
    """

    def criteria(self, question: Question) -> tuple[Criterion, ...]: ...

    def synonyms(self, question: Question) -> tuple[str, ...]: ...

    def meets(self, question: Question, mentions: Sequence[Mention]) -> bool: ...

    def options(self, question: Question) -> tuple[Criterion, ...]: ...


@runtime_checkable
class CaseNamer(Protocol):
    """A filter for the cases whose diagnosis or labels are what a question wants cases of.

    Reports need not say it: the caption of a proven sarcoidosis may speak of nodes alone. Law: it
    parses, and there is none where an image asks.
    """

    def named(self, question: Question) -> str | None: ...


@runtime_checkable
class RoutingReviser(Protocol):
    """Looks at the routing of a question again, once it is known what cases should affirm.

    Law: a domain that the user or an image chose stays.
    """

    def revise(self, question: Question) -> Routing: ...


@runtime_checkable
class Reranker(Protocol):
    """Section 3.5: a new order. Law: a permutation of the evidence by key."""

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]: ...


@runtime_checkable
class ContextFilter(Protocol):
    """Section 3.6: r_i > tau, best first.

    Law: a subset of the evidence, with ``reward`` filled.
    """

    def keep(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]: ...


@runtime_checkable
class Generator(Protocol):
    """Writes the answer in pieces, citing evidence by marks such as ``[C1]`` or ``[C1, D2]``.

    ``question.brief`` is the answer as data, to be put into words. Law: nothing but the question
    and the evidence is used.
    """

    def generate(self, question: Question, evidence: Sequence[Evidence]) -> Iterator[str]: ...


@runtime_checkable
class RemoteGenerator(Generator, Protocol):
    """A generator that sends the question and the evidence to another process or machine."""

    def what_is_sent(self) -> str:
        """One line on what leaves this process, and to whom."""
        ...
