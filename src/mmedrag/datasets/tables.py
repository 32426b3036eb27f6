"""Tables with named columns: CSV, TSV and Parquet.

Which column is which comes from a mapping, ``{"image": "file_name", "text": "report"}``, or from
the names that people commonly use.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmedrag.datasets.records import BadRow, case_from
from mmedrag.datasets.rows import Row, corpus_file, csv_rows
from mmedrag.errors import CorpusError, MissingExtra
from mmedrag.types import Case, Domain, Problem

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "case_id", "image_id", "uid", "name"),
    "text": ("text", "report", "caption", "findings", "description", "impression"),
    "image": ("image", "image_path", "path", "file", "filename", "file_name"),
    "domain": ("domain",),
    "modality": ("modality",),
    "patient_id": ("patient_id", "patient", "subject_id"),
    "study_id": ("study_id", "study", "accession"),
    "date": ("date", "study_date"),
    "labels": ("labels", "label", "diagnosis"),
    "source": ("source", "source_repo"),
    "licence": ("licence", "license"),
    "split": ("split",),
    "frame": ("frame",),
}
"""A case's fields, and the column names by which they are recognised."""

_MAX_ROW_GROUP = 2 * 2**30


def read_table(
    path: Path, *, columns: Mapping[str, str] | None = None, domain: Domain | None = None
) -> Iterator[Case | Problem]:
    """Read a CSV, TSV or Parquet file: one case a row.

    A CSV file's delimiter and encoding (UTF-8, else Windows-1252) are recognised. Labels in one
    cell are parted by ``;`` or ``|``. Columns that name no field are kept in ``meta``. Without an
    id column the row's line is the id.

    Args:
        path: the file; image paths in it are relative to its folder.
        columns: which column holds each field, for those that are not recognised.
        domain: for rows that name none.

    Raises:
        CorpusError: where the file, its header or a column that ``columns`` names is absent.
        MissingExtra: for Parquet without pyarrow.
    """
    with corpus_file(path).open("rb") as file:
        parquet = file.read(4) == b"PAR1"
    rows = _parquet_rows(path) if parquet else csv_rows(path, *dialect(path))
    fields: dict[str, str] | None = None
    seen: dict[str, int] = {}
    for row in rows:
        if isinstance(row, Problem):
            yield row
            continue
        line, cells = row
        fields = _fields(path, cells, columns or {}) if fields is None else fields
        try:
            case = case_from(_record(line, cells, fields), path.parent, domain)
        except BadRow as error:
            yield Problem(path, line, str(error))
            continue
        first = seen.setdefault(case.id, line)
        again = f"id {case.id!r} is that of line {first}"
        yield case if first == line else Problem(path, line, again)


def _fields(path: Path, cells: Iterable[str], columns: Mapping[str, str]) -> dict[str, str]:
    """The column of each field."""
    present = {name.lower(): name for name in cells}
    chosen: dict[str, str] = {}
    for field, name in columns.items():
        if field not in COLUMNS:
            raise CorpusError(f"No field is called {field}", f"Choose of {', '.join(COLUMNS)}.")
        if name.lower() not in present:
            raise CorpusError(
                f"{path} has no column {name}", f"It has {', '.join(present.values())}."
            )
        chosen[field] = present[name.lower()]
    for field, names in COLUMNS.items():
        found = next((present[name] for name in names if name in present), None)
        if found is not None and field not in chosen and found not in chosen.values():
            chosen[field] = found
    if not {"text", "image"} & chosen.keys():
        raise CorpusError(
            f"{path} has no column of texts or images",
            f"Say which it is: text=... or image=..., of {', '.join(present.values())}.",
        )
    return chosen


def _record(line: int, cells: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
    record = {field: cells[column] for field, column in fields.items()}
    record.setdefault("id", f"row-{line}")
    if isinstance(record.get("labels"), str):
        record["labels"] = record["labels"].replace("|", ";").split(";")
    if isinstance(record.get("frame"), str):
        record["frame"] = int(record["frame"]) if record["frame"].isdecimal() else record["frame"]
    used = set(fields.values())
    rest = {
        key: value for key, value in cells.items() if key not in used and value not in (None, "")
    }
    return {**record, "meta": rest}


def dialect(path: Path) -> tuple[str, str]:
    """Delimiter and encoding of a text table.

    Raises:
        CorpusError: where it cannot be read, or is not text in a known encoding.
    """
    with corpus_file(path).open("rb") as file:
        head = file.read(65536)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CorpusError(f"{path} is UTF-16", "Save it as UTF-8.")
    if b"\0" in head:
        raise CorpusError(f"{path} is not a table", "Use CSV, TSV or Parquet.")
    encoding = "utf-8" if _is_utf8(path) else "cp1252"
    first = head.split(b"\n", 1)[0].decode(encoding, "replace")
    try:
        return csv.Sniffer().sniff(first, delimiters=",;\t|").delimiter, encoding
    except csv.Error:
        return max(",;\t|", key=first.count), encoding


def _is_utf8(path: Path) -> bool:
    with path.open("rb") as file:
        rest = b""
        while block := file.read(2**20):
            try:
                (rest + block).decode()
                rest = b""
            except UnicodeDecodeError as error:
                rest = (rest + block)[error.start :]
                if len(rest) > 3:
                    return False
    return not rest


def _parquet_rows(path: Path) -> Iterator[Row | Problem]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise MissingExtra("Parquet needs pyarrow", 'pip install "mmedrag[parquet]"') from None
    try:
        number = 0
        with parquet.ParquetFile(path) as file:
            _check_parquet(path, file)
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield number, _plain_row(row)
    except (ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise CorpusError(f"{path} is not valid Parquet ({reason})", "Write it again.") from None


def _check_parquet(path: Path, file: Any) -> None:  # noqa: ANN401 - pyarrow is untyped
    groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
    if any(group.total_byte_size > _MAX_ROW_GROUP for group in groups):
        limit = f"{_MAX_ROW_GROUP // 2**30} GiB"
        raise CorpusError(f"{path} has row groups over {limit}", "Write smaller row groups.")


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    """Values that JSON can hold: bytes go, dates and numbers of other kinds become text."""
    plain = (str, int, float, bool, list, dict, type(None))
    return {
        key: value if isinstance(value, plain) else str(value)
        for key, value in row.items()
        if not isinstance(value, bytes)
    }
