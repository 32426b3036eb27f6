"""Corpora in: every loader streams cases, and problems for what could not become a case.

:func:`read_corpus` recognises the format; :data:`FORMATS` lists what can be read.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mmedrag.datasets.folder import is_table_of_folder, read_folder
from mmedrag.datasets.iu_xray import read_ecgen, read_iu_xray
from mmedrag.datasets.medpix import read_medpix
from mmedrag.datasets.pmc_oa import is_figure, read_pmc_oa
from mmedrag.datasets.records import read_records, write_records
from mmedrag.datasets.roco import read_roco
from mmedrag.datasets.rocov2 import is_captions, read_rocov2
from mmedrag.datasets.rows import ENDED, first_row, is_json, json_rows, until_broken
from mmedrag.datasets.sidecars import CASEBASE, SUFFIXES, files_under
from mmedrag.datasets.tables import is_native, read_table
from mmedrag.datasets.unread import Unread
from mmedrag.errors import CorpusError
from mmedrag.imaging.signatures import kind_of_file
from mmedrag.regular_files import check_is_no_container
from mmedrag.types import Case, Domain, Problem

__all__ = ["FORMATS", "Format", "read_corpus", "recognise", "write_records"]

Reader: TypeAlias = Callable[..., Iterator[Case | Problem]]

MAX_PROBLEMS = 1000
"""How many problems of one corpus are given singly; those beyond are counted."""

_NAMED = 5  # tables in a message


@dataclass(frozen=True, slots=True)
class Format:
    """A corpus format: what it holds, how it is recognised, what it needs beyond the core."""

    name: str
    holds: str
    recognised_by: str
    needs: str
    matches: Callable[[Path], bool]
    read: Reader


def recognise(path: Path) -> Format:
    """The format of a corpus, by its files and their first bytes.

    Raises:
        CorpusError: where nothing is there, or nothing that is known.
    """
    if not path.exists():
        raise CorpusError(f"{path} does not exist", "Check the path.")
    if (path / CASEBASE).exists():
        raise CorpusError(
            f"{path} is a casebase, no corpus",
            "'mmedrag copy' copies it; 'mmedrag export' writes its cases as a corpus.",
        )
    for entry in FORMATS:
        if entry.matches(path):
            return entry
    if not path.is_dir():
        check_is_no_container(path)
    if is_json(path) and isinstance(row := next(json_rows(path), None), Problem):
        raise CorpusError(str(row), "Write one JSON object a line.")
    if path.is_file() and path.suffix.lower() == ".json":
        raise CorpusError(f"{path} is no list of cases", "Write an array of objects, a case each.")
    held = _held(path) if path.is_dir() else []
    raise CorpusError(
        f"{path} is in no format that is recognised",
        "; ".join(held) or f"Say which it is: {', '.join(entry.name for entry in FORMATS)}.",
    )


def _held(folder: Path) -> list[str]:
    """What a folder without pictures holds in their place, and what to do with it."""
    unread, tables = Unread(), []
    for file in files_under(folder):
        unread.add(file)
        tables += [str(file)] if is_table_of_folder(file) else []
    named = ", ".join(tables[:_NAMED]) + (", …" if len(tables) > _NAMED else "")
    reasons = [str(problem) for problem in unread.problems()]
    return [f"Index its tables themselves: {named}", *reasons] if tables else reasons


def read_corpus(
    path: Path,
    kind: str = "auto",
    *,
    domain: Domain | None = None,
    columns: Mapping[str, str] | None = None,
    salt: bytes | None = None,
) -> Iterator[Case | Problem]:
    """Read a corpus of any known format, one case at a time.

    A case whose image is a DICOM file comes de-identified, whatever named the file. Problems beyond
    :data:`MAX_PROBLEMS` come as one that counts them; a corpus of which a million rows and most are
    broken is read no further.

    Args:
        path: a file or a folder.
        kind: the name of a format, or ``"auto"``.
        domain: the domain of cases that name none (formats of one domain: overrules it).
        columns: for a table or the table of a folder, which column holds each field.
        salt: for DICOM files, the key of the pseudonyms; with the same one ids stay the same.

    Raises:
        CorpusError: at once, where the format is not known or an argument does not fit it; while
            reading, where the corpus cannot be read.
        MissingExtra: where a library that the format needs is not installed.
    """
    try:
        if kind == "auto" and columns and _is_table(path):
            kind = "table"
        result = recognise(path) if kind == "auto" else _named(kind)
    except OSError as error:
        raise _unreadable(path, error) from None
    options: dict[str, Any] = {"domain": domain}
    if columns:
        if result.name not in ("table", "folder"):
            raise CorpusError(f"Columns are for tables; this is {result.name}", "Leave them out.")
        options["columns"] = columns
    if salt is not None and result.name in ("dicom", "folder"):
        options["salt"] = salt
    items = _readable(path, result.read(path, **options))
    return _limited(path, _deidentified(items, salt))


def _readable(path: Path, items: Iterator[Case | Problem]) -> Iterator[Case | Problem]:
    """The items of a corpus, as long as its disk gives them."""
    try:
        yield from items
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> CorpusError:
    reason = error.strerror or str(error)
    return CorpusError(
        f"{error.filename or path} cannot be read ({reason})", "Check its disk and your rights."
    )


def _deidentified(items: Iterator[Case | Problem], salt: bytes | None) -> Iterator[Case | Problem]:
    key = salt or secrets.token_bytes(32)
    for item in items:
        if not isinstance(item, Case) or item.image is None or "deidentified" in item.meta:
            yield item
        elif kind_of_file(item.image) == "dicom":
            from mmedrag.datasets.deidentify import Pseudonyms
            from mmedrag.datasets.dicom import deidentified

            yield deidentified(item, Pseudonyms(key))
        else:
            yield item


def _limited(path: Path, items: Iterator[Case | Problem]) -> Iterator[Case | Problem]:
    problems, ended = 0, ""
    for item in until_broken(items):
        if isinstance(item, Problem) and item.reason == ENDED:
            ended = f"; after line {item.line:,} {ENDED}" if item.line else f"; {ENDED}"
            continue
        problems += isinstance(item, Problem)
        if problems <= MAX_PROBLEMS or isinstance(item, Case):
            yield item
    if problems > MAX_PROBLEMS:
        more = problems - MAX_PROBLEMS
        yield Problem(path, None, f"{more:,} more rows or files could not be read{ended}")


def _named(kind: str) -> Format:
    result = next((entry for entry in FORMATS if entry.name == kind), None)
    if result is None:
        names = ", ".join(entry.name for entry in FORMATS)
        raise CorpusError(f"No format is called {kind}", f"Choose of auto, {names}.")
    return result


def _read_dicom(path: Path, **options: Any) -> Iterator[Case | Problem]:  # noqa: ANN401
    from mmedrag.datasets.dicom import read_dicom

    return read_dicom(path, **options)


def _has(path: Path, *names: str) -> bool:
    return path.is_dir() and any((path / name).is_file() for name in names)


def _is_records(path: Path) -> bool:
    return _has(path, "records.jsonl") or is_native(path)


def _is_pmc_oa(path: Path) -> bool:
    names = ("pmc_oa.jsonl", "pmc_oa_beta.jsonl", "train.jsonl", "valid.jsonl", "test.jsonl")
    files = [path / name for name in names] if path.is_dir() else [path]
    return any(is_figure(first_row(file), file) for file in files)


def _is_roco(path: Path) -> bool:
    patterns = (
        "radiology/captions*.txt",
        "*/radiology/captions*.txt",
        "*/*/radiology/captions*.txt",
    )
    return path.is_dir() and any(True for pattern in patterns for _ in path.glob(pattern))


def _is_ecgen(path: Path) -> bool:
    first = next(path.glob("*.xml"), None) if path.is_dir() else None
    if first is None:
        return False
    with first.open("rb") as file:
        return b"<eCitation" in file.read(4096)


def _is_iu_xray(path: Path) -> bool:
    return _has(path, "indiana_reports.csv") or path.name == "indiana_reports.csv"


def _is_medpix(path: Path) -> bool:
    return _has(path, "Case_topic.json") and _has(path, "Descriptions.json", "Description.json")


def _is_table(path: Path) -> bool:
    tables = (".csv", ".tsv", ".parquet", ".pq")
    return path.is_file() and (path.suffix.lower() in tables or bool(first_row(path)))


def _is_rocov2(path: Path) -> bool:
    files = path.iterdir() if path.is_dir() else [path]
    return any(is_captions(file) and file.is_file() for file in files)


def _is_dicom(path: Path) -> bool:
    return path.is_dir() and any(kind_of_file(file) == "dicom" for file in files_under(path))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and any(
        kind_of_file(file) or file.suffix.lower() in SUFFIXES for file in files_under(path)
    )


FORMATS: tuple[Format, ...] = (
    Format(
        "records",
        "the native format: JSON Lines with id, text, image, domain, … and meta",
        "a .jsonl file whose rows have an id and these names, or a folder with records.jsonl",
        "",
        _is_records,
        read_records,
    ),
    Format(
        "iu_xray",
        "IU X-Ray (Open-i) as on Kaggle: reports, projections, PNG files",
        "a folder with indiana_reports.csv",
        "",
        _is_iu_xray,
        read_iu_xray,
    ),
    Format(
        "iu_xray_xml",
        "IU X-Ray (Open-i), the original XML reports",
        "a folder of XML files with eCitation (ecgen-radiology)",
        "",
        _is_ecgen,
        read_ecgen,
    ),
    Format(
        "medpix",
        "MedPix 2.0: images with captions and their cases' findings and discussion",
        "a folder with Case_topic.json and Descriptions.json",
        "",
        _is_medpix,
        read_medpix,
    ),
    Format(
        "roco",
        "ROCO: figures of open-access articles with captions, keywords and splits",
        "folders radiology and non-radiology with captions.txt",
        "",
        _is_roco,
        read_roco,
    ),
    Format(
        "pmc_oa",
        "PMC-OA: figures of open-access articles with captions",
        "pmc_oa.jsonl, or JSON Lines whose rows have an image, a caption and a PMC number",
        "",
        _is_pmc_oa,
        read_pmc_oa,
    ),
    Format(
        "rocov2",
        "ROCOv2: radiological figures with captions, concepts and splits",
        "train_captions.csv, or a folder with it",
        "",
        _is_rocov2,
        read_rocov2,
    ),
    Format(
        "table",
        "CSV, TSV, Parquet or JSON with named columns",
        "a .csv, .tsv, .parquet or .jsonl file, a JSON array, or JSON lists by split",
        'Parquet: pip install "mmedrag[parquet]"',
        _is_table,
        read_table,
    ),
    Format(
        "dicom",
        "DICOM images with reports from SR or reports.csv, de-identified, and pictures beside them",
        "a folder with a DICOM file anywhere, by its first bytes",
        "compressed DICOM: pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg",
        _is_dicom,
        _read_dicom,
    ),
    Format(
        "folder",
        "images with sidecar texts (scan.png beside scan.txt or scan.json), tables, or classes",
        "a folder of image files, by their first bytes",
        "",
        _is_folder,
        read_folder,
    ),
)
"""What can be read, in the order in which it is tried."""
