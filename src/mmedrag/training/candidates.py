"""Records with their vectors and terms, from which preference pairs are mined (section 3.6)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mmedrag.datasets.corpus import patient_of
from mmedrag.datasets.splits import split_cases, without_leaks
from mmedrag.datasets.ties import Tie, find_ties, read_sets
from mmedrag.definitions import Dictionary
from mmedrag.errors import CorpusError, ImageError
from mmedrag.imaging.decoding import open_image
from mmedrag.progress import Progress, silent
from mmedrag.protocols import Embedder
from mmedrag.training.splits import Split, checked_split, write_used_split
from mmedrag.types import Case, Matrix, Mention

HELD_OUT = 0.2
"""The share of a set's patients that is held out, where the set has no validation split itself."""

FOR_CALIBRATION = 0.3
"""The share of the other patients that calibration and τ are chosen on."""

LABEL_WORDS = 8
"""A text of at most so many words names the findings, as a label or a list of keywords does."""

BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Cases of one part, the vector of each, ``(n, dim)``, and the terms that its text mentions."""

    cases: tuple[Case, ...]
    vectors: Matrix
    mentions: Sequence[tuple[Mention, ...]]

    def __len__(self) -> int:
        return len(self.cases)


def read_split_cases(
    paths: Sequence[Path],
    most: int,
    seed: int = 0,
    *,
    splits: Path | None = None,
    write: Path | None = None,
) -> Split:
    """Cases of the files in three parts; nothing ties a case of one part to another part.

    The validation split of a file is held out for measurement, or, where it has none, a share of
    its patients. Records without a domain are left out.

    Args:
        paths: files of the native format, or their folders.
        most: cases taken of each file and split, of whole patients drawn at random.
        seed: of every draw.
        splits: a split file, whose part ``tune`` is for calibration, in place of drawing.
        write: where to write the split.

    Raises:
        CorpusError: where a file cannot be read, a part has no case, or the split does not fit.
        LeakError: where a part of the split file is tied to another.
    """
    chosen: list[Case] = []
    validated: set[str] = set()
    for path in paths:
        named = _by_split(path)
        chosen += [case for cases in named.values() for case in _whole(cases, most, seed)]
        validated |= {case.id for cases in named.values() for case in cases if "val" in named}
    ties = find_ties(chosen)
    if splits is None:
        split = _random_split(chosen, validated, ties, seed)
    else:
        split = checked_split(splits, chosen, ties)
    if min(map(len, (split.train, split.tune, split.held_out))) < 2:
        raise CorpusError("There are too few patients for three parts", "Give more records.")
    if write is not None:
        sides = {"train": split.train, "tune": split.tune, "val": split.held_out}
        write_used_split(write, chosen, sides, HELD_OUT, seed)
    return split


def _random_split(
    cases: Sequence[Case], validated: Set[str], ties: Sequence[Tie], seed: int
) -> Split:
    """Held out: what a file calls so (the ids in ``validated``), else a share of its patients."""
    alone = [case for case in cases if case.id not in validated]
    test = [case for case in cases if case.id in validated and case.split == "val"]
    test += split_cases(alone, HELD_OUT, seed, ties)[1] if alone else []
    held = {case.id for case in test}
    rest, _ = without_leaks([case for case in cases if case.id not in held], test, ties)
    train, calibration = split_cases(rest, FOR_CALIBRATION, seed + 1, ties)
    return Split(tuple(train), tuple(calibration), tuple(test))


def embed_candidates(
    cases: Sequence[Case],
    embedder: Embedder,
    definitions: Dictionary,
    progress: Progress = silent,
) -> Candidates:
    """Embed cases as a casebase would; one whose image cannot be read is left out."""
    kept: list[Case] = []
    vectors = [np.zeros((0, embedder.dim), np.float32)]
    for start in range(0, len(cases), BATCH):
        batch = cases[start : start + BATCH]
        pictured = [(case, _picture(case)) for case in batch]
        usable = [(case, seen) for case, seen in pictured if case.image is None or seen]
        kept += [case for case, _ in usable]
        vectors.append(embedder.embed([c for c, _ in usable], [seen for _, seen in usable]))
        progress(len(batch))
    mentions = definitions.recognise([case.text for case in kept])
    return Candidates(tuple(kept), np.concatenate(vectors), mentions)


def findings_of(case: Case) -> frozenset[str]:
    """What annotators say the case shows: its diagnosis, a text that is only a label, or labels.

    It says what is right; a scorer never sees it.
    """
    stated = [case.meta.get(key) for key in ("case_diagnosis", "topic_title")]
    named = [_plain(name) for name in stated if isinstance(name, str)]
    if not any(named) and 0 < len(case.text.split()) <= LABEL_WORDS:
        named = [_plain(piece) for piece in re.split(r"[,;]", case.text)]
    if not any(named):
        named = [_plain(label) for label in case.labels]
    return frozenset(named) - {""}


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def _by_split(path: Path) -> dict[str, list[Case]]:
    cases, _ = read_sets([path])
    splits: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.domain is not None:
            splits[case.split].append(case)
    return splits


def _whole(cases: Sequence[Case], most: int, seed: int) -> list[Case]:
    """At most so many cases, of whole patients in random order."""
    patients: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        patients[patient_of(case)].append(case)
    groups, taken = list(patients.values()), list[Case]()
    for i in np.random.default_rng(seed).permutation(len(groups)):
        if len(taken) + len(groups[i]) <= most:
            taken += groups[i]
    return taken


def _picture(case: Case) -> Image.Image | None:
    try:
        return None if case.image is None else open_image(case.image, case.frame)
    except ImageError:
        return None
