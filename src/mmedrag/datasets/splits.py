"""Splits by patient, study and picture, leaks between their sides, and split files.

A split is a mapping from the name of a part (``"train"``, ``"tune"``, ``"val"``) to its cases.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmedrag.datasets.ties import Reason, Tie, connected, find_ties, require_unique
from mmedrag.durability import write_durably
from mmedrag.errors import CorpusError, LeakError
from mmedrag.types import Case

FORMAT = "mmedrag-split/1"
UNUSED = "unused"
"""The part of a split file for cases that stand on no side."""

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Leak:
    """A held-out case that something in training gives away."""

    train: str
    held_out: str
    reason: Reason

    def __str__(self) -> str:
        return f"{self.train} and {self.held_out} ({self.reason})"


def split_cases(
    cases: Sequence[Case], share: float, seed: int = 0, ties: Iterable[Tie] | None = None
) -> tuple[list[Case], list[Case]]:
    """Hold out about ``share`` of the cases; whatever is tied together stays together.

    A group is held out if the hash of its name and the seed falls below ``share``: the same in
    every domain, and unchanged when other records are added. A domain of at least two groups gets
    one on each side. Cases of several files are read by :func:`~mmedrag.datasets.ties.read_sets`,
    which tells their ids, patients and studies apart.

    Args:
        cases: with unique ids.
        share: between 0 and 1.
        seed: of the hash.
        ties: by :func:`find_ties`, where they are known already.

    Returns:
        What remains and what is held out, in the order of ``cases``.

    Raises:
        CorpusError: for a share that is not between 0 and 1, or an id that occurs twice.
    """
    if not 0 < share < 1:
        raise CorpusError(f"A share of {share} cannot be held out", "Give one between 0 and 1.")
    ties = find_ties(cases) if ties is None else ties
    held_out = _held_out(cases, connected([case.id for case in cases], ties), share, seed)
    return (
        [case for case in cases if case.id not in held_out],
        [case for case in cases if case.id in held_out],
    )


def hold_out(
    sets: Sequence[Sequence[Case]], share: float, seed: int, ties: Sequence[Tie]
) -> tuple[list[Case], list[Case]]:
    """Hold out what a set itself calls ``val``; of a set that names none, a share of its patients.

    Args:
        sets: the cases of each set.
        share: see :func:`split_cases`.
        seed: see :func:`split_cases`.
        ties: of all cases.

    Returns:
        What remains, less what is tied to a held-out case, and what is held out.
    """
    named = [any(case.split == "val" for case in cases) for cases in sets]
    alone = [case for cases, own in zip(sets, named, strict=True) if not own for case in cases]
    apart = [c for cases, own in zip(sets, named, strict=True) if own for c in cases
             if c.split == "val"]  # fmt: skip
    apart += split_cases(alone, share, seed, ties)[1] if alone else []
    held = {case.id for case in apart}
    rest = [case for cases in sets for case in cases if case.id not in held]
    return without_leaks(rest, apart, ties)[0], apart


def leaks(
    train: Sequence[Case], held_out: Sequence[Case], ties: Iterable[Tie] | None = None
) -> list[Leak]:
    """Held-out cases that are tied to training cases: for each and each reason, one pair."""
    ties = find_ties([*train, *held_out]) if ties is None else ties
    sides = {case.id: False for case in train} | {case.id: True for case in held_out}
    by_case: dict[tuple[str, Reason], Leak] = {}
    for tie in ties:
        first = next((name for name in tie.ids if sides.get(name) is False), None)
        if first is not None:
            for name in tie.ids:
                if sides.get(name):
                    by_case.setdefault((name, tie.reason), Leak(first, name, tie.reason))
    return list(by_case.values())


def check_leaks(
    train: Sequence[Case],
    held_out: Sequence[Case],
    ties: Iterable[Tie] | None = None,
    remedy: str = "Split by split_cases, or leave one side of each pair out.",
) -> None:
    """Refuse a split that leaks.

    Raises:
        LeakError: it names the first pairs, and ends with ``remedy``.
    """
    pairs = leaks(train, held_out, ties)
    if pairs:
        shown = "; ".join(str(leak) for leak in pairs[:_SHOWN])
        more = f"; and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
        raise LeakError(
            f"{len({leak.held_out for leak in pairs})} held-out cases are tied to training cases: "
            f"{shown}{more}",
            remedy,
        )


def without_leaks(
    train: Sequence[Case], held_out: Sequence[Case], ties: Iterable[Tie]
) -> tuple[list[Case], list[Case]]:
    """Training cases that are not tied to a held-out one by way of any others, and the rest."""
    groups = connected([case.id for case in (*train, *held_out)], ties)
    held_out_ids = {case.id for case in held_out}
    tied = {name for group in groups if held_out_ids.intersection(group) for name in group}
    return [c for c in train if c.id not in tied], [c for c in train if c.id in tied]


def write_split(
    path: Path, subsets: Mapping[str, Sequence[Case]], *, share: float, seed: int
) -> None:
    """Write which case is in which part, with how it was drawn and a digest of the ids.

    Raises:
        CorpusError: where a case is in two parts, or the file cannot be written.
    """
    require_unique(case.id for cases in subsets.values() for case in cases)
    sides = {case.id: name for name, cases in subsets.items() for case in cases}
    contents = {
        "format": FORMAT,
        "seed": seed,
        "share": share,
        "digest": ids_digest(sides),
        "cases": dict(sorted(sides.items())),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, json.dumps(contents, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise CorpusError(
            f"The split {path} cannot be written ({error.strerror})", "Check space and rights."
        ) from None


def read_split(path: Path, cases: Sequence[Case]) -> dict[str, list[Case]]:
    """The parts of a split file, in the order of ``cases``; unused cases are left out.

    Raises:
        CorpusError: where the file is damaged, names a case that is not there, or leaves one out.
    """
    sides = _read_sides(path)
    listed = {case.id for case in cases}
    _require_none(path, "names", sides.keys() - listed, "Give the data that it was made for.")
    _require_none(path, "does not name", listed - sides.keys(), "Split the data again.")
    subsets: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if sides[case.id] != UNUSED:
            subsets[sides[case.id]].append(case)
    return dict(subsets)


def ids_digest(ids: Iterable[str]) -> str:
    """SHA-256 (hexadecimal) of ids, whatever their order."""
    return hashlib.sha256("\n".join(sorted(ids)).encode("utf-8", "replace")).hexdigest()


def _held_out(
    cases: Sequence[Case], groups: Sequence[Sequence[str]], share: float, seed: int
) -> set[str]:
    """The ids that are held out."""
    by_id = {case.id: case for case in cases}
    domains: dict[str, list[tuple[float, Sequence[str]]]] = defaultdict(list)
    for group in groups:
        members = [by_id[name] for name in group]
        domains[min(str(case.domain) for case in members)].append(
            (_uniform_hash(_name(members), seed), group)
        )
    held_out: set[str] = set()
    for hashed in domains.values():
        hashed.sort(key=lambda item: item[0])
        count = sum(position < share for position, _ in hashed)
        if len(hashed) > 1:
            count = min(max(count, 1), len(hashed) - 1)
        held_out.update(name for _, group in hashed[:count] for name in group)
    return held_out


def _name(members: Sequence[Case]) -> str:
    """A group's name: of its first patient by name, else study, else id."""
    for names in ((c.patient_id for c in members), (c.study_id for c in members)):
        if listed := sorted(name for name in names if name):
            return listed[0]
    return min(case.id for case in members)


def _uniform_hash(name: str, seed: int) -> float:
    """A number in [0, 1) that looks random."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _read_sides(path: Path) -> dict[str, str]:
    try:
        contents = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CorpusError(f"The split {path} cannot be read ({error})", "Check it.") from None
    sides = contents.get("cases") if isinstance(contents, dict) else None
    if not isinstance(sides, dict) or contents.get("format") != FORMAT:
        raise CorpusError(f"{path} is not a split file", f'It needs the format "{FORMAT}".')
    if not all(isinstance(side, str) for side in sides.values()):
        raise CorpusError(f"{path} names a part that is not text", "Split the data again.")
    if contents.get("digest") != ids_digest(sides):
        raise CorpusError(f"{path} does not have the digest of its ids", "Split the data again.")
    return sides


def _require_none(path: Path, verb: str, ids: Collection[str], remedy: str) -> None:
    if ids:
        shown = ", ".join(sorted(ids)[:_SHOWN])
        raise CorpusError(f"The split {path} {verb} {len(ids)} of the cases: {shown}", remedy)
