"""A filter as a tree of values, which each engine translates, and what it says of one case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from mmedrag.entailment import Relations, affirms, identity, rules_out
from mmedrag.errors import FilterError
from mmedrag.filters.values import (
    COMPARE,
    MENTIONED,
    Value,
    compared,
    like,
    lower,
    number,
    stored_values,
    text,
)
from mmedrag.types import Assertion, Case, Mention


@dataclass(frozen=True, slots=True)
class Predicate:
    """One comparison: true where any operand stands in that relation to any value of the field.

    ``relation`` is one of ``= < <= > >= like null``.
    """

    field: str
    relation: str
    operands: tuple[Value, ...] = ()

    def matches(
        self,
        case: Case,
        mentions: Sequence[Mention] | None = None,
        relations: Relations | None = None,
    ) -> bool:
        """Whether a case in memory meets the condition.

        Args:
            case: the case.
            mentions: of its report; only :data:`MENTIONED` fields need them.
            relations: of the concepts; without them, no concept is a kind of another.

        Raises:
            FilterError: mentions are needed and not given.
        """
        if self.field in MENTIONED:
            return self._is_stated(_required(self.field, mentions), relations)
        stored = [value for value in stored_values(case, self.field) if value not in (None, "")]
        if self.relation == "null":
            return not stored
        return any(map(self.holds, stored))

    def holds(self, value: object) -> bool:
        """Whether a value of the field, which is not missing, stands in the relation."""
        return any(self._holds(value, operand) for operand in self.operands)

    def _is_stated(self, mentions: Sequence[Mention], relations: Relations | None) -> bool:
        """What :meth:`matches` says of :data:`MENTIONED` fields."""
        is_a = identity if relations is None else relations.is_a
        affirmed = self.field == "affirms"
        states = partial(affirms if affirmed else rules_out, mentions, is_a=is_a)
        assertion = Assertion.AFFIRMED if affirmed else Assertion.NEGATED
        stated = [m for m in mentions if m.assertion is assertion and states(m.concept)]
        names = [name for m in stated for name in (m.concept, m.term)]
        if self.relation == "null":
            return not names
        if any(self._holds(name, operand) for name in names for operand in self.operands):
            return True
        terms = [o for o in self.operands if isinstance(o, str) and self.relation == "="]
        concepts = {*terms, *(relations.find(name) for name in terms if relations)} - {""}
        return any(map(states, concepts))

    def _holds(self, value: object, operand: Value) -> bool:
        if self.relation == "like":
            return like(str(operand)).fullmatch(lower(text(value))) is not None
        compare = COMPARE[self.relation]
        if isinstance(operand, str):
            return compare(compared(self.field, value), compared(self.field, operand))
        left_number = number(value)
        return left_number is not None and compare(left_number, operand)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    child: Node

    def matches(
        self,
        case: Case,
        mentions: Sequence[Mention] | None = None,
        relations: Relations | None = None,
    ) -> bool:
        """See :meth:`Predicate.matches`."""
        return not self.child.matches(case, mentions, relations)


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions joined by ``AND`` or ``OR``."""

    word: str
    children: tuple[Node, ...]

    def matches(
        self,
        case: Case,
        mentions: Sequence[Mention] | None = None,
        relations: Relations | None = None,
    ) -> bool:
        """See :meth:`Predicate.matches`."""
        judge = all if self.word == "AND" else any
        return judge(child.matches(case, mentions, relations) for child in self.children)


Node: TypeAlias = Predicate | Not | Joined


def fields_of(node: Node) -> frozenset[str]:
    """The fields that an expression asks for."""
    if isinstance(node, Predicate):
        return frozenset({node.field})
    children = (node.child,) if isinstance(node, Not) else node.children
    return frozenset[str]().union(*map(fields_of, children))


def _required(field: str, mentions: Sequence[Mention] | None) -> Sequence[Mention]:
    if mentions is None:
        raise FilterError(
            f"This index cannot answer {field!r}: it keeps no recognised terms",
            "Use a casebase, or leave the condition out.",
        )
    return mentions
