"""Image-text pairs with the frozen features of both sides, encoded once, and their three parts."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmedrag.datasets.corpus import Codes, codes, study_of, text_key
from mmedrag.datasets.splits import split_cases, without_leaks
from mmedrag.datasets.ties import Tie, find_ties, read_sets
from mmedrag.encoders.image import ImageEncoder
from mmedrag.encoders.text import TextEncoder
from mmedrag.errors import CorpusError
from mmedrag.progress import Log
from mmedrag.training.features import cached_rows, image_rows, text_rows
from mmedrag.training.splits import Split, checked_split, readable, write_used_split
from mmedrag.types import Case, Matrix

LABEL = "label"
"""The ``text_kind`` of a text that is only the name of a class."""

HELD_OUT = 0.2
"""The share of a set without a validation part that is held out, by patient."""

TUNE = 0.15
"""The share of the training part on which the epoch and the strategy are chosen, by patient."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Cases that have an image and a text; ``images`` ``(n, image_dim)``, ``texts`` ``(n, t)``."""

    cases: tuple[Case, ...]
    images: Matrix
    texts: Matrix

    def __len__(self) -> int:
        return len(self.cases)

    def taken(self, rows: NDArray[np.bool_]) -> Pairs:
        """Those of a mask ``(n,)``, in their order."""
        kept = tuple(case for case, keep in zip(self.cases, rows, strict=True) if keep)
        return Pairs(kept, self.images[rows], self.texts[rows])

    @property
    def studies(self) -> Codes:
        """The study of each, its patient where no study is named, itself where neither is.

        Int64 ``(n,)``.
        """
        return codes(study_of(case) for case in self.cases)

    @property
    def captions(self) -> Codes:
        """Equal for texts that are the same but for case and white space. Int64 ``(n,)``."""
        return codes(text_key(case.text) for case in self.cases)


def read_pair_split(
    paths: Sequence[Path],
    *,
    splits: Path | None = None,
    write: Path | None = None,
    log: Log = lambda line: None,
) -> Split:
    """Read files of the native format; the cases with an image and a text, in three parts.

    Held out is the split ``val`` of a set; of a set that has none, :data:`HELD_OUT` of its groups
    by patient, study, near-duplicate image and long text. Whatever is tied to a held-out case is in
    no part. :data:`TUNE` of the rest chooses. Texts that are only the name of a class are left out;
    a case's id, patient and study get the set's name in front. Pairs whose image cannot be read are
    left out, and ``log`` is told. A split file decides where one is
    given; the split is written to ``write`` where that is given.

    Raises:
        CorpusError: where a file cannot be read, no case has both, or the split does not fit.
        LeakError: where a part of the split file is tied to another.
    """
    cases = readable([case for case in read_sets(paths)[0] if _is_pair(case)], log)
    if not cases:
        raise CorpusError("No case has an image and a text", "Give files of image-text pairs.")
    ties = find_ties(cases)
    split = _random_split(cases, ties) if splits is None else checked_split(splits, cases, ties)
    if write is not None:
        sides = {"train": split.train, "tune": split.tune, "val": split.held_out}
        write_used_split(write, cases, sides, HELD_OUT, 0)
    return split


def _random_split(cases: Sequence[Case], ties: Sequence[Tie]) -> Split:
    with_val = {set_of(case) for case in cases if case.split == "val"}
    undivided = [case for case in cases if set_of(case) not in with_val]
    held_out = [case for case in cases if case.split == "val"]
    held_out += split_cases(undivided, HELD_OUT, 0, ties)[1] if undivided else []
    held_out_ids = {case.id for case in held_out}
    rest, _ = without_leaks([case for case in cases if case.id not in held_out_ids], held_out, ties)
    train, tune = split_cases(rest, TUNE, 1, ties)
    return Split(tuple(train), tuple(tune), tuple(held_out))


def encode_pairs(
    cases: Sequence[Case], images: ImageEncoder, texts: TextEncoder, cache: Path | None = None
) -> Pairs:
    """The cases with the features of their images and texts.

    Args:
        cases: with an image and a text each.
        images: the image encoder, which stays frozen.
        texts: the text encoder, likewise.
        cache: a folder where features are kept for the next time.

    Raises:
        ImageError: where an image cannot be decoded.
    """
    with tempfile.TemporaryDirectory() as thrown_away:
        folder = Path(thrown_away) if cache is None else cache
        return Pairs(
            tuple(cases),
            cached_rows(folder, images.fingerprint, cases, lambda c: image_rows(c, images)),
            cached_rows(folder, texts.fingerprint, cases, lambda c: text_rows(c, texts)),
        )


def set_of(case: Case) -> str:
    """The set that stands before the id of a case of :func:`read_pair_split`."""
    return case.id.partition("/")[0]


def _is_pair(case: Case) -> bool:
    labelled = case.meta.get("text_kind") == LABEL
    return case.image is not None and bool(case.text.strip()) and not labelled
