"""``where`` expressions: parsed into a small tree of values, which each engine translates.

::

    expression  := conjunction {or conjunction}
    conjunction := negation {and negation}
    negation    := not negation | ( expression ) | predicate
    predicate   := field (= != < <= > >=) value | field [not] like 'pattern'
                 | field [not] in (value, …) | field is [not] null
                 | (before until after) time | within number days of time
    value       := 'text, with '' for a quote' | number
    time        := 'date' | number of offset_days

Fields: ``id domain modality patient_id study_id date offset_days source licence split labels
diagnosis affirms rules_out meta.<key>``.

Meaning: two-valued logic. An empty field is missing and equals nothing, so ``patient_id != 'P1'``
keeps cases without a patient. ``labels = 'x'`` asks for membership. ``affirms = 'effusion'`` asks
for a concept, by its code or a name, of which the report says that it or a kind of it is there (a
pleural effusion); ``rules_out`` for one that it denies, by itself or with all that it is a kind of
(:mod:`mmedrag.entailment`); ``like`` reads the names of what the report itself mentions.
``domain``, ``modality``, ``split``, ``labels``, ``affirms`` and ``rules_out`` ignore ASCII case,
the others do not; ``like`` (``%`` any text, ``_`` one character) always does. A number is compared
as a number, also with a stored text that reads as one; whole numbers below 2^63 are compared
exactly. A text is compared as text.

``before '2020-02'`` asks for cases whose date is certainly before that month, ``until`` for those
certainly not after it, ``within 30 days of '2020-02-10'`` for those certainly that near. A number
in the place of a date is one of ``offset_days``. A case of unknown time meets none of them.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from mmedrag.dates import days_of, first_day, last_day
from mmedrag.entailment import Relations, affirms, identity, rules_out
from mmedrag.errors import FilterError
from mmedrag.types import Assertion, Case, Mention

Value: TypeAlias = str | int | float

MAX_LENGTH = 10_000
MAX_DEPTH = 50
MAX_CONDITIONS = 300
MAX_WILDCARDS = 8  # matching time grows steeply with them
LARGEST = 2**63 - 1
"""Of the whole numbers that engines compare exactly."""

MENTIONED = ("affirms", "rules_out")
"""Fields that ask for what the report says, as it was recognised when the case was stored."""

FIELDS = (
    "id", "domain", "modality", "patient_id", "study_id", "date", "offset_days", "source",
    "licence", "split", "labels", "diagnosis", *MENTIONED,
)  # fmt: skip
FIRST_DAY, LAST_DAY = "date.first", "date.last"
"""The first and the last day that a date may mean (:mod:`mmedrag.dates`), as :data:`TIMES` ask."""
TIMES = ("before", "until", "after")
"""Words that ask for a time."""
CASELESS = frozenset({"domain", "modality", "split", "labels", *MENTIONED})
"""Fields whose texts are compared without regard to ASCII case."""

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""What each relation but ``like`` and ``null`` asks of two values."""
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


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
        stored = [value for value in _stored(case, self.field) if value not in (None, "")]
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
        asked = [o for o in self.operands if isinstance(o, str) and self.relation == "="]
        concepts = {*asked, *(relations.find(name) for name in asked if relations)} - {""}
        return any(map(states, concepts))

    def _holds(self, value: object, operand: Value) -> bool:
        if self.relation == "like":
            return _like(str(operand)).fullmatch(text(value).translate(_LOWER)) is not None
        compare = COMPARE[self.relation]
        if isinstance(operand, str):
            return compare(compared(self.field, value), compared(self.field, operand))
        left_number = number(value)
        return left_number is not None and compare(left_number, operand)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    part: Node

    def matches(
        self,
        case: Case,
        mentions: Sequence[Mention] | None = None,
        relations: Relations | None = None,
    ) -> bool:
        """See :meth:`Predicate.matches`."""
        return not self.part.matches(case, mentions, relations)


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions joined by ``AND`` or ``OR``."""

    word: str
    parts: tuple[Node, ...]

    def matches(
        self,
        case: Case,
        mentions: Sequence[Mention] | None = None,
        relations: Relations | None = None,
    ) -> bool:
        """See :meth:`Predicate.matches`."""
        judge = all if self.word == "AND" else any
        return judge(part.matches(case, mentions, relations) for part in self.parts)


Node: TypeAlias = Predicate | Not | Joined


def fields_of(node: Node) -> frozenset[str]:
    """The fields that an expression asks for."""
    if isinstance(node, Predicate):
        return frozenset({node.field})
    parts = (node.part,) if isinstance(node, Not) else node.parts
    return frozenset[str]().union(*map(fields_of, parts))


def both(first: str | None, second: str | None) -> str | None:
    """The filter that lets in what two filters let in; ``None`` is no filter.

    Raises:
        FilterError: one of them does not parse alone, so that none can get out of its brackets.
    """
    given = [where for where in (first, second) if where is not None]
    for where in given:
        parse(where)
    return " and ".join(f"({where})" for where in given) if len(given) > 1 else first or second


def as_of(patient_id: str, at: str | float) -> str:
    """The filter that hides what became of a patient after a time; other patients stay.

    Studies of the patient whose time is unknown are hidden too: they may be later ones.

    Raises:
        FilterError: the time is no date.
    """
    time = quoted(at) if isinstance(at, str) else repr(at)
    where = f"patient_id != {quoted(patient_id)} or until {time}"
    parse(where)
    return where


def quoted(value: str) -> str:
    """A text as it stands in a filter."""
    return "'" + value.replace("'", "''") + "'"


def parse(where: str) -> Node:
    """Read a ``where`` expression.

    Raises:
        FilterError: it does not parse; the message names the position and what may stand there.
    """
    if "\0" in where:
        raise FilterError(
            f"The filter has a NUL character at {where.index(chr(0)) + 1}", "Remove it."
        )
    if len(where) > MAX_LENGTH:
        raise FilterError(
            f"The filter is {len(where)} characters long", f"Use at most {MAX_LENGTH}."
        )
    return _Parser(where).whole()


def number(value: object) -> int | float | None:
    """The finite number that a stored value is or reads as; whole where it is and below 2^63."""
    if not isinstance(value, str | int | float):
        return None
    if not isinstance(value, float):
        with suppress(ValueError):
            whole = int(value)
            if abs(whole) <= LARGEST:
                return whole
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def text(value: object) -> str:
    """A stored value as it is compared with texts."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def compared(field: str, value: object) -> str:
    """A stored value of a field, or a text of a filter, as the two are compared as texts."""
    return text(value).translate(_LOWER) if field in CASELESS else text(value)


