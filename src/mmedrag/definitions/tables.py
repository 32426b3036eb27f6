"""Terms from tables: JSONL, CSV and TSV with named columns, and MMedRAG's own glossary.

Columns (case does not matter): ``id``, ``term``, ``synonyms``, ``abbreviations``, ``plural``,
``definition``, ``source``, ``licence``, ``kind``, ``parents`` (ids or terms); the names that
BioPortal's CSV exports give them ("Class ID", "Preferred Label", …) are understood too. Only
``term`` is required. In CSV several synonyms, abbreviations or parents are separated by ``|``.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from mmedrag.definitions.lines import lines
from mmedrag.definitions.terms import Term
from mmedrag.types import Problem

_COLUMNS = {
    "id": ("id", "concept", "concept id", "class id", "code", "rid", "cui", "radlex id"),
    "term": ("term", "name", "preferred label", "preferred name", "preferred_name", "label"),
    "synonyms": ("synonyms", "synonym", "aliases"),
    "abbreviations": ("abbreviations", "abbreviation", "acronym", "acronyms"),
    "plural": ("plural",),
    "definition": ("definition", "definitions", "def", "description"),
    "source": ("source",),
    "licence": ("licence", "license"),
    "kind": ("kind", "semantic type", "semantic_type", "semantic types", "type"),
    "parents": ("parents", "parent", "is_a", "superclass"),
    "obsolete": ("obsolete", "is_obsolete", "deprecated"),
}
_YES = {"true", "1", "yes", "y"}


def read_jsonl(path: Path) -> Iterator[Term | Problem]:
    """Terms of a file with one JSON object a line."""
    for number, line in lines(path):
        if isinstance(line, Problem):
            yield line
        elif line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Problem(path, number, f"not JSON: {error}")
                continue
            yield from _row(row, path, number)


def read_csv(path: Path) -> Iterator[Term | Problem]:
    """Terms of a CSV or TSV file whose first line names the columns."""
    problems: list[Problem] = []
    texts = _texts(path, problems)
    header = next(texts, "")
    reader = csv.reader(chain([header], texts), delimiter=max("\t,;", key=header.count))
    columns: list[str] | None = None
    while True:
        try:
            values = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield Problem(path, reader.line_num, f"not CSV: {error}")
            continue
        yield from problems
        problems.clear()
        if columns is None:
            columns = values
        elif any(values):
            yield from _row(dict(zip(columns, values, strict=False)), path, reader.line_num)
    yield from problems


def read_glossary(path: Path) -> Iterator[Term]:
    """Terms of MMedRAG's own glossary, which names parents and regions by their terms."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    ids = {row["term"]: row["id"] for row in rows}
    for row in rows:
        yield Term(
            id=row["id"],
            term=row["term"],
            synonyms=(*row["synonyms"], *filter(None, [row.get("plural")])),
            abbreviations=tuple(row["abbreviations"]),
            definition=row["definition"],
            source="MMedRAG glossary",
            licence="Apache-2.0",
            kind=row["kind"],
            curated=True,
            lay=tuple(row.get("lay", ())),
            contexts=row.get("contexts", {}),
            parents=tuple(ids[parent] for parent in row.get("parents", ())),
            region=ids[row["region"]] if "region" in row else "",
            domains=tuple(row["domains"]),
        )


def _texts(path: Path, problems: list[Problem]) -> Iterator[str]:
    for _, line in lines(path):
        if isinstance(line, Problem):
            problems.append(line)
            yield "\n"
        else:
            yield line + "\n"


def _row(row: object, path: Path, number: int) -> Iterator[Term | Problem]:
    if not isinstance(row, Mapping):
        yield Problem(path, number, "not an object with named fields")
        return
    fields = {str(name).strip().lower(): value for name, value in row.items()}
    values = {
        field: next((fields[n] for n in names if fields.get(n)), None)
        for field, names in _COLUMNS.items()
    }
    term = _text(values["term"])
    if not term:
        yield Problem(path, number, "no term")
    elif _text(values["obsolete"]).lower() not in _YES:
        yield _term(term, values, path, number)


def _term(term: str, values: Mapping[str, object], path: Path, number: int) -> Term:
    stem = path.name.split(".")[0]
    return Term(
        id=_identifier(_text(values["id"])) or f"{stem}:{number}",
        term=term,
        synonyms=_several(values["synonyms"]) + _several(values["plural"]),
        abbreviations=_several(values["abbreviations"]),
        definition=_text(values["definition"]),
        source=_text(values["source"]) or stem,
        licence=_text(values["licence"]),
        kind=_text(values["kind"]),
        parents=tuple(map(_identifier, _several(values["parents"]))),
    )


def _identifier(text: str) -> str:
    """The last part of a URI, anything else as it is."""
    return re.split(r"[/#]", text.rstrip("/#"))[-1] if "://" in text else text


def _text(value: object) -> str:
    if isinstance(value, list):
        value = next((v for v in value if isinstance(v, str)), "")
    return " ".join(str(value).split()) if isinstance(value, str | int | bool) else ""


def _several(value: object) -> tuple[str, ...]:
    values = (
        value.split("|") if isinstance(value, str) else value if isinstance(value, list) else []
    )
    return tuple(text for text in map(_text, values) if text)
