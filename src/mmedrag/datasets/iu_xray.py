"""Indiana University chest X-rays (Open-i; Demner-Fushman et al. 2016), in both forms people have.

The Kaggle tables ``indiana_reports.csv`` and ``indiana_projections.csv`` with a folder of PNG
files, and the original folder ``ecgen-radiology`` of XML reports. One case an image; patient and
study are the report's number. The collection's own de-identification mark, ``XXXX``, is made
``[removed]``, so that nothing takes it for a word.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmedrag.datasets.delimited import csv_rows
from mmedrag.datasets.rows import first_text, inside, side_table, text_of
from mmedrag.errors import CorpusError
from mmedrag.types import Case, Domain, Problem

LICENCE = "CC BY-NC-ND 4.0"
_MARK = re.compile(r"X{4,}")
_IMAGE_FOLDERS = ("images/images_normalized", "images_normalized", "images", "NLMCXR_png", ".")
_SECTIONS = ("findings", "impression")
_MAX_XML = 2 * 2**20


def read_iu_xray(path: Path, *, domain: Domain | None = None) -> Iterator[Case | Problem]:
    """Read the Kaggle tables: one case for each row of the projections, or a report without any.

    Where image files are absent, the cases come without them and one problem says how many.

    Args:
        path: the folder, or ``indiana_reports.csv`` in it.
        domain: overrules radiology.

    Raises:
        CorpusError: where a table is absent or has not the columns it should have.
    """
    folder = path if path.is_dir() else path.parent
    shots: dict[str, list[tuple[str, str]]] = defaultdict(list)
    projections = folder / "indiana_projections.csv"
    for row in csv_rows(side_table(projections)):
        if isinstance(row, Problem):
            yield row
            continue
        _need(projections, row[1], ("uid", "filename", "projection"))
        shots[row[1]["uid"]].append((row[1]["filename"], row[1]["projection"]))
    pictures = _Pictures(folder)
    reports = folder / "indiana_reports.csv"
    for row in csv_rows(reports):
        if isinstance(row, Problem):
            yield row
            continue
        line, report = row
        _need(reports, report, ("uid", *_SECTIONS))
        cases = _cases(report, shots.pop(report["uid"], []), pictures, domain or Domain.RADIOLOGY)
        if cases:
            yield from cases
        else:
            yield Problem(reports, line, "neither a report nor an image")
    yield from pictures.missing()
    if shots:
        reason = f"{len(shots)} studies have no report, the first is {next(iter(shots))[:50]}"
        yield Problem(projections, None, reason)


def read_ecgen(path: Path, *, domain: Domain | None = None) -> Iterator[Case | Problem]:
    """Read the original ``ecgen-radiology`` folder: one XML file a report.

    Args:
        path: the folder of XML files; images are looked for in it and beside it.
        domain: overrules radiology.

    Raises:
        CorpusError: where there is no XML file.
    """
    files = sorted(path.glob("*.xml"), key=lambda file: (len(file.name), file.name))
    if not files:
        raise CorpusError(f"{path} holds no XML reports", "Name the folder ecgen-radiology.")
    pictures = _Pictures(path, path.parent)
    for file in files:
        report = _xml_report(file)
        if isinstance(report, Problem):
            yield report
            continue
        shots = [(f"{name}.png", "") for name in report.pop("pictures")]
        cases = _cases(report, shots, pictures, domain or Domain.RADIOLOGY)
        if cases:
            yield from cases
        else:
            yield Problem(file, None, "neither a report nor an image")
    yield from pictures.missing()


class _Pictures:
    """Finds image files in the folders where they usually lie, and counts those absent."""

    def __init__(self, *roots: Path) -> None:
        self.root = roots[0]
        result = [root / name for root in roots for name in _IMAGE_FOLDERS]
        self.folders = [folder for folder in result if folder.is_dir()]
        self.absent: list[str] = []
        self.present = 0

    def find(self, name: str) -> Path | None:
        for folder in self.folders:
            file = inside(folder, name)
            if file is not None and file.is_file():
                self.present += 1
                return file
        self.absent.append(name)
        return None

    def missing(self) -> Iterator[Problem]:
        if self.absent:
            total = len(self.absent) + self.present
            reason = (
                f"{len(self.absent)} of {total} images are absent (the first is"
                f" {self.absent[0][:100]}); their cases have text only"
            )
            yield Problem(self.root, None, reason, stored=True)


def _need(file: Path, row: dict[str, Any], columns: tuple[str, ...]) -> None:
    absent = [name for name in columns if name not in row]
    if absent:
        raise CorpusError(f"{file} has no column {absent[0]}", "Use the table as Kaggle gives it.")


def _cases(
    report: dict[str, Any], shots: list[tuple[str, str]], pictures: _Pictures, domain: Domain
) -> list[Case]:
    uid = text_of(report["uid"])
    sections = {name: _MARK.sub("[removed]", text_of(report.get(name))) for name in _SECTIONS}
    text = "\n".join(f"{name.title()}: {words}" for name, words in sections.items() if words)
    problems = first_text(report, "Problems", "MeSH")
    labels = tuple(dict.fromkeys(label.strip() for label in problems.split(";") if label.strip()))
    rest = {
        key.lower(): _MARK.sub("[removed]", text_of(value))
        for key, value in report.items()
        if key not in ("uid", "image", "Problems") and text_of(value)
    }
    cases = []
    for name, projection in shots or [("", "")]:
        image = pictures.find(name) if name else None
        if text or image:
            stem = re.sub(r"(\.dcm)?\.\w+$", "", name)
            cases.append(
                Case(
                    id=f"iu_xray/{uid}/{stem}" if name else f"iu_xray/{uid}",
                    text=text,
                    image=image,
                    domain=domain,
                    modality="xray",
                    patient_id=uid,
                    study_id=uid,
                    labels=labels,
                    source="IU X-Ray",
                    licence=LICENCE,
                    meta={**rest, **({"projection": projection.lower()} if projection else {})},
                )
            )
    return cases


def _xml_report(file: Path) -> dict[str, Any] | Problem:
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        if file.stat().st_size > _MAX_XML:
            return Problem(file, None, f"larger than {_MAX_XML // 2**20} MiB")
        root = ElementTree.parse(file).getroot()
    except (ElementTree.ParseError, DefusedXmlException, OSError, ValueError, LookupError) as error:
        return Problem(file, None, f"not a valid XML report ({type(error).__name__})")
    if root is None:
        return Problem(file, None, "an empty XML report")
    uid = root.find("uId")
    report: dict[str, Any] = {
        "uid": (uid.get("id") if uid is not None else None) or file.stem,
        "pictures": [name for node in root.iter("parentImage") if (name := node.get("id"))],
        "Problems": ";".join(text_of(node.text) for node in root.iter("major")),
    }
    for node in root.iter("AbstractText"):
        report[text_of(node.get("Label")).lower()] = text_of(node.text)
    return report
