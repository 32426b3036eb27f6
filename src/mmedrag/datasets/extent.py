"""About how many rows a corpus has, without reading it: what a progress bar needs for its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mmedrag.datasets import recognise
from mmedrag.datasets.delimited import csv_rows
from mmedrag.datasets.rows import MAX_LINE, is_json_whole, until_broken
from mmedrag.datasets.sidecars import TABLES, files_under
from mmedrag.errors import CorpusError
from mmedrag.regular_files import regular_file

_BESIDE = TABLES | {".txt", ".json", ".xml", ".html", ".md", ".pdf", ".yaml", ".yml"}
"""Endings of files that stand beside images."""


def extent(path: Path, kind: str = "auto") -> int | None:
    """About how many cases and problems :func:`~mmedrag.datasets.read_corpus` will give.

    Lines or rows of text tables are counted and files of folders, but nothing is opened that a row
    names.

    Args:
        path: of the corpus.
        kind: name of its format, or ``"auto"``.

    Returns:
        ``None`` for formats that would have to be read for it, and for what cannot be read.
    """
    try:
        count = _COUNTS.get(recognise(path).name if kind == "auto" else kind)
        return None if count is None else count(path)
    except (CorpusError, OSError):
        return None  # the reader will say so


def total(extents: Iterable[int | None]) -> int | None:
    """Their sum, where all are known."""
    counts = [*extents]
    return None if None in counts else sum(filter(None, counts))


def _records(path: Path) -> int | None:
    file = path / "records.jsonl" if path.is_dir() else path
    return None if is_json_whole(file) else _lines(file)


def _json_lines(path: Path) -> int | None:
    return sum(map(_lines, path.glob("*.jsonl"))) if path.is_dir() else _records(path)


def _lines(path: Path) -> int:
    with regular_file(path).open("rb") as file:
        blocks = iter(lambda: file.read(MAX_LINE), b"")
        return sum(block.count(b"\n") for block in blocks)


def _rows(path: Path) -> int:
    return sum(1 for _ in until_broken(csv_rows(path)))


def _table(path: Path) -> int | None:
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson", ".json"):
        return _records(path)
    return None if suffix in (".parquet", ".pq") else _rows(path)


def _rocov2(path: Path) -> int | None:
    files = [path] if path.is_file() else path.glob("*_captions.csv")
    return sum(map(_rows, files))


def _roco(path: Path) -> int | None:
    return sum(_lines(file) for file in path.rglob("captions*.txt"))


def _iu_xray(path: Path) -> int | None:
    folder = path if path.is_dir() else path.parent
    return _rows(folder / "indiana_projections.csv")


def _images(path: Path) -> int | None:
    return sum(file.suffix.lower() not in _BESIDE for file in files_under(path))


_COUNTS: Mapping[str, Callable[[Path], int | None]] = {
    "records": _records,
    "pmc_oa": _json_lines,
    "table": _table,
    "rocov2": _rocov2,
    "roco": _roco,
    "iu_xray": _iu_xray,
    "dicom": _images,
    "folder": _images,
}
