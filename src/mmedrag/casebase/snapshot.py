"""One committed state of a casebase in memory, and the search of section 3.4, stage 1, in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.connection import State
from mmedrag.casebase.database import Database
from mmedrag.casebase.exact import ExactRows, Mask, Rows, locate, similarities
from mmedrag.casebase.hybrid import CONCEPT_WEIGHT, relevance, weight_of
from mmedrag.casebase.lexical import Lexicon
from mmedrag.casebase.mentions import Recognition
from mmedrag.casebase.shard import Shard
from mmedrag.casebase.vectors import UNASSIGNED, Generation
from mmedrag.errors import EncoderMismatch, QueryError
from mmedrag.filters import Node, parse
from mmedrag.types import Case, Domain, Hit, Matrix, Question, Vector

_POOL = 100  # candidates from vectors and from words, each, that are joined for a text
_CAP = 1_024  # ties at the cut that are looked at beyond k
_FILTERS = 16  # remembered
_CASES = 4_096  # remembered until something is written

Part = Shard | ExactRows
Scored = tuple[Rows, NDArray[np.float64]]
"""Row numbers, ascending, and a score for each."""


class Snapshot:
    """A generation, the rows added since, and the rows deleted since.

    Every method that takes the database expects to be inside its ``reading()`` transaction, at
    the epoch of this snapshot.
    """

    def __init__(self, generation: Generation | None, dim: int) -> None:
        self._dim = dim
        self._shards: Mapping[str, Shard] = {} if generation is None else generation.shards
        self._fresh: dict[str, ExactRows] = {}
        self._filters: dict[str, Rows] = {}
        self._masks: dict[tuple[str, int], Mask] = {}
        self._lexicon: Lexicon | None = None
        self._cases: dict[int, tuple[Case, Recognition | None]] = {}
        self.generation = None if generation is None else generation.summary
        self.keys: Mapping[str, str] = {} if generation is None else generation.keys
        self.epoch = -1 if generation is None else generation.summary.epoch
        self._row = 0 if generation is None else generation.summary.row

    def follows(self, state: State) -> bool:
        """Whether :meth:`advance` can lead from here to a state of the database."""
        nothing_yet = self.generation is None and self.epoch == -1
        return nothing_yet or state.pruned <= self.epoch <= state.epoch

    def advance(self, database: Database, state: State) -> None:
        """Take in what was added and deleted since this snapshot's epoch."""
        if self.epoch == state.epoch:
            return
        if self.epoch >= 0:
            deleted = database.deleted_since(self.epoch)
            for part in self._parts(None):
                part.kill(deleted)
        for domain, rows, vectors in database.vectors_above(self._row, self._dim):
            name = domain or UNASSIGNED
            self._fresh.setdefault(name, ExactRows(self._dim)).append(rows, vectors)
        self._row = database.last_row()
        self.forget_filters()
        self._cases.clear()
        self.epoch = state.epoch

    def forget_filters(self) -> None:
        """Ask the database again which rows a filter lets in."""
        self._filters.clear()
        self._masks.clear()

    def fresh(self) -> int:
        """How many rows are searched in memory because no generation holds them yet."""
        return sum(int(np.count_nonzero(part.alive)) for part in self._fresh.values())

    def masked(self) -> int:
        """How many deleted rows the generation's files still hold."""
        return sum(int(np.count_nonzero(~part.alive)) for part in self._shards.values())

    def search(self, database: Database, question: Question, vector: Vector, k: int) -> list[Hit]:
        """See :meth:`mmedrag.casebase.Casebase.search`; ``k`` is at least 1."""
        query, domain = question.query, question.routing.decision
        condition = parse(query.where) if query.where is not None else None
        allowed = self._allowed(database, query.where, condition)
        words = self._match(database, " ".join([query.text, *question.synonyms]))
        concepts = database.matching(question.criteria)
        met = bool(concepts[1].any())
        if not len(words[0]) and not met:
            rows = self._candidates(database, vector, k, domain, query.where, allowed)
            return self._hits(database, vector, rows, None, k)
        matched, scores = self._visible(words, domain, allowed)
        pool = max(k, _POOL)
        found = [
            self._candidates(database, vector, pool, domain, query.where, allowed),
            matched[np.lexsort((matched, -scores))[:pool]],
            self._meeting(database, vector, pool, domain, self._visible(concepts, domain, allowed)),
        ]
        rows = np.unique(np.concatenate(found))
        blended = scores_at(rows, *words), scores_at(rows, *concepts) if met else None
        return self._hits(database, vector, rows, blended, k, weight_of(question.criteria))

    def _meeting(
        self, database: Database, vector: Vector, pool: int, domain: Domain | None, scored: Scored
    ) -> Rows:
        """Rows that meet the criteria best, the most similar of those that meet them alike."""
        rows, scores = scored
        if not np.any(scores > 0.0):
            return np.empty(0, np.int64)
        least = max(np.sort(scores)[-min(pool, len(scores))], np.min(scores[scores > 0.0]))
        alike = rows[scores == least]
        similar = self._candidates(database, vector, pool, domain, None, alike)
        return np.concatenate([rows[scores > least], similar])

    def _visible(self, scored: Scored, domain: Domain | None, allowed: Rows | None) -> Scored:
        """What a search over ``domain`` may find of scored rows."""
        rows, scores = scored
        inside = self._inside(rows, domain, allowed)
        return rows[inside], scores[inside]

    def _match(self, database: Database, text: str) -> tuple[Rows, NDArray[np.float64]]:
        if self._lexicon is None:
            self._lexicon = Lexicon(database.connection)
        return self._lexicon.match(text, self.epoch)

    def _parts(self, domain: Domain | None) -> Iterator[Part]:
        """What holds the rows of a domain, or of all and of none where it is ``None``."""
        for parts in (self._shards, self._fresh):
            yield from (part for name, part in parts.items() if domain in (None, name))

    def _candidates(
        self,
        database: Database,
        vector: Vector,
        k: int,
        domain: Domain | None,
        where: str | None,
        allowed: Rows | None,
    ) -> Rows:
        """Rows among which the ``k`` most similar are, ascending."""
        found = [np.empty(0, np.int64)]
        for part in self._parts(domain):
            mask = None if allowed is None else self._mask(part, where, allowed)
            if isinstance(part, Shard):
                found.append(
                    part.search(
                        vector, k, k + _CAP, mask, lambda rows: database.vectors(rows, self._dim)
                    )
                )
            elif len(part):
                found.append(part.search(vector, k, k + _CAP, mask))
        return np.sort(np.concatenate(found))

    def _hits(
        self,
        database: Database,
        query: Vector,
        rows: Rows,
        blended: tuple[NDArray[np.float64], NDArray[np.float64] | None] | None,
        k: int,
        weight: float = CONCEPT_WEIGHT,
    ) -> list[Hit]:
        """The best ``k`` of ascending candidate rows, by falling relevance, ties by id."""
        vectors = database.vectors(rows, self._dim)
        cosines = similarities(vectors, query)
        scores = cosines if blended is None else relevance(cosines, *blended, weight)
        cut = np.sort(scores)[-k] if len(rows) > k else -np.inf
        chosen = np.flatnonzero(scores >= cut)
        if len(chosen) > k:  # ties at the cut
            ids = database.ids(rows[chosen])
            chosen = np.array(
                sorted(chosen, key=lambda i: (-scores[i], ids[int(rows[i])]))[:k], np.intp
            )
        return sorted(
            self._read(database, rows[chosen], vectors[chosen], cosines[chosen], scores[chosen]),
            key=lambda hit: (-hit.relevance, hit.case.id),
        )

    def _read(
        self,
        database: Database,
        rows: Rows,
        vectors: Matrix,
        cosines: NDArray[np.float64],
        scores: NDArray[np.float64],
    ) -> Iterator[Hit]:
        """The cases of rows as hits, with the terms that were recognised when they were stored."""
        numbers = rows.tolist()
        unread = [row for row in numbers if row not in self._cases]
        if len(self._cases) + len(unread) > _CASES:
            self._cases.clear()
            unread = numbers
        cases = database.cases(unread)
        recognised = database.recognised({row: case.text for row, case in cases.items()})
        self._cases.update((row, (case, recognised.get(row))) for row, case in cases.items())
        for row, vector, cosine, score in zip(
            numbers, vectors, cosines.tolist(), scores.tolist(), strict=True
        ):
            case, found = self._cases[row]
            terms = (None, "") if found is None else (found.mentions, found.recogniser)
            yield Hit(case, vector, cosine, score, *terms)

    def _allowed(
        self, database: Database, where: str | None, condition: Node | None
    ) -> Rows | None:
        if where is None or condition is None:
            return None
        if where not in self._filters:
            if len(self._filters) >= _FILTERS:
                self._filters.clear()
                self._masks.clear()
            self._filters[where] = database.rows_where(condition)
        return self._filters[where]

    def _mask(self, part: Part, where: str | None, allowed: Rows) -> Mask:
        if where is None:  # rows of this search alone, not worth remembering
            return locate(allowed, part.rows)[1]
        key = (where, id(part))
        if key not in self._masks:
            self._masks[key] = locate(allowed, part.rows)[1]
        return self._masks[key]

    def _inside(self, rows: Rows, domain: Domain | None, allowed: Rows | None) -> Mask:
        """Which rows a search over ``domain`` may find."""
        inside = np.zeros(len(rows), np.bool_)
        for part in self._parts(domain):
            inside |= locate(part.rows, rows)[1]
        return inside if allowed is None else inside & locate(allowed, rows)[1]


def scores_at(rows: Rows, scored: Rows, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scores of some rows, 0 for those that were not scored."""
    positions, present = locate(scored, rows)
    found = np.zeros(len(rows))
    found[present] = scores[positions[present]]
    return found


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
