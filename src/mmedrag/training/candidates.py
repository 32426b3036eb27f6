"""Records with their vectors and terms, from which preference pairs are mined (section 3.6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mmedrag.datasets.sampling import whole_patients
from mmedrag.datasets.splits import hold_out, split_cases
from mmedrag.datasets.ties import find_ties, read_sets
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
    sets = [_sampled_cases(path, most, seed) for path in paths]
    chosen = [case for cases in sets for case in cases]
    ties = find_ties(chosen)
    if splits is None:
        rest, test = hold_out(sets, HELD_OUT, seed, ties)
        train, calibration = split_cases(rest, FOR_CALIBRATION, seed + 1, ties)
        split = Split(tuple(train), tuple(calibration), tuple(test))
    else:
        split = checked_split(splits, chosen, ties)
    if min(map(len, (split.train, split.tune, split.held_out))) < 2:
        raise CorpusError("There are too few patients for three parts", "Give more records.")
    if write is not None:
        sides = {"train": split.train, "tune": split.tune, "val": split.held_out}
        write_used_split(write, chosen, sides, HELD_OUT, seed)
    return split


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


def _sampled_cases(path: Path, most: int, seed: int) -> list[Case]:
    """At most so many cases of each split of a file that have a domain, of whole patients."""
    splits: dict[str, list[Case]] = defaultdict(list)
    for case in read_sets([path])[0]:
        if case.domain is not None:
            splits[case.split].append(case)
    return [case for cases in splits.values() for case in whole_patients(cases, most, seed)]


def _picture(case: Case) -> Image.Image | None:
    try:
        return None if case.image is None else open_image(case.image, case.frame)
    except ImageError:
        return None
