"""What the names of folders and files say of the pictures in them: their split and their class.

``chest_xray/train/NORMAL/1.jpeg`` is of the split ``train`` and shows what is called ``NORMAL``.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mmedrag import domains
from mmedrag.datasets.scrubbing import SURNAMES, abbreviations, ordinary_words

SPLITS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Splits, by what folders and files of them are called."""

_PICTURES = frozenset(
    [
        *("image", "images", "img", "imgs", "picture", "pictures", "photo", "photos"),
        *("png", "jpg", "jpeg", "tif", "tiff", "data", "set"),
    ]
)
"""What a folder of nothing but pictures is called, besides its split."""

_NO_CLASS = _PICTURES | frozenset(
    [
        *("mask", "masks", "label", "labels", "annotation", "annotations", "segmentation"),
        *("dataset", "sets", "original", "raw", "processed", "preprocessed", "augmented"),
        *("resized", "cropped", "other", "others", "misc", "unknown", "new", "old"),
        *("ct", "mr", "mri", "xray", "ray", "cxr", "us", "ultrasound", "oct", "pet", "fundus"),
        *("axial", "coronal", "sagittal", "left", "right", "lateral", "frontal", "ap", "pa"),
        *("figure", "figures", "table", "tables", "input", "output", "source", "target", "masked"),
        *("pre", "post", "before", "after", "baseline", "final", "first", "second", "third"),
        *("hospital", "clinic", "site", "ward", "emergency", "radiology", "dept", "department"),
        *("yes", "no", "true", "false"),
        *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
        *("october", "november", "december", "week", "day", "month", "year", "monday", "tuesday"),
        *("wednesday", "thursday", "friday", "saturday", "sunday"),
    ]
)
"""Words of names that say how, when or where pictures were taken and kept, not what they show."""

_NUMBERED = frozenset(
    [
        *("patient", "subject", "case", "study", "series", "session", "visit", "exam", "scan"),
        *("slice", "frame", "part", "fold", "batch", "shard", "chunk", "sample"),
    ]
)
"""Words of names that count patients, studies and files."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[^\W\d_a-z]+|[^\W\d_]+")
_KNOWN = 3  # letters of the shortest word by which a class is known
_SHOWN = 12  # classes in a remark
_MANY, _FULL = 40, 10  # folders that may be classes at most, and pictures in each at least


@dataclass(frozen=True, slots=True)
class Layout:
    """The split and the label of the pictures of a corpus, by their folders within it."""

    splits: Mapping[Path, str] = field(default_factory=dict)
    labels: Mapping[Path, str] = field(default_factory=dict)

    def fields(self, position: Path) -> dict[str, Any]:
        """What the folders say of a picture, by its path within the corpus."""
        split, label = self.splits.get(position.parent), self.labels.get(position.parent)
        return ({"split": split} if split else {}) | ({"labels": [label]} if label else {})


def split_named(name: str) -> str:
    """The one split that a file is named after, as ``train_reports.csv`` is; else nothing."""
    found = {SPLITS[word] for word in _words(name) if word in SPLITS}
    return found.pop() if len(found) == 1 else ""


def split_of_folders(position: Path) -> str:
    """The split that the nearest of a file's folders is named after."""
    return next(filter(None, map(_split, reversed(position.parts[:-1]))), "")


def layout_of(positions: Iterable[Path], *, classes: bool) -> tuple[Layout, str]:
    """What folders say of the pictures at these places within a corpus; and a remark on classes.

    Splits are read where there are two at least. Folders of pictures are classes where siblings
    are, none of which is numbered as patients and studies are, and which reports would name (half
    of them, so that names of patients are none) or which two splits have alike.

    Args:
        positions: of the pictures, within the corpus.
        classes: whether names of folders may be labels.
    """
    counts = Counter(position.parent for position in positions)
    splits = {folder: split_of_folders(folder / "_") for folder in counts}
    splits = splits if len({*splits.values()} - {""}) > 1 else {}
    levels = [level for level in _levels(counts) if classes and _may_be_classes(level)]
    labels = {
        folder: _label(name)
        for level in levels
        if _are_known(level, splits)
        for folder, name in level.items()
        if _is_class(name)
    }
    remark = _remark(counts, labels) if labels else _doubt(counts, levels)
    return Layout(splits, labels), remark


