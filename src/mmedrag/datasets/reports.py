"""Reports that belong to DICOM images: structured reports (SR), and a table beside them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileDataset

from mmedrag.datasets.deidentify import identifying_values
from mmedrag.datasets.delimited import csv_rows
from mmedrag.datasets.rows import first_text, text_of
from mmedrag.datasets.tables import report_of_row
from mmedrag.errors import ImageError
from mmedrag.imaging.dicom_files import PARSER_FAILURES, parse_dicom
from mmedrag.types import Problem

_MAX_ITEMS = 5000
_MAX_DEPTH = 24
_MAX_TEXT = 256 * 2**20  # characters of all reports that are held until their images come
_REPORTS = frozenset({"11", "22", "33", "34", "35"})  # basic, enhanced, comprehensive text
_SR = "1.2.840.10008.5.1.4.1.1.88."
_KEY_OBJECTS = range(113000, 113050)  # PS3.16, context group 7010: titles of key object notes
_DOSE_TITLES = frozenset({"113701", "113500", "113704", "113705", "121181"})
_ASIDE_TEMPLATES = frozenset({"10001", "10011", "10021", "2010"})  # doses, key objects
_DOSE = re.compile(r"\bdose\b|\bkey object\b|\bkey image\b", re.IGNORECASE)


@dataclass(slots=True)
class Report:
    """A report before it is scrubbed, and the names that its header knows."""

    text: str
    study: str = ""
    patient: str = ""
    identifying: set[str] = field(default_factory=set)
    used: bool = False


def is_report_class(sop_class: str) -> bool:
    """Whether a class of structured reports holds reports of findings (PS3.4, annex O).

    Dose reports, key object notes, procedure logs, measurements and results of CAD do not.
    """
    return sop_class.removeprefix(_SR) in _REPORTS


def is_report(ds: Dataset) -> bool:
    """Whether a structured report is one of findings by its title and template, too.

    Doses and key objects are also written under the general classes.
    """
    title = ds.get("ConceptNameCodeSequence")
    code = text_of(title[0].get("CodeValue")) if title else ""
    if code in _DOSE_TITLES or (code.isdecimal() and int(code) in _KEY_OBJECTS):
        return False
    template = ds.get("ContentTemplateSequence")
    identifier = text_of(template[0].get("TemplateIdentifier")) if template else ""
    return identifier not in _ASIDE_TEMPLATES and not _DOSE.search(_meaning(title))


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
    held = sum(len(report.text) for reports in texts.values() for report in reports)
    for file in files:
        if held > _MAX_TEXT:
            problems.append(Problem(file, None, "left out: there are too many reports for memory"))
            break
        try:
            held += _add_report(parse_dicom(file, "the file"), texts)
        except PARSER_FAILURES as error:
            problems.append(Problem(file, None, f"damaged report ({type(error).__name__})"))
        except ImageError as error:
            problems.append(Problem(file, None, error.what))
    return texts, problems


def _add_table(table: Path, texts: dict[str, list[Report]], problems: list[Problem]) -> None:
    held = 0
    for row in csv_rows(table):
        if isinstance(row, Problem):
            problems.append(row)
            continue
        line, cells = row
        cells = {re.sub(r"[\W_]+", "", name.lower()): cell for name, cell in cells.items()}
        text = report_of_row(cells)
        key = first_text(cells, "studyuid", "studyinstanceuid", "accession", "accessionnumber")
        file = first_text(cells, "file", "filename", "filepath", "path", "image").replace("\\", "/")
        key = key or Path(file).name
        held += len(text)
        if held > _MAX_TEXT:
            reason = "this row and those after it are left out: too many reports for memory"
            problems.append(Problem(table, line, reason))
            return
        if text and key:
            texts[key].append(Report(text))
        else:
            reason = "needs a text and one of study_uid, accession, file"
            problems.append(Problem(table, line, reason))


def _add_report(ds: FileDataset, texts: dict[str, list[Report]]) -> int:
    """Keep a structured report, if it is one of findings; returns its length."""
    study = text_of(ds.get("StudyInstanceUID"))
    key = study or text_of(ds.get("AccessionNumber"))
    text = report_text(ds) if is_report(ds) else ""
    if key and text:
        patient = text_of(ds.get("PatientID")) or study
        texts[key].append(Report(text, study, patient, identifying_values(ds)))
    return len(text)


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
