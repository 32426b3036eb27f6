"""How ontologies write relations and cross references, brought to one form.

The same concept is ``UMLS_CUI:C0018923`` in one file, ``UMLS:C0018923`` in another, and
``C0018923`` in the Metathesaurus itself; part-of is ``part_of``, ``Part_Of`` or ``BFO_0000050``.
"""

from __future__ import annotations

import re

PART_OF, HAS_PART = "part_of", "has_part"

_TYPES = {
    "bfo_0000050": PART_OF,
    "partof": PART_OF,
    "is_part_of": PART_OF,
    "bfo_0000051": HAS_PART,
    "haspart": HAS_PART,
}
_PREFIXES = (
    frozenset({"UMLS", "UMLS_CUI", "CUI"}),
    frozenset({"MSH", "MESH"}),
    frozenset({"RID", "RADLEX"}),
    frozenset({"ICD10", "ICD10CM", "ICD-10", "ICD10_CM", "ICD10WHO"}),
)
"""Prefixes of one system of codes each, whose own files write the code without any."""
_SHAPES = (
    re.compile(r"C\d{7}"),
    re.compile(r"D\d{6,}"),
    re.compile(r"RID\d+"),
    re.compile(r"[A-Z]\d\d(\.\w+)?"),
)


def relation_type(name: str) -> str:
    """The type of a relation in lower case with underscores, part-of by one name.

    >>> relation_type("Part_Of"), relation_type("BFO:0000050"), relation_type("May Cause")
    ('part_of', 'part_of', 'may_cause')
    """
    plain = re.sub(r"\W+", "_", name).strip("_").lower()
    return _TYPES.get(plain, plain)


def normal_reference(code: str) -> str:
    """A cross reference or code without the prefix that files write in several ways.

    >>> normal_reference("UMLS_CUI:C0018923"), normal_reference("NCI:C3088")
    ('C0018923', 'NCI:C3088')
    """
    prefix, colon, local = code.strip().partition(":")
    for prefixes, shape in zip(_PREFIXES, _SHAPES, strict=True):
        if colon and prefix.upper() in prefixes and shape.fullmatch(local.strip()):
            return local.strip()
    return code.strip()


def spellings(reference: str) -> tuple[str, ...]:
    """The codes by which a dictionary may have what a normal reference names."""
    prefixes = [
        p
        for named, shape in zip(_PREFIXES, _SHAPES, strict=True)
        if shape.fullmatch(reference)
        for p in sorted(named)
    ]
    return (reference, *(f"{prefix}:{reference}" for prefix in prefixes))
