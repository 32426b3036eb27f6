"""Terms of the UMLS Metathesaurus in Rich Release Format: MRCONSO, MRDEF, MRSTY and MRREL.

UMLS Reference Manual, chapter 3. The files are sorted by concept (CUI), as NLM delivers them, and
are read side by side, so that a full release needs little memory.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterator
from itertools import groupby, islice
from pathlib import Path

from mmedrag.definitions.lines import lines
from mmedrag.definitions.terms import Term
from mmedrag.errors import CorpusError
from mmedrag.types import Kind, Problem

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

_KINDS = {
    **dict.fromkeys(("T017", "T018", "T021", "T022", "T023", "T024", "T025", "T026", "T029",
                     "T030"), Kind.ANATOMY),
    **dict.fromkeys(("T019", "T020", "T037", "T047", "T048", "T049", "T190", "T191"),
                    Kind.DISEASE),
    **dict.fromkeys(("T033", "T034", "T046"), Kind.FINDING),
    "T184": Kind.SYMPTOM,
    "T060": Kind.TECHNIQUE,
    "T061": Kind.PROCEDURE,
    "T074": Kind.DEVICE,
    "T130": Kind.OTHER,
}  # fmt: skip
"""Kinds by semantic type; what is not here is known by the type's name, or not at all."""

_TRANSLATED = re.compile(
    r"(?:ARA|BAQ|CHI|CZE|DAN|DUT|EST|FIN|FRE|GER|GRE|HEB|HUN|ITA|JPN|KOR|LAV|NOR|POL|POR|RUS|SCR"
    r"|SPA|SWE|TUR|UKR)$|(?<=^LNC-)[A-Z]{2}(?=-)"
)
NAMES_KEPT = 1000
"""Names of one concept beyond this many are left out."""

_SUPPRESSED = frozenset({"O", "E", "Y"})
_Row = list[str]
_LAST = "\U0010ffff"


def read_umls(
    folder: Path, types: Collection[str] = CLINICAL, language: str = "ENG"
) -> Iterator[Term | Problem]:
    """Concepts of the given semantic types (TUI) with their unsuppressed names in ``language``.

    ``folder`` holds ``MRCONSO.RRF`` and, where wanted, ``MRDEF.RRF`` (definitions; those of sources
    in another language are left out), ``MRSTY.RRF`` (kinds; without it no concept is left out for
    its type) and ``MRREL.RRF`` (parents). Each may end in ``.gz``.

    Raises:
        CorpusError: there is no ``MRCONSO.RRF``.
    """
    conso = _file(folder, "MRCONSO.RRF")
    if conso is None:
        raise CorpusError(f"No MRCONSO.RRF in {folder}", "Give the META folder of a UMLS release.")
    define = _Beside(_file(folder, "MRDEF.RRF"), 7)
    typed = _Beside(_file(folder, "MRSTY.RRF"), 4)
    related = _Beside(_file(folder, "MRREL.RRF"), 15, _says_parent)
    for cui, rows in groupby(_rows(conso, 17), key=_cui):
        if not cui:
            yield from (row for row in rows if isinstance(row, Problem))
            continue
        names = list(islice((row for row in rows if _in_language(row, language)), NAMES_KEPT))
        besides = [side.of(cui) for side in (typed, define, related)]
        for side in (typed, define, related):
            yield from side.problems()
        if names and (not typed.present or any(row[1] in types for row in besides[0])):
            yield _concept(cui, names, language, *besides)


def _in_language(row: _Row | Problem, language: str) -> bool:
    return not isinstance(row, Problem) and row[1] == language and row[16] not in _SUPPRESSED


def _concept(
    cui: str,
    names: list[_Row | Problem],
    language: str,
    typed: list[_Row],
    defined: list[_Row],
    related: list[_Row],
) -> Term:
    # The preferred form of the preferred term: TS = P, STT = PF, ISPREF = Y.
    rows = [row for row in names if not isinstance(row, Problem)]
    rows.sort(key=lambda row: (row[2] != "P", row[4] != "PF", row[6] != "Y"))
    texts = list(dict.fromkeys(row[14] for row in rows if row[14]))
    usable = (row for row in defined if row[6] not in _SUPPRESSED)
    definition = next((row for row in usable if language_of(row[4]) == language), None)
    return Term(
        id=cui,
        term=texts[0] if texts else cui,
        synonyms=tuple(texts[1:]),
        definition=" ".join(definition[5].split()) if definition else "",
        source=f"UMLS {definition[4] if definition else rows[0][11]}",
        licence="UMLS Metathesaurus licence",
        kind="; ".join(dict.fromkeys(_KINDS.get(row[1], row[3]) for row in typed)),
        parents=tuple(dict.fromkeys(row[4] for row in related)),
    )


def language_of(source: str) -> str:
    """The language of a source by its abbreviation: translations end in it (MSHSPA, LNC-DE-AT)."""
    match = _TRANSLATED.search(source)
    return match.group() if match else "ENG"


def _says_parent(row: _Row) -> bool:
    """Whether the second concept of a row of MRREL is what the first is a kind of."""
    relation, narrower = row[3], row[7]
    stated = relation == "PAR" and narrower in {"", "inverse_isa"}
    return (stated or narrower == "inverse_isa") and row[14] not in _SUPPRESSED


class _Beside:
    """The rows of a second file for one CUI after another, both sorted."""

    def __init__(
        self, path: Path | None, fields: int, keep: Callable[[_Row], bool] = lambda _: True
    ) -> None:
        self.present = path is not None
        self._groups = groupby(_rows(path, fields) if path else iter(()), key=_cui)
        self._keep = keep
        self._cui, self._kept = "", list[_Row]()
        self._problems: deque[Problem] = deque(maxlen=NAMES_KEPT)

    def of(self, cui: str) -> list[_Row]:
        """The rows of ``cui`` that are wanted, which must not lie before the one asked last."""
        while self._cui < cui:
            next_cui, rows = next(self._groups, (_LAST, iter(())))
            if not next_cui:
                self._problems.extend(row for row in rows if isinstance(row, Problem))
                continue
            usable = (row for row in rows if not isinstance(row, Problem) and self._keep(row))
            self._cui, self._kept = next_cui, list(islice(usable, NAMES_KEPT))
        return self._kept if self._cui == cui else []

    def problems(self) -> Iterator[Problem]:
        """The broken rows since the last call."""
        while self._problems:
            yield self._problems.popleft()


def _cui(row: _Row | Problem) -> str:
    return "" if isinstance(row, Problem) else row[0]


def _rows(path: Path, fields: int) -> Iterator[_Row | Problem]:
    """Rows of at least ``fields`` fields in CUI order; others become problems."""
    last = ""
    for number, line in lines(path):
        if isinstance(line, Problem):
            yield line
            continue
        row = line.split("|")
        if len(row) < fields or not row[0]:
            yield Problem(path, number, f"{len(row)} fields where {fields} are needed")
        elif row[0] < last:
            yield Problem(path, number, "not sorted by concept (CUI)")
        else:
            last = row[0]
            yield row


def _file(folder: Path, name: str) -> Path | None:
    candidates = (folder / written for written in (name, f"{name}.gz"))
    return next((path for path in candidates if path.is_file()), None)
