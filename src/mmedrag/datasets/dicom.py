"""A folder with DICOM files, de-identified as it is read.

Images become cases; structured reports (SR), a table of reports and texts beside the files give
them their reports, matched by study, accession number or file. What the header may say of a case
decides :mod:`mmedrag.datasets.deidentify`; the pixels are decoded by
:mod:`mmedrag.imaging.dicom_pixels`. Other pictures in the folder are read too, and what the headers
name goes out of their texts and ids as well.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydicom.dataset import FileDataset
from pydicom.filereader import read_partial

from mmedrag.datasets.deidentify import Pseudonyms, identifying_values, permitted, removed
from mmedrag.datasets.records import BadRow
from mmedrag.datasets.reports import Report, gather_reports, is_report_class
from mmedrag.datasets.rows import text_of
from mmedrag.datasets.scrubbing import scrub
from mmedrag.datasets.sidecars import TABLES, files_under, is_sidecar, picture_case, sidecar
from mmedrag.datasets.unread import Unread
from mmedrag.errors import CorpusError, ImageError
from mmedrag.imaging.dicom_files import DEFLATED, PARSER_FAILURES, parse_dicom
from mmedrag.imaging.dicom_pixels import check_pixels, middle_frame, unfold
from mmedrag.imaging.signatures import kind_of_file
from mmedrag.types import Case, Domain, Problem

_Kind: TypeAlias = Literal["image", "report", "aside", "picture", "other"]

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
_MAPS = {  # over the pixels of another file: segmentations, label maps, doses of radiotherapy
    "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7", "1.2.840.10008.5.1.4.1.1.481.2"
}  # fmt: skip
_MAX_IDENTIFYING = 200_000  # values of headers that pictures beside them are scrubbed of


def read_dicom(
    path: Path,
    *,
    reports: Path | None = None,
    frames: Literal["middle", "all"] = "middle",
    salt: bytes | None = None,
    domain: Domain | None = None,
) -> Iterator[Case | Problem]:
    """Read every DICOM image under a folder, in the order of the file names; then other pictures.

    Args:
        path: the folder. DICOMDIR files, dose reports, key object notes and other structured
            reports that are no findings are passed over, and so are segmentations and doses.
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
    kinds: set[_Kind] = set()
    names: set[str] = set()
    firsts: dict[str, Path] = {}
    others: list[Problem] = []
    unread = Unread()
    for file in files_under(path, others.append):
        kind = _kind(file)
        kinds.add(kind)
        if kind == "image":
            for item in _image_cases(file, texts, pseudonyms, frames, domain, names):
                yield _once(item, file, firsts)
        elif kind == "other" and file != table and not is_sidecar(file) and not unread.add(file):
            yield Problem(file, None, _not_dicom(file))
    yield from others
    yield from unread.problems()
    if not kinds & {"image", "report", "aside"}:
        raise CorpusError(f"{path} holds no DICOM files", "Name a folder of DICOM files.")
    yield from _reports_without_image(texts, pseudonyms, domain)
    if "picture" in kinds:
        yield from _pictures(path, names, pseudonyms, domain)


def deidentified(case: Case, pseudonyms: Pseudonyms) -> Case | Problem:
    """A case of another corpus whose image is a DICOM file, without what the file's header names.

    Its texts are scrubbed; its id, patient and study become pseudonyms where they are those of the
    header, and so does a date that is the header's.
    """
    if case.image is None or "deidentified" in case.meta:
        return case
    try:
        ds = parse_dicom(case.image, "the file")
        identifying = identifying_values(ds)
        header = {name: text_of(ds.get(name)) for name in ("PatientID", "StudyDate")}
        taken = removed(ds)
    except PARSER_FAILURES as error:
        return Problem(case.image, None, f"not valid DICOM ({type(error).__name__})")
    except ImageError as error:
        return Problem(case.image, None, str(error))
    day = _digits(case.date)
    return replace(
        case,
        id=case.id if scrub(case.id, identifying) == case.id else pseudonyms.uid(case.id),
        text=scrub(case.text, identifying),
        diagnosis=scrub(case.diagnosis, identifying),
        labels=tuple(scrub(label, identifying) for label in case.labels),
        modality=scrub(case.modality, identifying),
        source=scrub(case.source, identifying),
        licence=scrub(case.licence, identifying),
        patient_id=_hidden(case.patient_id, identifying, pseudonyms.patient),
        study_id=_hidden(case.study_id, identifying, pseudonyms.uid),
        date=pseudonyms.shifted(header["PatientID"], day) if day else case.date,
        meta={**_scrubbed(case.meta, identifying), "deidentified": taken},
    )


def _digits(day: str) -> str:
    """A date as DICOM writes it."""
    return re.sub(r"\D", "", day)


def _hidden(value: str, identifying: set[str], pseudonym: Callable[[str], str]) -> str:
    return (
        value
        if value not in identifying and scrub(value, identifying) == value
        else pseudonym(value)
    )


