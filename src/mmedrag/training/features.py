"""Frozen features of the training sets, encoded once and kept beside the run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmedrag.datasets.records import read_records
from mmedrag.datasets.sampling import evenly_spaced
from mmedrag.encoders.dual import decoded_chunks
from mmedrag.encoders.image import ImageEncoder
from mmedrag.encoders.text import TextEncoder
from mmedrag.errors import ImageError
from mmedrag.progress import Log
from mmedrag.training.sets import TrainingSet
from mmedrag.training.splits import readable
from mmedrag.types import Case, Matrix, Problem


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Cases of one set in the order of the file, and their features, float32 ``(n, dim)``."""

    source: TrainingSet
    cases: Sequence[Case]
    rows: Matrix

    @property
    def set_name(self) -> str:
        """The name of the set that the features are of."""
        return self.source.name

    def only(self, chosen: Sequence[int]) -> Features:
        """The cases of these numbers, with their rows."""
        return Features(self.source, [self.cases[i] for i in chosen], self.rows[list(chosen)])


def read_set(path: Path) -> Iterator[Case]:
    """The cases of a record file or its folder; rows that cannot be read are left out."""
    for record in read_records(path):
        if not isinstance(record, Problem):
            yield record


def image_features(
    sets: Sequence[TrainingSet],
    encoder: ImageEncoder,
    cache: Path,
    most: int = 10**6,
    log: Log = lambda line: None,
) -> list[Features]:
    """Features of cases with an image, ``(n, encoder.dim)`` a set; at most ``most``.

    Images that cannot be read are left out, and ``log`` is told; a set without any is left out.
    """
    features = []
    for of in tqdm(sets, desc="image features", unit="set", disable=None):
        cases = evenly_spaced(
            [case for case in read_set(of.records) if case.image is not None], most
        )
        key = f"{encoder.fingerprint} {of.name} {_digest(of.records)}"
        try:
            rows = cached_rows(cache, key, cases, lambda c: image_rows(c, encoder))
        except ImageError:
            cases = readable(cases, log)
            rows = cached_rows(cache, key, cases, lambda c: image_rows(c, encoder))
        if cases:
            features.append(Features(of, cases, rows))
    return features


def text_features(
    sets: Sequence[TrainingSet], encoder: TextEncoder, cache: Path, most: int = 2000
) -> list[Features]:
    """Features of cases with a text, ``(n, encoder.dim)`` a set; at most ``most``.

    A set without any text is left out.
    """
    features = []
    for of in tqdm(sets, desc="text features", unit="set", disable=None):
        cases = evenly_spaced([case for case in read_set(of.records) if case.text.strip()], most)
        if cases:
            key = f"{encoder.fingerprint} {of.name} {_digest(of.records)}"
            rows = cached_rows(cache, key, cases, lambda c: text_rows(c, encoder))
            features.append(Features(of, cases, rows))
    return features


def _digest(path: Path) -> str:
    """Of the records, so that another corpus of the same name is not taken for this one."""
    file = path / "records.jsonl" if path.is_dir() else path
    return hashlib.sha256(file.read_bytes()).hexdigest()


def image_rows(cases: Sequence[Case], encoder: ImageEncoder) -> Matrix:
    """Features of the cases' images, ``(n, encoder.dim)``."""
    pictures = [(case.image, case.frame) for case in cases if case.image is not None]
    if not pictures:
        return np.empty((0, encoder.dim), np.float32)
    return np.concatenate([encoder.encode(chunk) for chunk in decoded_chunks(pictures, 16, 2)])


def text_rows(cases: Sequence[Case], encoder: TextEncoder) -> Matrix:
    """Features of the cases' texts, ``(n, encoder.dim)``; a repeated text is encoded once."""
    index = {text: i for i, text in enumerate(dict.fromkeys(case.text for case in cases))}
    return encoder.encode(list(index))[[index[case.text] for case in cases]]


def cached_rows(
    cache: Path, name: str, cases: Sequence[Case], encode: Callable[[Sequence[Case]], Matrix]
) -> Matrix:
    """Features by row, read from ``cache`` where ``name`` and the cases' ids are known there.

    Float32 ``(n, dim)``.

    ``name`` must tell the encoder (its fingerprint) and the set apart from every other.
    """
    key = hashlib.sha256("\n".join([name, *(case.id for case in cases)]).encode()).hexdigest()[:24]
    path = cache / f"{key}.npy"
    if path.exists():
        stored: Matrix = np.load(path, allow_pickle=False)
        return stored
    rows = encode(cases)
    cache.mkdir(parents=True, exist_ok=True)
    np.save(path, rows, allow_pickle=False)
    return rows
