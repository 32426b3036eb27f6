"""A folder of images, with texts beside them, tables that name them, or in folders of classes.

``scan.png`` beside ``scan.txt`` (its report) or ``scan.json`` (fields of the native format); a
table such as ``reports.csv``, or one for each split; or ``train/NORMAL/1.jpeg``. Sub-folders are
read; those named ``radiology``, ``pathology`` or ``ophthalmology`` give their images that domain.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from mmedrag.datasets.layout import Layout, layout_of, split_named, split_of_folders
from mmedrag.datasets.records import read_records
from mmedrag.datasets.rows import corpus_key, is_json_whole
from mmedrag.datasets.sidecars import (
    SUFFIXES,
    TABLES,
    domain_of_folder,
    files_under,
    is_sidecar,
    picture_case,
)
from mmedrag.datasets.tables import column_names, is_native, read_table
from mmedrag.datasets.unread import Unread
from mmedrag.errors import CorpusError, MMedRAGError
from mmedrag.imaging.signatures import kind_of_file
from mmedrag.types import Case, Domain, Problem

_NAMES_NONE = "the table names no picture here: index it by itself, or say image=COLUMN"
_ROWS, _CASES = 10_000, 20
"""Rows of a table that are looked through for pictures of the folder, and cases to judge it by."""


def read_folder(
    path: Path,
    *,
    domain: Domain | None = None,
    columns: Mapping[str, str] | None = None,
    salt: bytes | None = None,
) -> Iterator[Case | Problem]:
    """Read every image under a folder: one case an image, its id the folder and relative path.

    What a file is, its contents say. Where DICOM files lie among them, anywhere, the folder is read
    as :func:`~mmedrag.datasets.dicom.read_dicom` reads it: de-identified. Where one table under the
    folder names images of it, or one for each split, and no texts lie beside images, the rows of
    the tables are read first, with their images, and then the other images. Where nothing describes
    the images, the names of their folders may be labels (see :mod:`~mmedrag.datasets.layout`).

    Args:
        path: the folder.
        domain: for images whose folder, sidecar or row names none.
        columns: for these tables, which column holds each field.
        salt: for DICOM, the key of the pseudonyms.

    Raises:
        CorpusError: where there is no such folder, no image in it, or no table to have the columns.
    """
    if not path.is_dir():
        raise CorpusError(f"{path} is not a folder", "Name a folder of images.")
    if any(kind_of_file(file) == "dicom" for file in files_under(path)):
        from mmedrag.datasets.dicom import read_dicom

        if columns:
            raise CorpusError(f"Columns are for tables, and {path} is DICOM", "Leave them out.")
        return read_dicom(path, domain=domain, salt=salt)
    described = _described(path, columns or {})
    if columns and not described.tables:
        reasons = "; ".join(f"{remark.file.name}: {remark.reason}" for remark in described.remarks)
        raise CorpusError(
            f"Columns are for tables, and {path} is read without one", reasons or "Leave them out."
        )
    return _items(path, described, columns or {}, domain)


def _items(
    path: Path, described: _Described, columns: Mapping[str, str], domain: Domain | None
) -> Iterator[Case | Problem]:
    yield from described.remarks
    pictures = (file for file in files_under(path) if file.suffix.lower() in SUFFIXES)
    positions = (file.relative_to(path) for file in pictures)
    layout, remark = layout_of(positions, classes=described.by_nothing)
    if remark:
        yield Problem(path, None, remark, stored=True)
    named: set[int] = set()
    taken: set[int] = set()
    for table in described.tables:
        rows = _rows(path, table, columns, domain, named, layout)
        yield from _apart(rows, table.split, taken)
    empty, alone, first = True, 0, path
    others: list[Problem] = []
    unread = Unread()
    for file in files_under(path, others.append):
        if hash(os.path.abspath(file)) in named:  # noqa: PTH100 - links are the user's own
            empty = False
        elif kind_of_file(file):
            empty = False
            alone, first = alone + 1, first if alone else file
            yield picture_case(file, path, domain, layout.fields(file.relative_to(path)))
        elif file.suffix.lower() in SUFFIXES:
            empty = False
            yield Problem(file, None, _why_no_picture(file))
        elif not is_sidecar(file):
            unread.add(file)
    if described.tables and alone:
        reason = f"pictures that no row of the table names: {alone:,}, of which this is the first"
        yield Problem(first, None, f"{reason}; they are cases without it", stored=True)
    yield from others
    yield from unread.problems()
    if empty:
        raise CorpusError(f"{path} holds no images", f"Known are {', '.join(sorted(SUFFIXES))}.")


def _apart(rows: Iterator[Case | Problem], split: str, taken: set[int]) -> Iterator[Case | Problem]:
    """The rows of a table; an id that an earlier one has, as a hash in ``taken``, has the split."""
    own: set[int] = set()
    for row in rows:
        if isinstance(row, Case) and hash(row.id) in taken:
            row = replace(row, id=f"{split}/{row.id}")
        if isinstance(row, Case):
            own.add(hash(row.id))
        yield row
    taken |= own


def _why_no_picture(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            empty = not opened.read(1)
    except OSError as error:
        return f"cannot be read ({error.strerror}): check its rights and its disk"
    if empty:
        return "is empty: copy it again"
    return "is not a PNG, JPEG, TIFF, BMP or DICOM file: convert it"


@dataclass(frozen=True, slots=True)
class _Table:
    """A table that names pictures, the folder to which it names them, and its split."""

    file: Path
    base: Path
    split: str = ""


@dataclass(frozen=True, slots=True)
class _Described:
    """What describes the pictures under a folder: tables, or nothing at all."""

    tables: Sequence[_Table] = ()
    remarks: Sequence[Problem] = ()
    by_nothing: bool = False


def _described(path: Path, columns: Mapping[str, str]) -> _Described:
    """The tables that describe pictures under a folder, and what is said of each table."""
    tables = [file for file in files_under(path) if is_table_of_folder(file)]
    if any(is_sidecar(file) for file in files_under(path)):
        reason = "the table is not read, for texts lie beside pictures: index it by itself"
        return _Described((), [Problem(table, None, reason) for table in tables])
    found = {table: _base_of(table, path, columns) for table in tables}
    fit = [_Table(table, base) for table, (base, unfit) in found.items() if not unfit]
    read = fit if len(fit) == 1 else _of_splits(path, fit)
    said = {table.file: _said_of(table) for table in read}
    reason = f"this is one of {len(fit)} tables that name pictures here, and none of them is read: "
    reason += "index them in place of the folder"
    return _Described(
        read,
        [Problem(t, None, found[t][1] or said.get(t, reason), stored=t in said) for t in tables],
        by_nothing=not fit,
    )


def _base_of(table: Path, folder: Path, columns: Mapping[str, str]) -> tuple[Path, str]:
    """The folder to which a table names pictures, its own or the whole, and why it is unfit."""
    reason = _unfit(_Table(table, table.parent), columns)
    if reason != _NAMES_NONE or table.parent == folder:
        return table.parent, reason
    return folder, _unfit(_Table(table, folder), columns)


def _said_of(table: _Table) -> str:
    split = f", as the split {table.split}" if table.split else ""
    return f"the table is read with the pictures it names{split}"


def _of_splits(folder: Path, tables: Sequence[_Table]) -> list[_Table]:
    """Tables with the split of each, by its name or its folders; none where they do not fit.

    They do where each is of a split, and one has all columns: a test set may lack the labels.
    """
    places = [table.file.relative_to(folder) for table in tables]
    splits = [split_named(place.stem) or split_of_folders(place) for place in places]
    if not all(splits):
        return []
    names = [column_names(table.file) for table in tables]
    most = max(names, key=len, default=frozenset())
    if not all(own <= most for own in names):
        return []
    return [replace(table, split=split) for table, split in zip(tables, splits, strict=True)]


def is_table_of_folder(file: Path) -> bool:
    """Whether a file under a folder is a table: by its name, or as JSON that holds rows."""
    suffix = file.suffix.lower()
    with suppress(CorpusError):  # a file that cannot be read
        return suffix in TABLES or (
            suffix == ".json" and is_json_whole(file) and not is_sidecar(file)
        )
    return False


def _unfit(table: _Table, columns: Mapping[str, str]) -> str:
    """Why a table does not describe pictures beside it; nothing where it does."""
    try:
        rows = (row for row in islice(_read_table(table, columns), _ROWS) if isinstance(row, Case))
        cases = list(islice((case for case in rows if case.image is not None), _CASES))
    except MMedRAGError as error:
        return str(error).replace(f"{table.file} ", "the table ", 1)
    if not cases:
        return _NAMES_NONE
    if not any(case.text for case in cases) and len({case.image for case in cases}) < len(cases):
        return "the table has several rows a picture and no texts: index it by itself"
    return ""


def _read_table(table: _Table, columns: Mapping[str, str]) -> Iterator[Case | Problem]:
    if not columns and is_native(table.file):
        return read_records(table.file)
    return read_table(table.file, columns=columns, folder=table.base)


def _rows(
    folder: Path,
    table: _Table,
    columns: Mapping[str, str],
    domain: Domain | None,
    named: set[int],
    layout: Layout,
) -> Iterator[Case | Problem]:
    """The rows of a folder's table; the places of their images, as hashes, are added to ``named``.

    A row without an id is called by its image, as it would be without the table.
    """
    root = os.path.abspath(folder)  # noqa: PTH100
    own, key = f"{corpus_key(table.file)}/", corpus_key(folder)
    within_table = table.file.relative_to(folder)
    for row in _read_table(table, columns):
        if isinstance(row, Problem):
            yield row
            continue
        place = within_table / row.id.removeprefix(own)
        within, side = domain, table.split
        if row.image is not None:
            position, seen = row.image.relative_to(root), hash(str(row.image))
            place = place if seen in named else position
            within = domain_of_folder(position) or domain
            side = table.split or layout.splits.get(position.parent, "")
            named.add(seen)
        if row.id.startswith(own):
            row = replace(row, id=f"{key}/{place.as_posix()}")
        if row.study_id.startswith(own):  # a row of several images
            study = within_table / row.study_id.removeprefix(own)
            row = replace(row, study_id=f"{key}/{study.as_posix()}")
        if row.domain is None and "domain" not in row.meta:
            row = replace(row, domain=within)
        yield row if row.split else replace(row, split=side)
