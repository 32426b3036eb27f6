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

from mmedrag.filters.expressions import as_of, both, quoted
from mmedrag.filters.parser import MAX_CONDITIONS, MAX_DEPTH, MAX_LENGTH, MAX_WILDCARDS, parse
from mmedrag.filters.tree import Joined, Node, Not, Predicate, fields_of
from mmedrag.filters.values import (
    CASELESS,
    COMPARE,
    FIELDS,
    FIRST_DAY,
    LARGEST,
    LAST_DAY,
    MENTIONED,
    TIMES,
    Value,
    compared,
    number,
    text,
)

__all__ = [
    "CASELESS",
    "COMPARE",
    "FIELDS",
    "FIRST_DAY",
    "LARGEST",
    "LAST_DAY",
    "MAX_CONDITIONS",
    "MAX_DEPTH",
    "MAX_LENGTH",
    "MAX_WILDCARDS",
    "MENTIONED",
    "TIMES",
    "Joined",
    "Node",
    "Not",
    "Predicate",
    "Value",
    "as_of",
    "both",
    "compared",
    "fields_of",
    "number",
    "parse",
    "quoted",
    "text",
]
