"""``where`` expressions: parsed into a tree, never pasted into SQL.

::

    expression  := conjunction {or conjunction}
    conjunction := negation {and negation}
    negation    := not negation | ( expression ) | predicate
    predicate   := field (= != < <= > >=) value | field [not] like 'pattern'
                 | field [not] in (value, …) | field is [not] null
    value       := 'text, with '' for a quote' | number

Fields: ``id domain modality patient_id study_id date source licence split labels meta.<key>``.

Meaning: two-valued logic. An empty field is missing and equals nothing, so ``patient_id != 'P1'``
keeps cases without a patient. ``labels = 'x'`` asks for membership. ``domain``, ``modality``,
``split`` and ``labels`` ignore ASCII case, the others do not; ``like`` (``%`` any text, ``_`` one
character) always does. A number is compared as a number, also with a stored text that reads as
one; a text is compared as text.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from mmedrag.errors import FilterError
from mmedrag.types import Case

Value: TypeAlias = str | float

MAX_LENGTH = 10_000
MAX_DEPTH = 50
MAX_CONDITIONS = 300  # SQLite allows expressions of depth 1000
MAX_WILDCARDS = 8  # matching time grows steeply with them

_COLUMNS = ("id", "domain", "modality", "patient_id", "study_id", "date", "source", "licence")
FIELDS = (*_COLUMNS, "split", "labels")
_CASELESS = frozenset({"domain", "modality", "split", "labels"})
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True)
class Predicate:
    """One comparison: true where any operand stands in that relation to any value of the field.

    ``relation`` is one of ``= < <= > >= like null``.
    """

    field: str
    relation: str
    operands: tuple[Value, ...] = ()

    def sql(self) -> tuple[str, list[Value]]:
        """A condition on table ``cases`` that is 0 or 1, and its parameters."""
        if self.relation == "null":
            value, path = self._value()
            return (
                ("cases.labels = '[]'", [])
                if self.field == "labels"
                else (
                    f"{value} IS NULL",
                    path,
                )
            )
        value, path = self._value()
        tests, values = [], []
        for kind in (str, float):
            operands = [operand for operand in self.operands if isinstance(operand, kind)]
            if operands:
                tests.append(self._test(value, kind, len(operands)))
                values += [*path, *operands]
        condition = f"({' OR '.join(tests)})"
        if self.field == "labels":
            condition = f"EXISTS (SELECT 1 FROM json_each(cases.labels) WHERE {condition})"  # noqa: S608
        return condition, values

    def _value(self) -> tuple[str, list[Value]]:
        if self.field == "labels":
            return "value", []
        if self.field.startswith("meta."):
            keys = self.field.split(".")[1:]
            return "NULLIF(json_extract(cases.meta, ?), '')", [
                "$" + "".join(f'."{key}"' for key in keys)
            ]
        return f"NULLIF(cases.{self.field}, '')", []

    def _test(self, value: str, kind: type, count: int) -> str:
        if self.relation == "like":
            return f"COALESCE(CAST({value} AS TEXT) LIKE ?, 0)"
        compared = f"number({value})"
        if kind is str:
            collation = " COLLATE NOCASE" if self.field in _CASELESS else ""
            compared = f"CAST({value} AS TEXT){collation}"
        if self.relation == "=":
            return f"COALESCE({compared} IN ({', '.join('?' * count)}), 0)"
        return f"COALESCE({compared} {self.relation} ?, 0)"

    def matches(self, case: Case) -> bool:
        """The same condition, evaluated on a case in memory."""
        stored = [value for value in _stored(case, self.field) if value not in (None, "")]
        if self.relation == "null":
            return not stored
        return any(self._holds(value, operand) for value in stored for operand in self.operands)

    def _holds(self, value: object, operand: Value) -> bool:
        if self.relation == "like":
            return _like(str(operand)).fullmatch(_text(value).translate(_LOWER)) is not None
        compare = _COMPARE[self.relation]
        if isinstance(operand, str):
            left = _text(value)
            if self.field in _CASELESS:
                return compare(left.translate(_LOWER), operand.translate(_LOWER))
            return compare(left, operand)
        left_number = number(value)
        return left_number is not None and compare(left_number, operand)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    part: Node

    def sql(self) -> tuple[str, list[Value]]:
        """See :meth:`Predicate.sql`."""
        text, values = self.part.sql()
        return f"(NOT {text})", values

    def matches(self, case: Case) -> bool:
        """See :meth:`Predicate.matches`."""
        return not self.part.matches(case)


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions joined by ``AND`` or ``OR``."""

    word: str
    parts: tuple[Node, ...]

    def sql(self) -> tuple[str, list[Value]]:
        """See :meth:`Predicate.sql`."""
        pieces = [part.sql() for part in self.parts]
        text = f" {self.word} ".join(piece for piece, _ in pieces)
        return f"({text})", [value for _, values in pieces for value in values]

    def matches(self, case: Case) -> bool:
        """See :meth:`Predicate.matches`."""
        judge = all if self.word == "AND" else any
        return judge(part.matches(case) for part in self.parts)


Node: TypeAlias = Predicate | Not | Joined


def parse(where: str) -> Node:
    """Read a ``where`` expression.

    Raises:
        FilterError: it does not parse; the message names the position and what may stand there.
    """
    if len(where) > MAX_LENGTH:
        raise FilterError(
            f"The filter is {len(where)} characters long", f"Use at most {MAX_LENGTH}."
        )
    return _Parser(where).whole()


def number(value: object) -> float | None:
    """The finite number that a stored value is or reads as; also an SQL function of the store."""
    if not isinstance(value, str | int | float):
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def _stored(case: Case, field: str) -> list[object]:
    if field == "labels":
        return list(case.labels)
    if not field.startswith("meta."):
        return [getattr(case, field)]
    value: object = case.meta
    for key in field.split(".")[1:]:
        value = value.get(key) if isinstance(value, dict) else None
    return [value]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


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
    found = []
    position = 0
    while position < len(where):
        if where[position].isspace():
            position += 1
            continue
        match = _TOKEN.match(where, position)
        if match is None:
            raise _unreadable(where, position)
        found.append(_Token(str(match.lastgroup), match.group(), position))
        position = match.end()
    return [*found, _Token("end", "", len(where))]


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
        field = self._field()
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

    def _comparison(self, field: str) -> Node:
        sign = self._next.text
        if sign in _COMPARE:
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
        if token.kind == "number" and math.isfinite(float(token.text)):
            self._at += 1
            return float(token.text)
        raise self._error("Here a 'text' in single quotes or a number must stand")

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
