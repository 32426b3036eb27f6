"""Terms of the UMLS Metathesaurus in Rich Release Format: MRCONSO, MRDEF and MRSTY.

UMLS Reference Manual, chapter 3. The files are sorted by concept (CUI), as NLM delivers them, and
are read side by side, so that a full release needs little memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import groupby
from pathlib import Path

from mmedrag.definitions.lines import lines
from mmedrag.definitions.terms import Term
from mmedrag.errors import CorpusError
from mmedrag.types import Problem

CLINICAL = frozenset(
    f"T{number:03}"
    for number in (
        *range(17, 28),
        29,
        30,
        33,
        34,
        37,
        42,
        *range(46, 50),
        60,
        61,
        74,
        130,
        184,
        190,
        191,
    )
)
"""Semantic types of findings, diseases, anatomy, procedures and devices."""

_Rows = Iterator[list[str]]
_LAST = "\U0010ffff"


def read_umls(
    folder: Path, types: Collection[str] = CLINICAL, language: str = "ENG"
) -> Iterator[Term | Problem]:
    """Concepts of the given semantic types (TUI) with their unsuppressed names in ``language``.

    ``folder`` holds ``MRCONSO.RRF`` and, where wanted, ``MRDEF.RRF`` and ``MRSTY.RRF`` (each may
    end in ``.gz``); without ``MRSTY`` no concept is left out for its type.

    Raises:
        CorpusError: there is no ``MRCONSO.RRF``.
    """
    conso = _file(folder, "MRCONSO.RRF")
    if conso is None:
        raise CorpusError(f"No MRCONSO.RRF in {folder}", "Give the META folder of a UMLS release.")
    problems: list[Problem] = []
    define = _Beside(_file(folder, "MRDEF.RRF"), 7, problems)
    kinds = _Beside(_file(folder, "MRSTY.RRF"), 4, problems)
    for cui, names in groupby(_rows(conso, 17, problems), key=lambda row: row[0]):
        kept = [row for row in names if row[1] == language and row[16] not in {"O", "E", "Y"}]
        typed, defined = kinds.of(cui), define.of(cui)
        yield from problems
        problems.clear()
        if kept and (not kinds.present or any(row[1] in types for row in typed)):
            yield _concept(cui, kept, defined, typed)
    yield from problems


def _concept(
    cui: str, names: list[list[str]], defined: list[list[str]], typed: list[list[str]]
) -> Term:
    # The preferred form of the preferred term: TS = P, STT = PF, ISPREF = Y.
    names = sorted(names, key=lambda row: (row[2] != "P", row[4] != "PF", row[6] != "Y"))
    texts = list(dict.fromkeys(row[14] for row in names if row[14]))
    definition = next((row for row in defined if row[6] not in {"O", "E", "Y"}), None)
    return Term(
        id=cui,
        term=texts[0] if texts else cui,
        synonyms=tuple(texts[1:]),
        definition=" ".join(definition[5].split()) if definition else "",
        source=f"UMLS {definition[4] if definition else names[0][11]}",
        licence="UMLS Metathesaurus licence",
        kind="; ".join(dict.fromkeys(row[3] for row in typed)),
    )


class _Beside:
    """The rows of a second file for one CUI after another, both sorted."""

    def __init__(self, path: Path | None, fields: int, problems: list[Problem]) -> None:
        self.present = path is not None
        rows = _rows(path, fields, problems) if path else iter(())
        self._groups = groupby(rows, key=lambda row: row[0])
        self._cui, self._rows = "", list[list[str]]()

    def of(self, cui: str) -> list[list[str]]:
        while self._cui < cui:
            self._cui, rows = next(self._groups, (_LAST, iter(())))
            self._rows = list(rows)
        return self._rows if self._cui == cui else []


def _rows(path: Path, fields: int, problems: list[Problem]) -> _Rows:
    """Rows of at least ``fields`` fields in CUI order; others become problems."""
    last = ""
    report: Callable[[Problem], None] = problems.append
    for number, line in lines(path):
        if isinstance(line, Problem):
            report(line)
            continue
        row = line.split("|")
        if len(row) < fields or not row[0]:
            report(Problem(path, number, f"{len(row)} fields where {fields} are needed"))
        elif row[0] < last:
            report(Problem(path, number, "not sorted by concept (CUI)"))
        else:
            last = row[0]
            yield row


def _file(folder: Path, name: str) -> Path | None:
    found = (folder / written for written in (name, f"{name}.gz"))
    return next((path for path in found if path.is_file()), None)