def _levels(folders: Iterable[Path]) -> Iterable[Mapping[Path, str]]:
    """Folders of pictures with their names, those together that lie beside each other."""
    levels: dict[tuple[str, ...], dict[Path, str]] = defaultdict(dict)
    for folder in folders:
        parts = [part for part in folder.parts if not _split(part)]
        while parts and _PICTURES.issuperset(_words(parts[-1])):
            parts.pop()
        if parts:
            levels[tuple(parts[:-1])][folder] = parts[-1]
    return levels.values()


def _may_be_classes(level: Mapping[Path, str]) -> bool:
    """Whether no name of sibling folders is that of a patient or study that is counted."""
    names = {name.casefold() for name in level.values()}
    uncounted = {re.sub(r"[\W\d_]+", "", name) for name in names}
    if len(uncounted) < len(names) or sum(map(_is_class, names)) < 2:
        return False
    return not any(_NUMBERED.intersection(_words(name)) for name in level.values())


def _are_known(level: Mapping[Path, str], splits: Mapping[Path, str]) -> bool:
    """Whether reports use words of the names of sibling folders, or splits have the same ones."""
    sides: dict[str, set[str]] = defaultdict(set)
    for folder, name in level.items():
        sides[name.casefold()].add(splits.get(folder, ""))
    alike = sum(len(found - {""}) > 1 for found in sides.values())
    known = {name.casefold() for name in level.values() if _is_known(name)}
    return 2 * max(alike, len(known)) >= len(sides)


def _is_class(name: str) -> bool:
    words = [word for word in _words(name) if len(word) > 1]
    return not _NO_CLASS.issuperset(words) and domains.get(name.casefold()) is None


def _is_known(name: str) -> bool:
    """Whether reports have a word of a name that is nobody's."""
    return any(
        word.casefold() in _report_words() or word.upper() in abbreviations()
        for word in _WORD.findall(name)
        if len(word) >= _KNOWN and word.casefold() not in _NO_CLASS
    )


@cache
def _report_words() -> frozenset[str]:
    return ordinary_words() - SURNAMES


def _label(name: str) -> str:
    """A class by the name of its folder: blanks for underscores, without its number."""
    words = re.sub(r"^\d+[\W_]+(?=.*[^\W\d_])", "", " ".join(name.replace("_", " ").split()))
    return re.sub(r"(?i)\b(non) ", r"\1-", words)  # "non pneumonia" is read as one


def _remark(counts: Mapping[Path, int], labels: Mapping[Path, str]) -> str:
    sums: Counter[str] = Counter()
    for folder, label in labels.items():
        sums[label] += counts[folder]
    named = ", ".join(f"{label} ({count:,})" for label, count in sums.most_common(_SHOWN))
    more = ", …" if len(sums) > _SHOWN else ""
    reason = f"names of folders are read as labels: {named}{more}; to have none, or others, "
    return reason + "index these folders one by one, or a table that names the pictures"


def _doubt(counts: Mapping[Path, int], levels: Iterable[Mapping[Path, str]]) -> str:
    """What is said of folders that may be classes, without their names, which may be people's."""
    for level in levels:
        if len(level) <= _MANY and min(counts[folder] for folder in level) >= _FULL:
            reason = (
                f"{len(level)} folders of pictures beside each other may be classes; their names "
            )
            reason += "are not read as labels, for they could be those of patients: "
            return f"{reason}a table that names the pictures says what they show"
    return ""


def _split(name: str) -> str:
    """The split that a folder is named after, as ``Training``, ``test_images``."""
    words = [word for word in _words(name) if word not in _PICTURES]
    return SPLITS.get(words[0], "") if len(words) == 1 else ""


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(name)]