def _scrubbed(value: Any, identifying: set[str]) -> Any:  # noqa: ANN401 - JSON is of any type
    if isinstance(value, str):
        return scrub(value, identifying)
    if isinstance(value, Mapping):
        return {
            scrub(str(key), identifying): _scrubbed(item, identifying)
            for key, item in value.items()
        }
    return [_scrubbed(item, identifying) for item in value] if isinstance(value, list) else value


def _pictures(
    path: Path, names: set[str], pseudonyms: Pseudonyms, domain: Domain | None
) -> Iterator[Case | Problem]:
    """The pictures of other kinds, scrubbed of what the DICOM headers beside them name."""
    for file in files_under(path):
        if _kind(file) != "picture":
            continue
        case = picture_case(file, path, domain)
        if isinstance(case, Case):
            identifier = case.id
            pieces = scrub(re.sub(r"[\W_]+", " ", identifier), names)
            if pieces != re.sub(r"[\W_]+", " ", identifier):
                identifier = pseudonyms.uid(identifier)
            patient, day = _hidden(case.patient_id, names, pseudonyms.patient), _digits(case.date)
            known = patient != case.patient_id or day in names
            case = replace(
                case,
                id=identifier,
                text=scrub(case.text, names),
                diagnosis=scrub(case.diagnosis, names),
                labels=tuple(scrub(label, names) for label in case.labels),
                modality=scrub(case.modality, names),
                source=scrub(case.source, names),
                licence=scrub(case.licence, names),
                patient_id=patient,
                date=pseudonyms.shifted(case.patient_id, day) if known else case.date,
                study_id=_hidden(case.study_id, names, pseudonyms.uid),
                meta={**_scrubbed(case.meta, names), "deidentified": []},
            )
        yield case


def _not_dicom(file: Path) -> str:
    if file.suffix.lower() in TABLES:
        return "not a DICOM file; index a table by itself, or call one of reports reports.csv"
    return "not a DICOM file"


def _once(item: Case | Problem, file: Path, firsts: dict[str, Path]) -> Case | Problem:
    """A problem in the place of a case whose id has been seen."""
    if isinstance(item, Problem) or firsts.setdefault(item.id, file) == file:
        return item
    return Problem(file, None, f"has the instance UID of {firsts[item.id]}")


def _kind(file: Path) -> _Kind:
    """What a file is, by the start of its data set; "aside" is DICOM that is no case."""
    kind = kind_of_file(file)
    if kind != "dicom":
        return "picture" if kind else "other"
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
        if DEFLATED in head:
            return "image"  # said when it is parsed, which does not inflate it
        force = head[128:132] != b"DICM"
        head = head.removeprefix(b"DICM") if force else head
        ds = read_partial(BytesIO(head), lambda tag, _vr, _length: tag > 0x00080016, force=force)
        media = str(ds.file_meta.get("MediaStorageSOPClassUID", ""))
        sop_class = str(ds.get("SOPClassUID") or media)
    except PARSER_FAILURES:
        return "image"  # whatever is wrong with it is said when it is parsed
    if _DIRECTORY in (media, sop_class) or sop_class in _MAPS:
        return "aside"
    if sop_class.startswith(_SR):
        return "report" if is_report_class(sop_class) else "aside"
    return "image"


def _image_cases(
    file: Path,
    texts: dict[str, list[Report]],
    pseudonyms: Pseudonyms,
    frames: Literal["middle", "all"],
    domain: Domain | None,
    names: set[str],
) -> Iterator[Case | Problem]:
    """The cases of a file; what its header names is added to ``names``."""
    try:
        ds = parse_dicom(file, "the file")
        count = check_pixels(ds, "the file")
        chosen = range(count) if frames == "all" else (middle_frame(count),)
        unfold(ds, chosen[0])
        identifying = identifying_values(ds)
        if len(names) < _MAX_IDENTIFYING:
            names |= identifying
        text = _text(ds, file, texts, identifying)
        cases = [
            _case(ds, file, frame, frames == "all", text, pseudonyms, domain) for frame in chosen
        ]
    except ImageError as error:
        yield Problem(file, None, str(error))
    except BadRow as error:
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
    identifier = pseudonyms.uid(instance or f"{file.absolute()}\0{study}\0{series}")
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


def _text(
    ds: FileDataset, file: Path, texts: dict[str, list[Report]], identifying: set[str]
) -> str:
    """The scrubbed reports of an image's study, or of the image itself."""
    keys = [text_of(ds.get("StudyInstanceUID")), text_of(ds.get("AccessionNumber")), file.name]
    reports = [report for key in dict.fromkeys(keys) if key for report in texts.get(key, ())]
    lines = [report.text for report in reports]
    beside = sidecar(file).get("text")
    if isinstance(beside, str) and beside.strip():
        lines.append(beside.strip())
    for report in reports:
        report.used = True
        identifying = identifying | report.identifying
    return scrub("\n".join(dict.fromkeys(lines)), identifying)


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
                text=scrub(report.text, report.identifying),
                domain=domain,
                patient_id=pseudonyms.patient(report.patient),
                study_id=pseudonyms.uid(report.study),
                source="DICOM SR",
                meta={"text_kind": "report"},
            )