def _stored(case: Case, field: str) -> list[object]:
    if field == "labels":
        return list(case.labels)
    if field in (FIRST_DAY, LAST_DAY):
        return [(first_day if field == FIRST_DAY else last_day)(case.date)]
    if field == "offset_days":
        return [case.meta.get(field)]
    if not field.startswith("meta."):
        return [getattr(case, field)]
    value: object = case.meta
    for key in field.split(".")[1:]:
        value = value.get(key) if isinstance(value, dict) else None
    return [value]


def _required(field: str, mentions: Sequence[Mention] | None) -> Sequence[Mention]:
    if mentions is None:
        raise FilterError(
            f"This index cannot answer {field!r}: it keeps no recognised terms",
            "Use a casebase, or leave the condition out.",
        )
    return mentions


def _like(pattern: str) -> re.Pattern[str]:
    wild = {"%": ".*", "_": "."}
    parts = [wild.get(character) or re.escape(character) for character in pattern]
    return re.compile("".join(parts).translate(_LOWER), re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # text, number, name, sign, end
    text: str
    start: int


_TOKEN = re.compile(
    r"(?P<text>'(?:[^']|'')*')"
    r"|(?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])"
    r"|(?P<name>[A-Za-z_]\w*(?:\.[\w-]+)*)"
    r"|(?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,)"
)
_KEYWORDS = frozenset({"and", "or", "not", "in", "like", "is", "null"})


def _tokens(where: str) -> list[_Token]:
    tokens = []
    position = 0
    while position < len(where):
        if where[position].isspace():
            position += 1
            continue
        match = _TOKEN.match(where, position)
        if match is None:
            raise _unreadable(where, position)
        tokens.append(_Token(str(match.lastgroup), match.group(), position))
        position = match.end()
    return [*tokens, _Token("end", "", len(where))]


def _unreadable(where: str, position: int) -> FilterError:
    what = f"The filter has an unexpected {where[position]!r} at character {position + 1}"
    if where[position] == "'":
        return FilterError(what, "Close the text with ' and write a quote inside it as ''.")
    return FilterError(what, "Write it like: modality = 'ct' and patient_id != 'P1'.")


class _Parser:
    """Recursive descent, one method a rule of the grammar."""

    def __init__(self, where: str) -> None:
        self._tokens = _tokens(where)
        self._at = 0
        self._depth = 0
        self._conditions = 0

    def whole(self) -> Node:
        node = self._joined("or")
        if self._next.kind != "end":
            raise self._error("Join conditions with 'and' or 'or'")
        return node

    def _joined(self, word: str) -> Node:
        parts = [self._part_of(word)]
        while self._take(word):
            parts.append(self._part_of(word))
        return parts[0] if len(parts) == 1 else Joined(word.upper(), tuple(parts))

    def _part_of(self, word: str) -> Node:
        return self._joined("and") if word == "or" else self._negation()

    def _negation(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"Nest at most {MAX_DEPTH} levels")
        try:
            if self._take("not"):
                return Not(self._negation())
            if self._take("("):
                node = self._joined("or")
                self._expect(")")
                return node
            return self._predicate()
        finally:
            self._depth -= 1

    def _predicate(self) -> Node:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise self._error(
                f"Use at most {MAX_CONDITIONS} conditions, or 'in (…)' for many values"
            )
        word = self._next.text.lower() if self._next.kind == "name" else ""
        if word in TIMES:
            self._at += 1
            return self._time(word, self._value())
        if self._take("within"):
            return self._within()
        field = self._field()
        if field in MENTIONED and self._next.text in ("<", "<=", ">", ">="):
            raise self._error(f"After {field} write = != in, like or is null")
        if self._take("is"):
            negated = self._take("not")
            self._expect("null")
            return self._unless(negated, Predicate(field, "null"))
        negated = self._take("not")
        if self._take("in"):
            return self._unless(negated, Predicate(field, "=", self._list()))
        if self._take("like"):
            return self._unless(negated, Predicate(field, "like", (self._pattern(),)))
        if negated:
            raise self._error("After 'not' comes 'in' or 'like' here")
        return self._comparison(field)

    def _time(self, word: str, value: Value) -> Node:
        if not isinstance(value, str):
            sign = {"before": "<", "until": "<=", "after": ">"}[word]
            return Predicate("offset_days", sign, (value,))
        first, last = self._days(value)
        if word == "after":
            return Predicate(FIRST_DAY, ">", (last,))
        return Predicate(LAST_DAY, "<", (first,) if word == "before" else (last + 1,))

    def _within(self) -> Node:
        if self._next.kind != "number":
            raise self._error("After 'within' comes a number of days")
        days = self._value()
        assert not isinstance(days, str)
        if not (self._take("days") or self._take("day")):
            raise self._error("Write it like: within 30 days of '2020-02-10'")
        self._expect("of")
        value = self._value()
        low, high = "offset_days", "offset_days"
        first = last = value
        if isinstance(value, str):
            (first, last), (low, high) = self._days(value), (FIRST_DAY, LAST_DAY)
        assert not isinstance(first, str)
        assert not isinstance(last, str)
        near = (Predicate(low, ">=", (first - days,)), Predicate(high, "<=", (last + days,)))
        return Joined("AND", near)

    def _days(self, value: str) -> tuple[int, int]:
        span = days_of(value)
        if span is None:
            raise FilterError(
                f"{value[:40]!r} is no date", "Write it like '2020-02-10', '2020-02' or '2020'."
            )
        return span

    def _comparison(self, field: str) -> Node:
        sign = self._next.text
        if sign in COMPARE:
            self._at += 1
            return Predicate(field, sign, (self._value(),))
        if sign in ("!=", "<>"):
            self._at += 1
            return Not(Predicate(field, "=", (self._value(),)))
        raise self._error(f"After {field} write = != < <= > >= in, like or is null")

    def _field(self) -> str:
        token = self._next
        if token.kind != "name" or token.text.lower() in _KEYWORDS:
            raise self._error(f"Here a field must stand: {', '.join(FIELDS)} or meta.<key>")
        name = "licence" if token.text == "license" else token.text
        if name not in FIELDS and not (name.startswith("meta.") and len(name) > len("meta.")):
            raise self._error(f"Known fields: {', '.join(FIELDS)} and meta.<key>")
        self._at += 1
        return name

    def _list(self) -> tuple[Value, ...]:
        self._expect("(")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _value(self) -> Value:
        token = self._next
        if token.kind == "text":
            self._at += 1
            return self._unquoted(token)
        if token.kind == "number":
            return self._number(token)
        raise self._error("Here a 'text' in single quotes or a number must stand")

    def _number(self, token: _Token) -> int | float:
        if re.fullmatch(r"[-+]?\d+", token.text):
            if len(token.text) > 20 or abs(int(token.text)) > LARGEST:
                raise self._error(f"A whole number here is at most {LARGEST}; a text is in quotes")
            self._at += 1
            return int(token.text)
        if not math.isfinite(float(token.text)):
            raise self._error("Here a 'text' in single quotes or a finite number must stand")
        self._at += 1
        return float(token.text)

    def _pattern(self) -> str:
        token = self._next
        if token.kind != "text":
            raise self._error("After 'like' comes a 'pattern' in single quotes")
        if token.text.count("%") > MAX_WILDCARDS:
            raise self._error(f"Use at most {MAX_WILDCARDS} '%' in one pattern")
        self._at += 1
        return self._unquoted(token)

    def _unquoted(self, token: _Token) -> str:
        text = token.text[1:-1].replace("''", "'")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise FilterError(
                f"The text at character {token.start + 1} of the filter is not valid Unicode",
                "Remove the broken characters.",
            )
        return text

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, word: str) -> bool:
        token = self._next
        if token.kind in ("name", "sign") and token.text.lower() == word:
            self._at += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise self._error(f"Here {word!r} must stand")

    @staticmethod
    def _unless(negated: bool, node: Node) -> Node:
        return Not(node) if negated else node

    def _error(self, remedy: str) -> FilterError:
        token = self._next
        if token.kind == "end":
            return FilterError("The filter ends too early", f"{remedy}.")
        shown = token.text if len(token.text) <= 40 else token.text[:40] + "…"
        return FilterError(
            f"The filter has an unexpected {shown!r} at character {token.start + 1}", f"{remedy}."
        )
