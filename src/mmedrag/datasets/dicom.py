"""A folder of DICOM files, de-identified as it is read.

Images become cases; structured reports (SR) and a table of reports give them their texts, matched
by study or accession number. What the header may say of a case decides
:mod:`mmedrag.datasets.deidentify`; the pixels are decoded by :mod:`mmedrag.imaging.dicom_pixels`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from pydicom.dataset import FileDataset
from pydicom.filereader import read_partial

from mmedrag.datasets.deidentify import Pseudonyms, known_values, permitted, removed, scrub
from mmedrag.datasets.folder import files_under
from mmedrag.datasets.reports import Report, gather_reports
from mmedrag.datasets.rows import text_of
from mmedrag.errors import CorpusError, ImageError
from mmedrag.imaging.decoding import is_dicom, read_bytes
from mmedrag.imaging.dicom_pixels import (
    DEFLATED,
    PARSER_FAILURES,
    check_pixels,
    parse_dicom,
    unfold,
)
from mmedrag.types import Case, Domain, Problem

MODALITIES: dict[str, tuple[str, Domain | None]] = {
    "CT": ("ct", Domain.RADIOLOGY),
    "MR": ("mri", Domain.RADIOLOGY),
    "CR": ("xray", Domain.RADIOLOGY),
    "DX": ("xray", Domain.RADIOLOGY),
    "RG": ("xray", Domain.RADIOLOGY),
    "PX": ("xray", Domain.RADIOLOGY),
    "IO": ("xray", Domain.RADIOLOGY),
    "MG": ("mammography", Domain.RADIOLOGY),
    "US": ("ultrasound", Domain.RADIOLOGY),
    "IVUS": ("ultrasound", Domain.RADIOLOGY),
    "XA": ("angiography", Domain.RADIOLOGY),
    "RF": ("fluoroscopy", Domain.RADIOLOGY),
    "PT": ("pet", Domain.RADIOLOGY),
    "NM": ("scintigraphy", Domain.RADIOLOGY),
    "SM": ("histology", Domain.PATHOLOGY),
    "GM": ("microscopy", Domain.PATHOLOGY),
    "OP": ("fundus", Domain.OPHTHALMOLOGY),
    "OPT": ("oct", Domain.OPHTHALMOLOGY),
    "OCT": ("oct", None),
    "ES": ("endoscopy", None),
    "XC": ("photograph", None),
}
"""DICOM's modality codes (PS3.3, C.7.3.1.1.1), and the domain that each belongs to."""

_HEAD = 2**20
_SR = "1.2.840.10008.5.1.4.1.1.88."
_DIRECTORY = "1.2.840.10008.1.3.10"


def read_dicom(
    path: Path,
    *,
    reports: Path | None = None,
    frames: Literal["middle", "all"] = "middle",
    salt: bytes | None = None,
    domain: Domain | None = None,
) -> Iterator[Case | Problem]:
    """Read every DICOM image under a folder, in the order of the file names.

    Args:
        path: the folder. DICOMDIR files are passed over.
        reports: a table with a column ``text`` (or ``report``) and one of ``study_uid``,
            ``accession``, ``file``; by default ``reports.csv`` in the folder, where there is one.
        frames: which frame of a multi-frame file becomes a case: its middle one, or each.
        salt: the key of the pseudonyms (see :class:`~mmedrag.datasets.deidentify.Pseudonyms`). With
            the same salt a second reading gives the same ids; the default is random.
        domain: overrules what the modality says.

    Yields:
        De-identified cases. ``meta["deidentified"]`` names what was removed and
        ``meta["burned_in_annotation"]`` is ``"NO"``, ``"YES"`` or ``"unknown"``: unless it is
        ``"NO"``, the pixels themselves may show a name. ``Case.image`` is the file's own path.

    Raises:
        CorpusError: where there is no such folder or no DICOM file in it, or for a table of reports
            that cannot be read.
    """
    if not path.is_dir():
        raise CorpusError(f"{path} is not a folder", "Name a folder of DICOM files.")
    pseudonyms = Pseudonyms(salt or secrets.token_bytes(32))
    table = reports or (path / "reports.csv" if (path / "reports.csv").is_file() else None)
    written = (file for file in files_under(path) if _kind(file) == "report")
    texts, problems = gather_reports(written, table)
    yield from problems
    found = False
    firsts: dict[str, Path] = {}
    for file in files_under(path):
        kind = _kind(file)
        if kind == "image":
            found = True
            for item in _image_cases(file, texts, pseudonyms, frames, domain):
                yield _once(item, file, firsts)
        elif kind == "other" and file != table:
            yield Problem(file, None, "not a DICOM file")
        found = found or kind == "report"
    if not found:
        raise CorpusError(f"{path} holds no DICOM files", "Name a folder of DICOM files.")
    yield from _reports_without_image(texts, pseudonyms, domain)


