"""Terms from XML: RadLex (and other ontologies) in OWL, and MeSH descriptor records.

Parsed as a stream by ``defusedxml``, which refuses entity expansion and external entities.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from mmedrag.definitions.lines import opened
from mmedrag.definitions.terms import Term
from mmedrag.types import Problem

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
_CLASS = "{http://www.w3.org/2002/07/owl#}Class"

_NAME = ("preferred_name", "preflabel", "label")
_SYNONYM = ("synonym", "altlabel", "hasexactsynonym")
_ACRONYM = ("acronym", "abbreviation")
_DEFINITION = ("definition", "iao_0000115")


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
    """Descriptors of MeSH (``desc20xx.xml``) with the terms of their preferred concept."""
    for element in _elements(path, "DescriptorRecord", depth=1):
        if isinstance(element, Problem):
            yield element
        else:
            yield _mesh_term(element) or Problem(path, None, "a descriptor without UI or name")


def _elements(path: Path, tag: str, depth: int) -> Iterator[Element | Problem]:
    """Each ``tag`` at ``depth`` below the root; freed after use."""
    level = -1
    root: Element | None = None
    with opened(path) as file:
        try:
            for event, element in iterparse(file, events=("start", "end")):
                level += 1 if event == "start" else 0
                root = element if root is None else root
                if event == "end":
                    if level == depth:
                        if element.tag == tag:
                            yield element
                        root.clear()
                    level -= 1
        except ParseError as error:
            yield Problem(path, error.position[0], f"not well-formed XML: {error}")
        except (DefusedXmlException, ValueError, LookupError) as error:
            yield Problem(path, None, f"refused XML: {error}")


def _owl_term(element: Element, source: str, licence: str) -> Term | None:
    about = element.get(_ABOUT, "").rstrip("/#")
    said: dict[str, list[str]] = {}
    for child in element:
        text = " ".join((child.text or "").split())
        if text and child.get(_LANGUAGE, "en").lower().startswith("en"):
            said.setdefault(_local(child.tag).lower(), []).append(text)
    name = next(iter(_said(said, _NAME)), "")
    obsolete = "true" in said.get("deprecated", []) or "preferred_name_for_obsolete" in said
    if not about or not name or obsolete:
        return None
    return Term(
        id=about.replace("#", "/").rsplit("/", 1)[-1],
        term=name,
        synonyms=tuple(s for s in (*_said(said, _NAME)[1:], *_said(said, _SYNONYM)) if s != name),
        abbreviations=_said(said, _ACRONYM),
        definition=next(iter(_said(said, _DEFINITION)), ""),
        source=source,
        licence=licence,
    )


def _said(said: dict[str, list[str]], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for name in names for text in said.get(name, [])))


def _local(tag: object) -> str:
    return str(tag).rsplit("}", 1)[-1]


def _mesh_term(record: Element) -> Term | None:
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
    notes = [" ".join((concept.findtext("ScopeNote") or "").split()) for concept in preferred]
    return Term(
        id=identifier,
        term=name,
        synonyms=tuple(dict.fromkeys(text for text in terms if text and text != name)),
        definition=next(filter(None, notes), ""),
        source="MeSH",
        licence="MeSH, U.S. National Library of Medicine (terms of use)",
    )
