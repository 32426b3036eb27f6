"""What an evaluation runs over: the records, who belongs together, and how relevant each is."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmedrag.datasets.records import readable
from mmedrag.errors import CorpusError, QueryError
from mmedrag.types import Case, Problem

Codes = NDArray[np.int64]
"""One number a record; equal numbers mean equal things, -1 means that there is none."""

GROUPINGS = ("patient_id", "study_id", "text", "labels")
"""What makes two records relevant to each other."""

SAME_GROUP, SAME_LABELS, SHARED_LABEL = 3, 2, 1
"""Grades of relevance."""

_SHOWN = 3


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Records of one or more files.

    ``files`` is the file of each, ``queried`` whether it may be a query; every record stands in the
    gallery. ``notes`` say what was left out.
    """

    cases: tuple[Case, ...]
    files: Codes
    queried: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


def read_corpus(
    paths: Sequence[Path], *, split: str = "", whole_gallery: bool = False, limit: int | None = None
) -> Corpus:
    """Read files of the native format.

    Args:
        paths: files, or folders with a ``records.jsonl``.
        split: of the records that are queries; all, where empty.
        whole_gallery: search records of the other splits too.
        limit: take only so many records of the split, the first ones.

    Raises:
        CorpusError: where a file cannot be read, or there is nothing of that split.
    """
    read = [readable(path) for path in paths]
    problems = [problem for _, those in read for problem in those]
    cases = [(i, case) for i, (these, _) in enumerate(read) for case in these]
    queried = [i for i, (_, case) in enumerate(cases) if not split or case.split == split]
    if not queried:
        splits = sorted({case.split for _, case in cases if case.split})
        raise CorpusError(
            f"No record {f'of the split {split} ' if split else ''}in {_names(paths)}",
            f"Its splits are: {', '.join(splits) or 'none'}." if cases else "Give another file.",
        )
    chosen = set(queried[:limit])
    kept = [i for i in range(len(cases)) if whole_gallery or i in chosen]
    return Corpus(
        cases=tuple(cases[i][1] for i in kept),
        files=np.array([cases[i][0] for i in kept], np.int64),
        queried=np.array([i in chosen for i in kept]),
        notes=problem_notes(problems),
    )


def problem_notes(problems: Sequence[Problem]) -> tuple[str, ...]:
    """How many rows were left out, and the first of them."""
    if not problems:
        return ()
    shown = "; ".join(str(problem) for problem in problems[:_SHOWN])
    return (f"{len(problems)} rows or images could not be read: {shown}",)


def group_codes(corpus: Corpus, by: str) -> Codes:
    """The group of every record; one that does not say is a group of its own.

    Patients and studies are told apart by file; texts are equal but for case and white space.

    Raises:
        QueryError: for an unknown grouping, or one that no record has.
    """
    if by not in GROUPINGS:
        raise QueryError(
            f"Records cannot be grouped by {by}", f"Choose from {', '.join(GROUPINGS)}."
        )
    named = [
        _group(case, int(file), by) for case, file in zip(corpus.cases, corpus.files, strict=True)
    ]
    if all(name is None for name in named):
        raise QueryError(
            f"No record has {by}",
            f"Group by another: {', '.join(g for g in GROUPINGS if g != by)}.",
        )
    return codes(("record", i) if name is None else ("group", name) for i, name in enumerate(named))


def codes(keys: Iterable[Hashable | None]) -> Codes:
    """Numbers for keys, in order of appearance; -1 for ``None``."""
    numbers: dict[Hashable, int] = {}
    result = [-1 if key is None else numbers.setdefault(key, len(numbers)) for key in keys]
    return np.array(result, np.int64)


def text_key(text: str) -> str | None:
    """What equal texts share: the words without case and white space; ``None`` for no text."""
    return " ".join(text.casefold().split()) or None


def patient_of(case: Case) -> str:
    """Whose case it is; one that does not say is of a patient of its own."""
    return case.patient_id or case.study_id or case.id


def study_of(case: Case) -> str:
    """The study that the case belongs to, else its patient."""
    return case.study_id or patient_of(case)


def label_codes(cases: Sequence[Case], label: str) -> Codes:
    """The value of one label, as ``labels[1]`` for the second; -1 where a record has none.

    Raises:
        QueryError: for anything but ``labels[N]``, or a position that no record has.
    """
    number = label.removeprefix("labels[").removesuffix("]")
    if label != f"labels[{number}]" or not number.isdecimal():
        raise QueryError(f"--label is {label!r}", "Write it as labels[0], labels[1] and so on.")
    location = int(number)
    result = codes(case.labels[location] if len(case.labels) > location else None for case in cases)
    if (result < 0).all():
        raise QueryError(f"No record has {label}", "Choose a lower position.")
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Relevance:
    """Graded relevance between records: same group 3, equal labels 2, a shared label 1.

    ``groups`` and ``labels`` are codes of the group and of the whole label set, ``incidence`` says
    which record has which label, ``(n, labels)``.
    """

    groups: Codes
    labels: Codes
    incidence: NDArray[np.float32]

    @classmethod
    def of(cls, cases: Sequence[Case], groups: Codes) -> Relevance:
        """From the records' labels and their groups."""
        names = {
            name: i for i, name in enumerate(dict.fromkeys(n for c in cases for n in c.labels))
        }
        incidence = np.zeros((len(cases), len(names)), np.float32)
        for row, case in enumerate(cases):
            incidence[row, [names[name] for name in case.labels]] = 1.0
        sets = codes(frozenset(case.labels) or None for case in cases)
        return cls(groups, sets, incidence)

    def grades(self, queries: Codes, gallery: Codes) -> NDArray[np.int8]:
        """Grades of gallery records for query records, ``(len(queries), len(gallery))``."""
        shared = self.incidence[queries] @ self.incidence[gallery].T > 0
        result = np.where(shared, SHARED_LABEL, 0).astype(np.int8)
        mine, theirs = self.labels[queries][:, None], self.labels[gallery]
        result[(mine == theirs) & (mine >= 0)] = SAME_LABELS
        result[self.groups[queries][:, None] == self.groups[gallery]] = SAME_GROUP
        return result


def _group(case: Case, file: int, by: str) -> Hashable | None:
    if by == "text":
        return text_key(case.text)
    if by == "labels":
        return frozenset(case.labels) or None
    name = case.patient_id if by == "patient_id" else case.study_id
    return (file, name) if name else None


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)
