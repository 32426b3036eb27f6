"""Terms from XML: RadLex (and other ontologies) in OWL, and MeSH descriptor records.

Parsed as a stream by ``defusedxml``, which refuses entity expansion and external entities.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from mmedrag.definitions.kinds import kind_of_tree
from mmedrag.definitions.lines import opened
from mmedrag.definitions.references import relation_type
from mmedrag.definitions.terms import Term
from mmedrag.types import Problem

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
_RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"
_OWL = "{http://www.w3.org/2002/07/owl#}"
_CLASS = f"{_OWL}Class"
_SUBCLASS = "{http://www.w3.org/2000/01/rdf-schema#}subClassOf"

LONGEST = 32 << 20
"""Bytes of one class or descriptor; a file with a longer one is read up to it."""

DEEPEST = 256
"""Elements within one another; a file that nests deeper is read up to it."""

_NAME = ("preferred_name", "preflabel", "label")
_SYNONYM = ("synonym", "altlabel", "hasexactsynonym")
_ACRONYM = ("acronym", "abbreviation")
_DEFINITION = ("definition", "iao_0000115")
_REFERENCE = ("hasdbxref", "umls_id")
_STRUCTURE = ("http://www.w3.org/", "http://www.geneontology.org/formats/oboInOwl#")
"""Namespaces whose elements say how an ontology is written, not how its concepts are related."""


def read_owl(path: Path) -> Iterator[Term | Problem]:
    """Named classes of an RDF/XML ontology with English annotations, as RadLex is published.

    Understands RadLex's ``Preferred_name``, ``Synonym``, ``Acronym`` and ``Definition``, and the
    RDFS, SKOS and OBO properties of the same meaning.
    """
    source = "RadLex" if "radlex" in path.name.lower() else path.name.split(".")[0]
    licence = "RSNA RadLex licence" if source == "RadLex" else ""
    for element in _elements(path, _CLASS, depth=1):
        if isinstance(element, Problem):
            yield element
        elif term := _owl_term(element, source, licence):
            yield term


def read_mesh(path: Path) -> Iterator[Term | Problem]:
    """Descriptors of MeSH (``desc20xx.xml``) with the terms of their preferred concept.

    Parents and kinds come from the tree numbers. The file is read twice: a descriptor may stand
    before its parent.
    """
    owners = {
        number: (element.findtext("DescriptorUI") or "").strip()
        for element in _elements(path, "DescriptorRecord", depth=1)
        if not isinstance(element, Problem)
        for number in _trees(element)
    }
    for element in _elements(path, "DescriptorRecord", depth=1):
        if isinstance(element, Problem):
            yield element
        else:
            term = _mesh_term(element, owners)
            yield term or Problem(path, None, "a descriptor without UI or name")


def _elements(path: Path, tag: str, depth: int) -> Iterator[Element | Problem]:
    """Each ``tag`` at ``depth`` below the root; freed after use."""
    level = -1
    root: Element | None = None
    with opened(path) as file:
        source = _Measured(file)
        try:
            for event, element in iterparse(source, events=("start", "end")):  # type: ignore[arg-type]
                level += 1 if event == "start" else 0
                if level > DEEPEST:
                    raise ValueError(f"elements nested more than {DEEPEST} deep")
                root = element if root is None else root
                if event == "end":
                    if level == depth:
                        if element.tag == tag:
                            yield element
                        root.clear()
                        source.since = 0
                    level -= 1
        except ParseError as error:
            yield Problem(path, error.position[0], f"not well-formed XML: {error}")
        except (DefusedXmlException, ValueError, LookupError) as error:
            yield Problem(path, None, f"refused XML: {error}")


class _Measured:
    """A file that counts what was read ``since`` an element was done with, and has a limit."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.since = 0

    def read(self, size: int) -> bytes:
        """Read like a binary file.

        Raises:
            ValueError: more than :data:`LONGEST` bytes since the last element.
        """
        piece = self._file.read(size)
        self.since += len(piece)
        if self.since > LONGEST:
            raise ValueError(f"an element longer than {LONGEST} bytes")
        return piece


