"""ROCO (Pelka et al. 2018): ``train|validation|test / radiology|non-radiology`` folders.

Each holds ``captions.txt`` (id, tab, caption), ``dlinks.txt``, ``keywords.txt``, ``licences.txt``
under these or revised names, and ``images/`` once they have been fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mmedrag.datasets.rows import inside, lines, side_table
from mmedrag.errors import CorpusError
from mmedrag.types import Case, Domain, Problem

SPLITS = {"train": "train", "validation": "val", "test": "test"}
_ROOTS = ("data", "all_data")  # the repository's, and that of the copy on Kaggle
_CLASSES = ("radiology", "non-radiology")
_ARTICLE = re.compile(r"PMC\d+")


def read_roco(path: Path, *, domain: Domain | None = None) -> Iterator[Case | Problem]:
    """Read ROCO: one case a caption; study and patient are the article it comes from.

    Radiology figures have that domain, the others none unless ``domain`` says so. Where images have
    not been fetched, cases come without and one problem a folder says how many.

    Raises:
        CorpusError: where no folder with captions is found.
    """
    result = False
    root = next((path / name for name in _ROOTS if (path / name).is_dir()), path)
    for folder, split in _folders(root):
        captions = _table(folder, "captions")
        if captions is not None:
            result = True
            yield from _folder(folder, captions, split, domain)
    if not result:
        raise CorpusError(
            f"{path} holds no ROCO captions", "Name the folder above train, validation and test."
        )


def _folders(root: Path) -> Iterator[tuple[Path, str]]:
    for name, split in SPLITS.items():
        for kind in _CLASSES:
            yield root / name / kind, split
    split = SPLITS.get(root.parent.name, "") if root.name in _CLASSES else SPLITS.get(root.name, "")
    for folder in (root, *(root / kind for kind in _CLASSES)):
        yield folder, split


def _table(folder: Path, name: str) -> Path | None:
    return next(iter(sorted(folder.glob(f"{name}*.txt"))), None)


def _folder(
    folder: Path, captions: Path, split: str, domain: Domain | None
) -> Iterator[Case | Problem]:
    links, keywords, licences = (
        _columns(_table(folder, name)) for name in ("dlinks", "keywords", "licences")
    )
    radiology = Domain.RADIOLOGY if folder.name == "radiology" else None
    absent = 0
    for line in lines(captions):
        if isinstance(line, Problem):
            yield line
            continue
        name, _, text = line[1].strip().partition("\t")
        if not name and not text:
            continue
        if not text.strip():
            yield Problem(captions, line[0], "no caption after the identifier")
            continue
        image = _image(folder, name)
        absent += image is None
        article = _ARTICLE.search(" ".join(links.get(name, ())))
        yield Case(
            id=f"roco/{name.strip()}",
            text=text.strip(),
            image=image,
            domain=domain or radiology,
            patient_id=article.group() if article else "",
            study_id=article.group() if article else "",
            labels=keywords.get(name, ()),
            source="ROCO",
            licence=(licences.get(name) or ("",))[-1],
            split=split,
            meta={"roco_class": folder.name, "text_kind": "caption"},
        )
    if absent:
        reason = f"{absent} images are absent; their cases have text only"
        yield Problem(captions, None, reason, stored=True)


def _columns(table: Path | None) -> dict[str, tuple[str, ...]]:
    if table is None:
        return {}
    rows = (
        line[1].strip().split("\t")
        for line in lines(side_table(table))
        if not isinstance(line, Problem)
    )
    return {row[0]: tuple(cell.strip() for cell in row[1:] if cell.strip()) for row in rows}


def _image(folder: Path, name: str) -> Path | None:
    file = inside(folder / "images", f"{name.strip()}.jpg")
    return file if file is not None and file.is_file() else None
