"""Reports that belong to DICOM images: structured reports (SR), and a table beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileDataset

from mmedrag.datasets.deidentify import known_values
from mmedrag.datasets.rows import csv_rows, first_text, text_of
from mmedrag.datasets.tables import dialect
from mmedrag.errors import ImageError
from mmedrag.imaging.decoding import read_bytes
from mmedrag.imaging.dicom_pixels import PARSER_FAILURES, parse_dicom
from mmedrag.types import Problem

_MAX_ITEMS = 5000
_MAX_DEPTH = 24


@dataclass(slots=True)
class Report:
    """A report before it is scrubbed, and the names that its header knows."""

    text: str
    study: str = ""
    patient: str = ""
    known: set[str] = field(default_factory=set)
    used: bool = False


def report_text(ds: Dataset) -> str:
    """The text of a structured report (PS3.3, C.17.3): its TEXT, CODE and NUM items under headings.

    Persons, times, references and the observation context are left out.
    """
    lines: list[str] = []
    _walk(ds, lines, 0)
    return "\n".join(lines)


def gather_reports(
    files: Iterable[Path], table: Path | None
) -> tuple[dict[str, list[Report]], list[Problem]]:
    """Reports by the study, accession number or file name that they belong to.

    Args:
        files: structured reports.
        table: a table with a column ``text`` (or ``report``) and one of ``study_uid``,
            ``accession``, ``file``.

    Raises:
        CorpusError: where the table cannot be read.
    """
    texts: dict[str, list[Report]] = defaultdict(list)
    problems: list[Problem] = []
    if table is not None:
        _add_table(table, texts, problems)
    for file in files:
        try:
            _add_report(parse_dicom(read_bytes(file), "the file"), texts)
        except PARSER_FAILURES as error:
            problems.append(Problem(file, None, f"damaged report ({type(error).__name__})"))
        except ImageError as error:
            problems.append(Problem(file, None, error.what))
    return texts, problems


def _add_table(table: Path, texts: dict[str, list[Report]], problems: list[Problem]) -> None:
    for row in csv_rows(table, *dialect(table)):
        if isinstance(row, Problem):
            problems.append(row)
            continue
        line, cells = row
        text = first_text(cells, "text", "report", "findings")
        key = first_text(cells, "study_uid", "StudyInstanceUID", "accession", "AccessionNumber")
        key = key or Path(first_text(cells, "file", "filename", "file_name")).name
        if text and key:
            texts[key].append(Report(text))
        else:
            reason = "needs a text and one of study_uid, accession, file"
            problems.append(Problem(table, line, reason))


def _add_report(ds: FileDataset, texts: dict[str, list[Report]]) -> None:
    study = text_of(ds.get("StudyInstanceUID"))
    key = study or text_of(ds.get("AccessionNumber"))
    text = report_text(ds)
    if key and text:
        patient = text_of(ds.get("PatientID")) or study
        texts[key].append(Report(text, study, patient, known_values(ds)))


def _walk(node: Dataset, lines: list[str], depth: int) -> None:
    if depth > _MAX_DEPTH:
        return
    for item in node.get("ContentSequence") or []:
        if len(lines) >= _MAX_ITEMS:
            return
        if text_of(item.get("RelationshipType")) in ("HAS OBS CONTEXT", "HAS ACQ CONTEXT"):
            continue
        heading, value = _meaning(item.get("ConceptNameCodeSequence")), _value(item)
        if value:
            lines.append(f"{heading}: {value}" if heading else value)
        elif heading and text_of(item.get("ValueType")) == "CONTAINER":
            lines.append(heading)
        _walk(item, lines, depth + 1)


def _value(item: Dataset) -> str:
    kind = text_of(item.get("ValueType"))
    if kind == "TEXT":
        return text_of(item.get("TextValue"))
    if kind == "CODE":
        return _meaning(item.get("ConceptCodeSequence"))
    measured = item.get("MeasuredValueSequence") if kind == "NUM" else None
    if not measured:
        return ""
    unit = _meaning(measured[0].get("MeasurementUnitsCodeSequence"))
    return f"{text_of(measured[0].get('NumericValue'))} {unit}".strip()


def _meaning(codes: Any) -> str:  # noqa: ANN401 - a sequence, where the file is as it should be
    return text_of(codes[0].get("CodeMeaning")) if codes else ""