def _once(item: Case | Problem, file: Path, firsts: dict[str, Path]) -> Case | Problem:
    """A problem in the place of a case whose id has been seen."""
    if isinstance(item, Problem) or firsts.setdefault(item.id, file) == file:
        return item
    return Problem(file, None, f"has the instance UID of {firsts[item.id]}")


def _kind(file: Path) -> Literal["image", "report", "directory", "other"]:
    """What a file is, by the start of its data set."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD) if file.is_file() else b""
    except OSError:
        return "other"
    if not is_dicom(head):
        return "other"
    if DEFLATED in head:
        return "image"  # said when it is parsed, which does not inflate it
    try:
        ds = read_partial(BytesIO(head), stop_when=lambda tag, _vr, _length: tag > 0x00080016)
        media = str(ds.file_meta.get("MediaStorageSOPClassUID", ""))
        kind = str(ds.get("SOPClassUID") or media)
    except PARSER_FAILURES:
        return "image"  # whatever is wrong with it is said when it is parsed
    if _DIRECTORY in (media, kind):
        return "directory"
    return "report" if kind.startswith(_SR) else "image"


def _image_cases(
    file: Path,
    texts: dict[str, list[Report]],
    pseudonyms: Pseudonyms,
    frames: Literal["middle", "all"],
    domain: Domain | None,
) -> Iterator[Case | Problem]:
    try:
        ds = parse_dicom(read_bytes(file), "the file")
        count = check_pixels(ds, "the file")
        chosen = range(count) if frames == "all" else (count // 2,)
        unfold(ds, chosen[0])
        text = _text(ds, file, texts)
        cases = [
            _case(ds, file, frame, frames == "all", text, pseudonyms, domain) for frame in chosen
        ]
    except ImageError as error:
        yield Problem(file, None, str(error))
    except PARSER_FAILURES as error:
        yield Problem(file, None, f"not valid DICOM ({type(error).__name__})")
    else:
        yield from cases


def _case(
    ds: FileDataset,
    file: Path,
    frame: int,
    each: bool,
    text: str,
    pseudonyms: Pseudonyms,
    domain: Domain | None,
) -> Case:
    study, series, instance = (
        text_of(ds.get(name))
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    )
    patient = text_of(ds.get("PatientID")) or study or instance
    modality, usual = MODALITIES.get(text_of(ds.get("Modality")).upper(), ("", None))
    burned = text_of(ds.get("BurnedInAnnotation")).upper()
    meta: dict[str, Any] = {
        **permitted(ds),
        "burned_in_annotation": burned if burned in ("YES", "NO") else "unknown",
        "deidentified": removed(ds),
    }
    if series:
        meta["series_id"] = pseudonyms.uid(series)
    identifier = pseudonyms.uid(instance or f"{file.name}\0{study}\0{series}")
    return Case(
        id=f"{identifier}/{frame}" if each else identifier,
        text=text,
        image=file,
        frame=frame,
        domain=domain or usual,
        modality=modality,
        patient_id=pseudonyms.patient(patient) if patient else "",
        study_id=pseudonyms.uid(study) if study else "",
        date=pseudonyms.shifted(patient, text_of(ds.get("StudyDate"))),
        source="DICOM",
        meta=meta,
    )


def _text(ds: FileDataset, file: Path, texts: dict[str, list[Report]]) -> str:
    """The scrubbed reports of an image's study, or of the image itself."""
    keys = [text_of(ds.get("StudyInstanceUID")), text_of(ds.get("AccessionNumber")), file.name]
    reports = [report for key in dict.fromkeys(keys) if key for report in texts.get(key, ())]
    if not reports:
        return ""
    known = known_values(ds)
    for report in reports:
        report.used = True
        known |= report.known
    return scrub("\n".join(dict.fromkeys(report.text for report in reports)), known)


def _reports_without_image(
    texts: dict[str, list[Report]], pseudonyms: Pseudonyms, domain: Domain | None
) -> Iterator[Case]:
    """Structured reports whose images are not here: cases of text alone."""
    seen: set[str] = set()
    for report in (report for reports in texts.values() for report in reports):
        identifier = pseudonyms.uid(f"report\0{report.study}\0{report.text}")
        if report.study and not report.used and identifier not in seen:
            seen.add(identifier)
            yield Case(
                id=identifier,
                text=scrub(report.text, report.known),
                domain=domain,
                patient_id=pseudonyms.patient(report.patient),
                study_id=pseudonyms.uid(report.study),
                source="DICOM SR",
                meta={"text_kind": "report"},
            )
