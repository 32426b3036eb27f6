"""What ties cases together, so that they must stand on one side of a split.

A model that has seen one of two tied cases has seen much of the other: another image of the
patient, the same picture in another file, a report copied word for word.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from mmedrag.datasets.crops import find_crops
from mmedrag.datasets.duplicates import find_duplicates
from mmedrag.datasets.records import readable
from mmedrag.errors import CorpusError, ImageError
from mmedrag.imaging.decoding import image_digest
from mmedrag.types import Case, Problem

LONG_TEXT = 12
"""Words from which on equal texts are no coincidence; shorter captions repeat between patients."""

NEAR_DUPLICATE = "near_duplicate_of"
"""The field of ``Case.meta`` by which a corpus marks a copy: the id of the other case."""


class Reason(StrEnum):
    """Why two cases belong together."""

    PATIENT = "same patient"
    STUDY = "same study"
    IMAGE = "same image file"
    NEAR_DUPLICATE = "near-duplicate image"
    TEXT = "same long text"


@dataclass(frozen=True, slots=True)
class Tie:
    """Cases, by id, that belong together for one reason; at least two."""

    reason: Reason
    ids: tuple[str, ...]


def read_sets(paths: Sequence[Path]) -> tuple[list[Case], list[Problem]]:
    """Read files of the native format as one collection whose ids tell the sets apart.

    Ids, patients and studies are unique within a file only, so each gets the name of its set (the
    folder of a ``records.jsonl``, or the file's name) in front: ``medpix2/MPX1009``.

    Raises:
        CorpusError: where a file cannot be read, or two have the same name.
    """
    files = [Path(path) for path in paths]
    names = [set_name(file) for file in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CorpusError(
            f"Two of the files are called {twice[0]}",
            "Rename one, or its folder; their patients could not be told apart.",
        )
    read = [(name, *readable(file)) for name, file in zip(names, files, strict=True)]
    cases = [qualified(case, name) for name, cases, _ in read for case in cases]
    return cases, [problem for *_, problems in read for problem in problems]


def set_name(file: Path) -> str:
    """The name of the set that a file or its folder holds."""
    file = file.resolve()
    return file.parent.name if file.name == "records.jsonl" else file.stem


def qualified(case: Case, name: str) -> Case:
    """The case with the set's name before its id, patient, study and the id that it copies."""
    meta = dict(case.meta)
    if copied := meta.get(NEAR_DUPLICATE):
        meta[NEAR_DUPLICATE] = f"{name}/{copied}"
    return replace(
        case,
        id=f"{name}/{case.id}",
        patient_id=case.patient_id and f"{name}/{case.patient_id}",
        study_id=case.study_id and f"{name}/{case.study_id}",
        meta=meta,
    )


def find_ties(cases: Sequence[Case]) -> tuple[Tie, ...]:
    """All ties among cases with unique ids; every image is read.

    Raises:
        CorpusError: where an id occurs twice.
    """
    require_unique(case.id for case in cases)
    return (
        *_shared(Reason.PATIENT, cases, [case.patient_id or None for case in cases]),
        *_shared(Reason.STUDY, cases, [case.study_id or None for case in cases]),
        *_shared(Reason.IMAGE, cases, [_digest(case) for case in cases]),
        *(Tie(Reason.NEAR_DUPLICATE, ids) for ids in find_duplicates(cases).images),
        *(Tie(Reason.NEAR_DUPLICATE, pair) for pair in find_crops(cases)),
        *_marked(cases),
        *_shared(Reason.TEXT, cases, [_long_text(case.text) for case in cases]),
    )


def require_unique(ids: Iterable[str]) -> None:
    """Check that ids name one case each.

    Raises:
        CorpusError: where an id occurs twice.
    """
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise CorpusError(
                f"The id {name} names two cases", "Read the files by read_sets, or rename one."
            )
        seen.add(name)


def connected(ids: Sequence[str], ties: Iterable[Tie]) -> list[list[str]]:
    """Ids in groups that ties join, directly or by way of others (union-find)."""
    parents = {name: name for name in ids}
    for tie in ties:
        present = [name for name in tie.ids if name in parents]
        for name in present[1:]:
            parents[_root(parents, name)] = _root(parents, present[0])
    groups: dict[str, list[str]] = defaultdict(list)
    for name in ids:
        groups[_root(parents, name)].append(name)
    return list(groups.values())


def _shared(
    reason: Reason, cases: Sequence[Case], keys: Sequence[Hashable | None]
) -> Iterator[Tie]:
    ids_by_key: dict[Hashable, list[str]] = defaultdict(list)
    for case, key in zip(cases, keys, strict=True):
        if key is not None:
            ids_by_key[key].append(case.id)
    return (Tie(reason, tuple(ids)) for ids in ids_by_key.values() if len(ids) > 1)


def _marked(cases: Sequence[Case]) -> Iterator[Tie]:
    listed = {case.id for case in cases}
    for case in cases:
        copied = case.meta.get(NEAR_DUPLICATE)
        if copied in listed and copied != case.id:
            yield Tie(Reason.NEAR_DUPLICATE, (copied, case.id))


def _digest(case: Case) -> str | None:
    """The digest of the image; a file that cannot be read ties nothing."""
    try:
        return None if case.image is None else image_digest(case.image, case.frame)
    except ImageError:
        return None


def _long_text(text: str) -> str | None:
    words = text.casefold().split()
    return " ".join(words) if len(words) >= LONG_TEXT else None


def _root(parents: dict[str, str], name: str) -> str:
    while parents[name] != name:
        parents[name] = parents[parents[name]]
        name = parents[name]
    return name