def _owl_term(element: Element, source: str, licence: str) -> Term | None:
    about = element.get(_ABOUT, "").rstrip("/#")
    elements: dict[str, list[str]] = {}
    for child in element:
        text = " ".join((child.text or "").split())
        if text and child.get(_LANGUAGE, "en").lower().startswith("en"):
            elements.setdefault(_local(child.tag).lower(), []).append(text)
    name = next(iter(_values(elements, _NAME)), "")
    obsolete = {"true", "1"}.intersection(
        elements.get("deprecated", [])
    ) or "preferred_name_for_obsolete" in elements
    if not about or not name or obsolete:
        return None
    return Term(
        id=_last_segment(about),
        term=name,
        synonyms=tuple(
            s for s in (*_values(elements, _NAME)[1:], *_values(elements, _SYNONYM)) if s != name
        ),
        abbreviations=_values(elements, _ACRONYM),
        definition=next(iter(_values(elements, _DEFINITION)), ""),
        source=source,
        licence=licence,
        parents=tuple(
            _last_segment(child.get(_RESOURCE, ""))
            for child in element
            if _local(child.tag) == "subClassOf" and child.get(_RESOURCE)
        ),
        relations=tuple(dict.fromkeys(_relations(element))),
        references=_values(elements, _REFERENCE),
    )


def _relations(element: Element) -> Iterator[tuple[str, str]]:
    """Object relations: elements that name another class, and restrictions of a superclass."""
    for child in element:
        target = child.get(_RESOURCE)
        if target and not str(child.tag).lstrip("{").startswith(_STRUCTURE):
            yield relation_type(_local(child.tag)), _last_segment(target)
    for restriction in element.findall(f"{_SUBCLASS}/{_OWL}Restriction"):
        named = restriction.find(f"{_OWL}onProperty")
        filler = restriction.find(f"{_OWL}someValuesFrom")
        if named is not None and filler is not None and filler.get(_RESOURCE):
            kind = _last_segment(named.get(_RESOURCE, ""))
            yield relation_type(kind), _last_segment(filler.get(_RESOURCE, ""))


def _values(elements: dict[str, list[str]], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for name in names for text in elements.get(name, [])))


def _last_segment(address: str) -> str:
    return address.rstrip("/#").replace("#", "/").rsplit("/", 1)[-1]


def _local(tag: object) -> str:
    return str(tag).rsplit("}", 1)[-1]


def _trees(record: Element) -> list[str]:
    return [(n.text or "").strip() for n in record.findall("TreeNumberList/TreeNumber")]


def _mesh_term(record: Element, owners: Mapping[str, str]) -> Term | None:
    identifier = (record.findtext("DescriptorUI") or "").strip()
    name = (record.findtext("DescriptorName/String") or "").strip()
    if not identifier or not name:
        return None
    concepts = record.findall("ConceptList/Concept")
    preferred = [c for c in concepts if c.get("PreferredConceptYN") == "Y"] or concepts[:1]
    terms = [
        (term.findtext("String") or "").strip()
        for concept in preferred
        for term in concept.findall("TermList/Term")
        if term.get("IsPermutedTermYN") != "Y"
    ]
    above = [number.rpartition(".")[0] for number in _trees(record)]
    notes = [" ".join((concept.findtext("ScopeNote") or "").split()) for concept in preferred]
    return Term(
        id=identifier,
        term=name,
        synonyms=tuple(dict.fromkeys(text for text in terms if text and text != name)),
        definition=next(filter(None, notes), ""),
        source="MeSH",
        licence="MeSH, U.S. National Library of Medicine (terms of use)",
        kind=next(filter(None, map(kind_of_tree, _trees(record))), ""),
        parents=tuple(dict.fromkeys(filter(None, map(owners.get, above)))),
    )
