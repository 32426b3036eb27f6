"""Which cases are learned from, chosen by, and reported on; nothing may tie one to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmedrag.datasets.corpus import Codes, codes, patient_of, text_key
from mmedrag.datasets.splits import (
    UNUSED,
    check_leaks,
    read_split,
    split_cases,
    without_leaks,
    write_split,
)
from mmedrag.datasets.ties import Tie, find_ties, read_sets
from mmedrag.errors import CorpusError, ImageError, LeakError
from mmedrag.imaging.decoding import open_image
from mmedrag.progress import Log
from mmedrag.types import Case

HELD_OUT = 0.15
"""The share that is held out where no record names a part of its own."""

TUNE = 0.1
"""The share of the rest on which the best epoch is chosen."""

_HELD_OUT_NAMES = ("val", "valid", "validation", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """Cases to learn from, to choose or calibrate on, and to report on once; nothing ties them."""

    train: tuple[Case, ...]
    tune: tuple[Case, ...]
    held_out: tuple[Case, ...]

    def __str__(self) -> str:
        return (
            f"{len(self.train)} to train, {len(self.tune)} to tune, {len(self.held_out)} held out"
        )


def readable(cases: Sequence[Case], log: Log) -> list[Case]:
    """The cases without those whose image cannot be decoded, of which ``log`` is told."""
    kept, gone = list[Case](), list[ImageError]()
    for case in cases:
        try:
            if case.image is not None:
                open_image(case.image, case.frame)
            kept.append(case)
        except ImageError as error:
            gone.append(error)
    if gone:
        log(f"{len(gone)} images cannot be read and are left out, the first: {gone[0].what}")
    return kept


def read_split_pairs(
    paths: Sequence[Path],
    into: Path,
    *,
    splits: Path | None = None,
    seed: int = 0,
    log: Log = lambda line: None,
) -> Split:
    """Read the pairs of several files, part them, and refuse a leak.

    Pairs whose image cannot be read are left out, and ``log`` is told. A split file decides where
    one is given. Otherwise held out is what the records call ``val`` or
    ``test``; where none does, :data:`HELD_OUT` of the groups. :data:`TUNE` of the rest tunes. The
    split is written to ``into/splits.json``.

    Raises:
        CorpusError: where a file cannot be read, a part is empty, or the split does not fit.
        LeakError: where a part is tied to another. A split file without the tied training cases
            has then been written, to be looked at and given.
    """
    pairs = [case for case in read_sets(paths)[0] if case.image is not None and case.text.strip()]
    cases = readable(pairs, log)
    ties = find_ties(cases)
    split = _random_split(cases, ties, seed) if splits is None else stated_split(splits, cases)
    if empty := [name for name, which in _by_name(split).items() if len(which) < 2]:
        raise CorpusError(
            f"Only {len(cases)} records have an image and a text; the part {empty[0]} has none or "
            "one of them",
            "Give more records.",
        )
    into.mkdir(parents=True, exist_ok=True)
    _check(split, ties, into / "splits.json", seed)
    if splits is None or splits.resolve() != (into / "splits.json").resolve():
        write_used_split(into / "splits.json", cases, _by_name(split), HELD_OUT, seed)
    return split


def draw_split(cases: Sequence[Case], *, seed: int = 0) -> Split:
    """Part cases by patient, as :func:`read_split_pairs` does, and leave out what ties two parts.

    Raises:
        CorpusError: where a part would have fewer than two cases.
    """
    ties = find_ties(cases)
    split = _random_split(cases, ties, seed)
    tune, _ = without_leaks(split.tune, split.held_out, ties)
    train, _ = without_leaks(split.train, (*tune, *split.held_out), ties)
    split = Split(tuple(train), tuple(tune), split.held_out)
    if empty := [name for name, which in _by_name(split).items() if len(which) < 2]:
        raise CorpusError(
            f"{len(cases)} cases leave fewer than two for the part {empty[0]}",
            "Give cases of more patients.",
        )
    return split


def checked_split(splits: Path, cases: Sequence[Case], ties: Iterable[Tie]) -> Split:
    """The parts that a split file tells, of cases without a tie from one part to another.

    Raises:
        CorpusError: where the file is damaged, does not fit the cases, or names another part.
        LeakError: where a part is tied to another.
    """
    split, ties = stated_split(splits, cases), tuple(ties)
    remedy = f"Move them to one part, or call them {UNUSED}, in {splits}."
    check_leaks((*split.train, *split.tune), split.held_out, ties, remedy)
    check_leaks(split.train, split.tune, ties, remedy)
    return split


def stated_split(splits: Path, cases: Sequence[Case]) -> Split:
    """The parts that a split file tells.

    Raises:
        CorpusError: where the file is damaged, does not fit the cases, or names another part.
    """
    named = read_split(splits, cases)
    if unknown := sorted(named.keys() - {"train", "tune", "val"}):
        raise CorpusError(
            f"The split {splits} has a part called {unknown[0]}",
            f"The parts are train, tune, val and {UNUSED}.",
        )
    return Split(*(tuple(named.get(name, ())) for name in ("train", "tune", "val")))


def write_used_split(
    path: Path, cases: Sequence[Case], sides: Mapping[str, Sequence[Case]], share: float, seed: int
) -> None:
    """Write a split file of the cases; those in no part are called unused.

    Raises:
        CorpusError: where the file cannot be written.
    """
    used = {case.id for side in sides.values() for case in side}
    unused = {UNUSED: [case for case in cases if case.id not in used]}
    write_split(path, {**sides, **unused}, share=share, seed=seed)


def positive_groups(cases: Sequence[Case]) -> Codes:
    """What makes cases right answers for each other: study and caption, codes ``(n, 2)``."""
    studies = codes(case.study_id or None for case in cases)
    return np.stack([studies, codes(text_key(case.text) for case in cases)], axis=1)


def patient_codes(cases: Sequence[Case]) -> Codes:
    """The patient of each case, ``(n,)``; its study or itself where none is named."""
    return codes(patient_of(case) for case in cases)


def _random_split(cases: Sequence[Case], ties: Iterable[Tie], seed: int) -> Split:
    val = [case for case in cases if case.split.lower() in _HELD_OUT_NAMES]
    rest = [case for case in cases if case.split.lower() not in _HELD_OUT_NAMES]
    if not val and len(rest) > 1:
        rest, val = split_cases(rest, HELD_OUT, seed, ties)
    train, tune = split_cases(rest, TUNE, seed + 1, ties)
    return Split(tuple(train), tuple(tune), tuple(val))


def _by_name(split: Split) -> dict[str, Sequence[Case]]:
    return {"train": split.train, "tune": split.tune, "val": split.held_out}


def _check(split: Split, ties: Sequence[Tie], proposal: Path, seed: int) -> None:
    """Held out against all that training sees, then tune against train."""
    seen = (*split.train, *split.tune)
    remedy = (
        f"A split without the tied training cases is in {proposal}: look at it, and pass "
        f"--splits {proposal}."
    )
    try:
        check_leaks(seen, split.held_out, ties, remedy)
        check_leaks(split.train, split.tune, ties, remedy)
    except LeakError:
        clean, tied = without_leaks(seen, split.held_out, ties)
        train, tune = split_cases(clean, TUNE, seed + 1, ties)
        sides = {"train": train, "tune": tune, "val": split.held_out, UNUSED: tied}
        write_split(proposal, sides, share=HELD_OUT, seed=seed)
        raise
