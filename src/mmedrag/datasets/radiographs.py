"""Radiographs of records, to put findings into: some to learn from, others to measure on."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from PIL import Image

from mmedrag.datasets.records import read_records
from mmedrag.imaging.decoding import open_image
from mmedrag.types import Case, Problem


def radiographs(paths: Sequence[Path], most: int, *, test: bool = True) -> list[Image.Image]:
    """X-ray pictures of different patients, at most so many of each file.

    Args:
        paths: record files.
        most: pictures of each.
        test: whether they are to be measured on or to be learned from; a digest of the patient
            decides, so that nobody is in both.

    Raises:
        CorpusError: where a file cannot be read.
        ImageError: where a picture cannot be decoded.
    """
    chosen: list[Case] = []
    for path in paths:
        cases = [case for case in pictured(path) if "ray" in case.modality.lower()]
        one_each = {_digest(case): case for case in cases}
        chosen += [one_each[key] for key in sorted(one_each) if (key[0] < 128) == test][:most]
    return [open_image(case.image, case.frame) for case in chosen if case.image is not None]


def _digest(case: Case) -> bytes:
    return sha256(f"radiograph {case.patient_id or case.id}".encode()).digest()


def pictured(path: Path, split: str = "") -> list[Case]:
    """The records of that split (of all, where it is empty) that have a picture.

    Raises:
        CorpusError: where the file cannot be read.
    """
    return [
        case
        for case in read_records(path)
        if not isinstance(case, Problem) and case.image is not None and split in ("", case.split)
    ]
