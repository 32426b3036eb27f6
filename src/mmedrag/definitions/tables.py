"""Terms from tables: JSONL, CSV and TSV with named columns, and MMedRAG's own glossary.

Columns (case does not matter): ``id``, ``term``, ``synonyms``, ``abbreviations``, ``plural``,
``definition``, ``source``, ``licence``, ``kind``, ``parents`` (ids or terms),
``part_of`` (likewise), ``xrefs`` (codes of other sources); the names that
BioPortal's CSV exports give them ("Class ID", "Preferred Label", …) are understood too. Only
``term`` is required. In CSV several synonyms, abbreviations or parents are separated by ``|``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from mmedrag.definitions.lines import LONGEST, lines
from mmedrag.definitions.references import PART_OF
from mmedrag.definitions.terms import Term
from mmedrag.errors import CorpusError
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
    "part_of": ("part_of", "part of"),
    "xrefs": ("xrefs", "xref", "cross references", "database_cross_reference"),
    "obsolete": ("obsolete", "is_obsolete", "deprecated"),
}
_SEPARATOR = re.compile(r"sep=(.)\s*", re.IGNORECASE)  # Excel's first line
_MOST_LINES = 1000  # of one row
_MISSING = {
    *("nan", "<na>", "null", "none", "n/a", "#n/a"),  # "NA" is sodium
    *("#ref!", "#div/0!", "#name?", "#num!", "#value!", "#null!", "#error!"),
}
_FORMULA = re.compile(r'\A="([^"]*)"\Z')  # how a number is kept as text in Excel
_BEFORE = 10  # lines that are looked through for the header
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
    """Terms of a CSV or TSV file whose first line names the columns.

    A quotation mark that is never closed is a plain character, and costs no other row.
    """
    source = _Lines(path)
    delimiter, columns = _header(source, path)
    for number, line in source:
        try:
            values = _values(source, number, line, delimiter, len(columns))
        except csv.Error as error:
            values = []
            yield Problem(path, number, f"not CSV: {error}")
        yield from source.problems()
        whole = len(values) >= len(columns)
        if whole and source.unclosed != number:
            source.unclosed = 0
        if source.unclosed and not whole and any(values):
            reason = f"{len(values)} of {len(columns)} columns, after a quotation mark"
            yield Problem(path, number, f"{reason} in line {source.unclosed} that is never closed")
        elif values == columns:
            yield Problem(path, number, "the header again")
        elif any(values):
            plain = (_FORMULA.sub(r"\1", value) for value in values)
            yield from _row(dict(zip(columns, plain, strict=False)), path, number)
    yield from source.problems()


def _header(source: _Lines, path: Path) -> tuple[str, list[str]]:
    """The delimiter and the columns, of the first of ten lines that names one of terms.

    Raises:
        CorpusError: where none does.
    """
    declared = None
    lines = ((number, line) for number, line in source if line.strip())
    for _, line in islice(lines, _BEFORE):
        if mark := _SEPARATOR.fullmatch(line):
            declared = mark[1]
            continue
        delimiter = declared or max("\t,;|", key=line.count)
        columns = line.split(delimiter)
        with suppress(csv.Error):
            columns = next(csv.reader([line], delimiter=delimiter), [])
        if not {name.strip().lower() for name in columns}.isdisjoint(_COLUMNS["term"]):
            return delimiter, columns
    raise CorpusError(f"{path} has no column of terms", f"Name it {' or '.join(_COLUMNS['term'])}.")


class _Lines:
    """The lines of a file by their numbers, some of which may be read again.

    ``unclosed`` is the line of a quotation mark that is never closed, until a whole row has come:
    shorter rows after it are what its cell would have held.
    """

    def __init__(self, path: Path) -> None:
        self.unclosed = 0
        self._path, self._source = path, lines(path)
        self._returned: deque[tuple[int, str]] = deque()
        self._problems: list[Problem] = []

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while True:
            if self._returned:
                yield self._returned.popleft()
                continue
            number, line = next(self._source, (0, ""))
            if not number:
                return
            if isinstance(line, Problem):
                self._problems.append(line)
            else:
                yield number, line

    def problems(self) -> Iterator[Problem]:
        """What could not be read since this was called last."""
        problems, self._problems = self._problems, []
        yield from problems

    def put_back(self, unread: Sequence[tuple[int, str]]) -> None:
        """Give these lines once more."""
        self._returned.extendleft(reversed(unread))


def _values(source: _Lines, number: int, line: str, delimiter: str, width: int) -> list[str]:
    """The cells of the row that begins with a line: over several lines where a cell is."""
    if line.count('"') % 2 == 0:
        return next(csv.reader([line], delimiter=delimiter), [])
    more: list[tuple[int, str]] = []
    size = len(line)
    for position, following in source:
        more.append((position, following))
        size += len(following)
        if following.count('"') % 2:
            whole = "\n".join([line, *(text for _, text in more)])
            with suppress(csv.Error):
                values = next(csv.reader(io.StringIO(whole), delimiter=delimiter), [])
                if len(values) == width and not _are_rows(more, delimiter, width):
                    return values
            break
        if len(more) >= _MOST_LINES or size > LONGEST:
            source.unclosed = number
            break
    else:
        source.unclosed = number
    source.put_back(more)
    return next(csv.reader([line], delimiter=delimiter, quoting=csv.QUOTE_NONE), [])


def _are_rows(more: Sequence[tuple[int, str]], delimiter: str, width: int) -> bool:
    """Whether lines that marks hold together have each as many columns as the header."""
    return width > 1 and all(text.count(delimiter) == width - 1 for _, text in more)


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
        relations=tuple((PART_OF, _identifier(w)) for w in _several(values["part_of"])),
        references=_several(values["xrefs"]),
    )


def _identifier(text: str) -> str:
    """The last part of a URI, anything else as it is."""
    return re.split(r"[/#]", text.rstrip("/#"))[-1] if "://" in text else text


def _text(value: object) -> str:
    if isinstance(value, list):
        value = next((v for v in value if isinstance(v, str)), "")
    text = " ".join(str(value).split()) if isinstance(value, str | int | bool) else ""
    return "" if text.lower() in _MISSING else text


def _several(value: object) -> tuple[str, ...]:
    values = (
        value.split("|") if isinstance(value, str) else value if isinstance(value, list) else []
    )
    return tuple(text for text in map(_text, values) if text)
