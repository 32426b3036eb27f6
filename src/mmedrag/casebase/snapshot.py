"""One committed state of a casebase in memory, and the search of section 3.4, stage 1, in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isnan

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase import conditions
from mmedrag.casebase.connection import State
from mmedrag.casebase.criteria import match
from mmedrag.casebase.database import Database
from mmedrag.casebase.exact import (
    Mask,
    Positions,
    Rows,
    locate,
    nearest,
    similarities,
)
from mmedrag.casebase.generations import Generation
from mmedrag.casebase.hits import hit
from mmedrag.casebase.hybrid import relevance, weight_of
from mmedrag.casebase.lexical import Lexicon, Scored
from mmedrag.casebase.members import TIES, Members
from mmedrag.casebase.onward import Graph
from mmedrag.casebase.remembered import RememberedCases
from mmedrag.casebase.statements import PositionStatements, SnapshotStatements
from mmedrag.casebase.vocabulary import WORDS
from mmedrag.errors import EncoderMismatch, FilterError, QueryError
from mmedrag.filters import MENTIONED, Joined, Node, Not, Predicate, fields_of, parse
from mmedrag.measures.row_sets import distinct
from mmedrag.protocols import Walk
from mmedrag.remembering import forget
from mmedrag.types import Criterion, Domain, Hit, Matrix, Question, Vector

_DEPTH = 100  # candidates from vectors and from words, each, that are joined for a text
_FEW_ALIKE = 5_000  # cases alike by criteria or words that are compared one by one
_FEW = 200  # whose vectors are taken at once, without a look at which domain's they are
_FILTERS = 16  # remembered
_UNASKED: tuple[tuple[Criterion, ...], Scored] = (), (np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Candidates: their similarity, what they are ranked by, and what reached them of a walk.

    ``proximity`` is NaN for what is found without a walk.
    """

    positions: Positions
    vectors: Matrix
    cosines: NDArray[np.float64]
    scores: NDArray[np.float64]
    proximity: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class _Basis:
    """What that the database's tables say had a say in which cases are found.

    ``terms``: of their reports, by lists that were made of the tables; ``fields``: that the
    generation has no column of; ``fresh``: fields of cases that no generation has.
    """

    terms: bool = False
    fields: bool = False
    fresh: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Ranking:
    """What candidates are ranked by; without words by similarity alone."""

    query: Vector
    words: Scored | None
    concepts: Scored | None
    weight: float

    def scores(self, positions: Positions, cosines: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of some positions, among which is the best match by words."""
        if self.words is None:
            return cosines
        met = None if self.concepts is None else scores_at(positions, self.concepts)
        return relevance(cosines, scores_at(positions, self.words), met, self.weight)


class Snapshot:
    """A generation, the cases added since, and those deleted since.

    Every method that takes the database expects to be inside its ``reading()`` transaction, at
    the epoch of this snapshot.
    """

    def __init__(self, generation: Generation | None, database: Database, dim: int) -> None:
        self._dim = dim
        self._generation = generation
        self.members = Members(generation, dim)
        self._filters: dict[str, tuple[Mask, _Basis]] = {}
        self._matched = _UNASKED
        self._graph = (
            Graph(None, None)
            if generation is None
            else Graph(generation.corpora, generation.neighbours)
        )
        self._remembered = RememberedCases()
        self._statements = SnapshotStatements(None, 0)
        self.generation = None if generation is None else generation.summary
        self.epoch = -1 if generation is None else generation.summary.epoch
        self._row = 0 if generation is None else generation.summary.row
        if generation is not None and not database.recognised_since(self.epoch):
            self._statements = SnapshotStatements(generation.statements, self._row)
        number = 0 if generation is None else generation.summary.number
        self._lexicon = Lexicon(
            None if generation is None else generation.postings,
            lambda stem: database.vocabulary.number(number, WORDS, stem),
            database.stemmer,
            self.members.stored,
        )

    def follows(self, state: State) -> bool:
        """Whether :meth:`advance` can lead from here to a state of the database."""
        nothing_yet = self.generation is None and self.epoch == -1
        return nothing_yet or state.pruned <= self.epoch <= state.epoch

    def advance(self, database: Database, state: State) -> None:
        """Take in what was added and deleted since this snapshot's epoch."""
        if self.epoch == state.epoch:
            return
        if database.recognised_since(self.epoch):
            self._statements = SnapshotStatements(None, 0)
        self._statements.forget_terms()
        if self.epoch >= 0:
            deleted = database.deleted_since(self.epoch)
            self._kill(self.members.positions_of(deleted))
            if len(deleted):
                forget()
        for added in database.added_since(self._row, self._dim):
            self.members.add(added)
            self._lexicon.add(added.texts)
            self._row = int(added.rows[-1])
        self.forget_filters()
        self.forget_cases()
        self.epoch = state.epoch

    def _kill(self, positions: Positions) -> None:
        positions = positions[positions >= 0]
        positions = positions[self.members.alive[positions]]
        self._lexicon.kill(positions)
        self.members.kill(positions)

    @property
    def last(self) -> int:
        """No case has a higher row number."""
        return self._row

    def forget_cases(self) -> None:
        """Read the cases that are found next from the database again."""
        self._remembered.forget()

    def forget_filters(self) -> None:
        """Ask again which cases a filter lets in, and which meet criteria."""
        self._filters.clear()
        self._matched = _UNASKED

    def search(
        self,
        database: Database,
        question: Question,
        vector: Vector,
        k: int,
        walk: Walk | None = None,
    ) -> list[Hit]:
        """See :meth:`mmedrag.casebase.Casebase.search`; ``k`` is at least 1.

        With a walk, see :meth:`~mmedrag.casebase.Casebase.search_onward`.
        """
        query, domain = question.query, question.routing.decision
        allowed, basis = self._allowed(database, query.where)
        narrowed = allowed is not None or domain is not None
        basis = replace(basis, terms=basis.terms or bool(question.criteria), fresh=narrowed)
        text = " ".join([query.text, *question.synonyms])
        words = self._lexicon.match(text, self.members.alive)
        concepts = self._matching(database, question.criteria)
        met = bool(concepts[1].any())
        if not len(words[0]) and not met:
            wide = k if walk is None else max(k, walk.candidates)
            positions = self.members.candidates(vector, wide, domain, allowed)
            ranking = _Ranking(vector, None, None, 0.0)
        else:
            matched = self.members.visible(words, domain, allowed)
            meeting = self.members.visible(concepts, domain, allowed)
            depth = max(k, _DEPTH)
            near = self.members.candidates(vector, depth, domain, allowed)
            sources = [
                self._nearest(vector, depth, near),
                self._best(vector, depth, domain, matched),
                self._meeting(vector, depth, domain, meeting),
            ]
            positions = np.unique(np.concatenate(sources))
            weight = weight_of(question.criteria)
            ranking = _Ranking(vector, words, concepts if met else None, weight)
        found = self._ranked(ranking, positions)
        if walk is not None:
            visible = partial(self.members.are_visible, domain=domain, allowed=allowed)
            found = self._onward(found, ranking, walk, k, visible)
        return self._hits(database, found, k, basis)

    def _ranked(
        self, ranking: _Ranking, positions: Positions, beside: _Found | None = None
    ) -> _Found:
        """Some positions, beside others, with what all of them are ranked by."""
        vectors = self.members.vectors_at(positions)
        cosines = similarities(vectors, ranking.query)
        if beside is not None:
            positions = np.concatenate([beside.positions, positions])
            vectors = np.concatenate([beside.vectors, vectors])
            cosines = np.concatenate([beside.cosines, cosines])
        return _Found(positions, vectors, cosines, ranking.scores(positions, cosines))

    def _onward(
        self,
        found: _Found,
        ranking: _Ranking,
        walk: Walk,
        k: int,
        visible: Callable[[Positions], Mask],
    ) -> _Found:
        """What was found, and of its neighbours those that a walk reaches most."""
        order = np.lexsort((self.members.rows_at(found.positions), -found.scores))
        order = order[: walk.candidates]
        start = found.positions[order]
        added, alive = self.members.added, self.members.alive
        lists = self._graph.lists(start, found.vectors[order], added, alive)
        near = lists.positions.astype(np.int64)
        seen = (near >= 0) & visible(near)
        near = np.where(seen, near, start[:, None])
        nearness = np.where(seen, lists.nearness, 0.0).astype(np.float64)
        nodes, numbers = np.unique(np.concatenate([start, near.ravel()]), return_inverse=True)
        reached = walk.reached(
            numbers[: len(start)],
            found.scores[order],
            numbers[len(start) :].reshape(near.shape),
            nearness,
            len(nodes),
        )
        others = np.flatnonzero((reached > 0.0) & ~np.isin(nodes, found.positions))
        others = others[np.argsort(-reached[others], kind="stable")[: walk.candidates]]
        joined = self._ranked(ranking, np.sort(nodes[others]), found)
        proximity = scores_at(joined.positions, (nodes, reached))
        cut = np.sort(found.scores)[-k] if len(found.scores) >= k else -np.inf
        return replace(
            joined,
            scores=walk.blended(joined.scores, proximity),
            proximity=np.where(joined.scores < cut, proximity, np.nan),
        )

    def _best(self, vector: Vector, depth: int, domain: Domain | None, scored: Scored) -> Positions:
        """The best by words; of reports that match alike, as short ones do, the most similar."""
        positions, scores = scored
        if len(positions) <= depth:
            return positions
        cut = np.partition(scores, -depth)[-depth]
        better, alike = positions[scores > cut], positions[scores == cut]
        places = depth - len(better)
        if len(alike) > places:
            alike = self._most_similar(vector, places, domain, alike)
        return np.concatenate([better, alike])

    def _meeting(
        self, vector: Vector, depth: int, domain: Domain | None, scored: Scored
    ) -> Positions:
        """Cases that meet the criteria best, the most similar of those that meet them alike."""
        positions, scores = scored
        if not np.any(scores > 0.0):
            return np.empty(0, np.int64)
        least = _least(scores, depth)
        most = self._most_similar(vector, depth, domain, positions[scores == least])
        return np.concatenate([positions[scores > least], most])

    def _most_similar(
        self, vector: Vector, k: int, domain: Domain | None, positions: Positions
    ) -> Positions:
        """Of some cases of a domain the ``k`` most similar and their ties."""
        if len(positions) > _FEW:
            these = np.zeros(len(self.members.alive), np.bool_)
            these[positions] = True
            positions = self.members.candidates(vector, k, domain, these, _FEW_ALIKE)
        return self._nearest(vector, k, positions)

    def _nearest(self, vector: Vector, k: int, positions: Positions) -> Positions:
        """Of candidates the ``k`` most similar and their ties, however they were searched."""
        cosines = similarities(self.members.vectors_at(positions), vector)
        return positions[nearest(cosines, k, k + TIES)]

    def _hits(self, database: Database, found: _Found, k: int, basis: _Basis) -> list[Hit]:
        """The best ``k`` of candidates, by falling relevance, ties by id."""
        scores, rows = found.scores, self.members.rows_at(found.positions)
        chosen = _foremost(database, rows, scores, k)
        vectors = [*found.vectors[chosen]]
        vector_of = dict(zip(rows[chosen].tolist(), vectors, strict=True))
        if basis.terms and database.recognises:
            self._remembered.check_terms(database, vector_of)
        by_table = basis.fields | (basis.fresh & (found.positions[chosen] >= self.members.stored))
        if by_table.any():
            asked = [row for row, was in zip(vector_of, by_table.tolist(), strict=True) if was]
            self._remembered.check(database, {row: vector_of[row] for row in asked})
        cases = self._remembered.read(database, vector_of, len(self.members.alive))
        read, cosines = (cases[row] for row in vector_of), found.cosines[chosen].tolist()
        hits: Iterable[Hit] = map(hit, read, vectors, cosines, scores[chosen].tolist())
        if found.proximity is not None:
            came = found.proximity[chosen].tolist()
            hits = (
                h if isnan(p) else replace(h, proximity=p) for h, p in zip(hits, came, strict=True)
            )
        return sorted(hits, key=lambda hit: (-hit.relevance, hit.case.id))

    def found(
        self, database: Database, domain: Domain | None, where: str | None, above: int = 0
    ) -> Rows:
        """The rows above one, ascending, that a search in a domain by a filter could find."""
        last = 0 if self.generation is None else self.generation.row
        first = 0 if above < last else self.members.stored
        positions = np.flatnonzero(self.visible(database, domain, where)[first:]) + first
        return self.members.rows_above(positions, above)

    def visible(self, database: Database, domain: Domain | None, where: str | None) -> Mask:
        """Which positions a search in a domain by a filter could find."""
        allowed, _ = self._allowed(database, where)
        inside = self.members.inside(domain)
        return inside if allowed is None else inside & allowed

    def stored_as(self, database: Database, field: str) -> dict[str, Rows]:
        """The rows, ascending, of each value of a field that the generation has a column of."""
        if self._generation is None:
            return {}
        number = self._generation.summary.number
        groups = self._generation.columns.grouped(
            field, lambda field: database.vocabulary.values(number, field)
        )
        living = ((value, positions[self.members.alive[positions]]) for value, positions in groups)
        return {
            value: distinct(self._generation.rows[positions])
            for value, positions in living
            if len(positions)
        }

    def columnar(self, field: str) -> bool:
        """Whether the generation has a column of a field."""
        return self._generation is not None and self._generation.columns.has(field)

    # Words

    def stem(self, word: str) -> str:
        """The stem by which a word is found; empty where it is not worth searching."""
        return self._lexicon.stem(word)

    def stems(self, database: Database, letter: str) -> set[str]:
        """Stems of the reports that begin with a letter."""
        fresh = self._lexicon.fresh_stems(letter)
        if self.generation is None:
            return fresh
        stored = database.vocabulary.beginning(self.generation.number, WORDS, letter)
        return fresh | set(stored)

    def frequency(self, stem: str) -> int:
        """How many reports use a word of that stem."""
        return self._lexicon.frequency(stem, self.members.alive)

    def first_using(self, stem: str) -> Rows:
        """One report that uses a word of that stem, ``(1,)``; nothing where none does."""
        return self.members.rows_at(self._lexicon.first(stem, self.members.alive))

    # Filters

    def _allowed(self, database: Database, where: str | None) -> tuple[Mask | None, _Basis]:
        """Which positions a filter lets in, deleted ones perhaps included; and by what."""
        if where is None:
            return None, _Basis()
        if where not in self._filters:
            if len(self._filters) >= _FILTERS:
                self._filters.clear()
            condition = parse(where)
            fields = fields_of(condition)
            basis = _Basis(
                terms=not fields.isdisjoint(MENTIONED),
                fields=any(not self.columnar(f) for f in fields - {*MENTIONED}),
            )
            self._filters[where] = self._mask(database, condition), basis
        return self._filters[where]

    def _mask(self, database: Database, node: Node) -> Mask:
        if isinstance(node, Not):
            return ~self._mask(database, node.child)
        if isinstance(node, Joined):
            masks = [self._mask(database, child) for child in node.children]
            joined: Mask = (np.logical_and if node.word == "AND" else np.logical_or).reduce(masks)
            return joined
        mask = np.zeros(len(self.members.alive), np.bool_)
        if node.field in MENTIONED:
            self.require_read(database)
            mask[conditions.stating(node, self.statements(database))] = True
            return ~mask if node.relation == "null" else mask
        above = 0
        if self._generation is not None and self._generation.columns.has(node.field):
            mask[: self.members.stored] = self._columnar(database, self._generation, node)
            above = self._generation.summary.row
        if not above or self.members.fresh():
            positions = self.members.positions_of(database.rows_where(node, above))
            mask[positions[positions >= 0]] = True
        return mask

    def _columnar(self, database: Database, generation: Generation, node: Predicate) -> Mask:
        """The generation's part of a mask, from its column."""
        number = generation.summary.number
        return generation.columns.mask(
            node, lambda field: database.vocabulary.values(number, field)
        )

    # What reports say

    def statements(self, database: Database, *, fresh: bool = False) -> PositionStatements:
        """What reports say, by position; of those alone that no generation has, if so asked.

        Raises:
            CasebaseDamaged: what is kept of a report fails its checksum.
        """
        if database.recognises:
            self._statements.follow(database, self._row, self.members.positions_of)
        return self._statements.of(database, self.members.alive, fresh=fresh)

    def readers(self, database: Database) -> NDArray[np.uint32]:
        """The number of who has read each report, 0 where nobody has, by position."""
        self.statements(database)
        return self._statements.readers(len(self.members.alive))

    def require_read(self, database: Database) -> None:
        """Refuse to say what reports say where some are not read yet.

        Raises:
            FilterError: with the remedy.
        """
        unread = np.count_nonzero(self.members.alive & (self.readers(database) == 0))
        if unread:
            raise FilterError(
                f"The question is what reports say, and {unread} cases were stored without it",
                "Let their terms be recognised first: mmedrag rebuild.",
            )

    def _matching(self, database: Database, criteria: Sequence[Criterion]) -> Scored:
        """Positions that speak to any criterion, and how far they meet all of them.

        One question may be searched more than once, under several filters.
        """
        if not criteria or not database.recognises:
            return _UNASKED[1]
        asked = tuple(criteria)
        if asked != self._matched[0]:
            self._matched = asked, match(self.statements(database), asked)
        return self._matched[1]


def _least(scores: NDArray[np.float64], k: int) -> float:
    """The ``k``-th highest score, or the lowest above 0 where that is higher."""
    best = scores.max()
    if np.count_nonzero(scores == best) >= k:  # most often; to put them in order takes longer
        return float(best)
    place = min(k, len(scores))
    return float(max(np.partition(scores, -place)[-place], np.min(scores[scores > 0.0])))


def _foremost(
    database: Database, rows: Rows, scores: NDArray[np.float64], k: int
) -> NDArray[np.intp]:
    """Which ``k`` rows have the highest scores, ties by id."""
    cut = np.sort(scores)[-k] if len(rows) > k else -np.inf
    chosen = np.flatnonzero(scores >= cut)
    if len(chosen) <= k:
        return chosen
    ids = database.ids(rows[chosen])  # ties at the cut
    ordered = sorted(chosen, key=lambda i: (-scores[i], ids[int(rows[i])]))
    return np.array(ordered[:k], np.intp)


def scores_at(positions: Positions, scored: Scored) -> NDArray[np.float64]:
    """The scores of some positions, 0 for those that were not scored."""
    offsets, present = locate(scored[0], positions)
    scores = np.zeros(len(positions))
    scores[present] = scored[1][offsets[present]]
    return scores


def checked(vector: Vector, dim: int) -> Vector:
    """A query vector that can be searched with.

    Raises:
        EncoderMismatch: it has another length than the stored ones.
        QueryError: it is not finite.
    """
    vector = np.ascontiguousarray(vector, np.float32)
    if vector.shape != (dim,):
        raise EncoderMismatch(
            f"The query vector has shape {vector.shape}, the casebase holds ({dim},)",
            "Use the encoder that the casebase was made with.",
        )
    if not np.isfinite(vector).all():
        raise QueryError("The query vector is not finite", "Check the encoder's output.")
    return vector
