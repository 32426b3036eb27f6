"""``where`` expressions, read into the tree of :mod:`mmedrag.filters.tree`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from mmedrag.dates import days_of
from mmedrag.errors import FilterError
from mmedrag.filters.tree import Joined, Node, Not, Predicate
from mmedrag.filters.values import (
    COMPARE,
    FIELDS,
    FIRST_DAY,
    LARGEST,
    LAST_DAY,
    MENTIONED,
    TIMES,
    Value,
)

MAX_LENGTH = 10_000
MAX_DEPTH = 50
MAX_CONDITIONS = 300
MAX_WILDCARDS = 8  # matching time grows steeply with them


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
        nodes = [self._operand(word)]
        while self._take(word):
            nodes.append(self._operand(word))
        return nodes[0] if len(nodes) == 1 else Joined(word.upper(), tuple(nodes))

    def _operand(self, word: str) -> Node:
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
