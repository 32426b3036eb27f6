"""What of a DICOM header may enter a case (PS3.15, annex E, Basic Profile).

The profile lists what to remove; here it is turned round. Nothing enters but an allow-list of
attributes, each checked against a closed vocabulary or a number, so that a name typed into the
wrong field does not slip through. Identifiers become keyed pseudonyms, dates move by an offset of
the patient's own, so that intervals stay.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from mmedrag.datasets.names import is_unspaced
from mmedrag.imaging.dicom_files import PARSER_FAILURES


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VOCABULARY: dict[str, frozenset[str]] = {
    "PatientSex": frozenset("MFO"),
    "Laterality": frozenset("LRUB"),
    "ImageLaterality": frozenset("LRUB"),
    "PatientPosition": _words("HFP HFS HFDR HFDL FFDR FFDL FFP FFS"),
    "ViewPosition": _words(
        "AP PA LL RL LLD RLD LLO RLO LPO RPO LAO RAO LAT LATERAL CC MLO ML LM XCCL OBL"
    ),
    "BodyPartExamined": _words(
        "ABDOMEN ABDOMENPELVIS ADRENAL ANKLE AORTA ARM AXILLA BACK BLADDER BRAIN BREAST BRONCHUS"
        " BUTTOCK CALCANEUS CALF CAROTID CEREBELLUM CSPINE CERVIX CHEEK CHEST CHESTABDOMEN"
        " CHESTABDPELVIS CHOROIDPLEXUS CIRCLEOFWILLIS CLAVICLE COCCYX COLON CORNEA CORONARYARTERY"
        " CTSPINE DUODENUM EAR ELBOW ESOPHAGUS EXTREMITY EYE EYELID FACE FEMUR FINGER FOOT FOREARM"
        " GALLBLADDER HAND HEAD HEADNECK HEART HIP HUMERUS ILEUM ILIUM IAC JAW JEJUNUM KIDNEY KNEE"
        " LARYNX LEG LIVER LSPINE LSSPINE LUNG MAXILLA MEDIASTINUM MOUTH NECK NECKCHEST"
        " NECKCHESTABDOMEN NECKCHESTABDPELV NOSE ORBIT OVARY PANCREAS PAROTID PATELLA PELVIS PENIS"
        " PHARYNX PROSTATE RECTUM RETINA RIB SACRUM SCALP SCAPULA SCLERA SCROTUM SHOULDER SKIN"
        " SKULL SPINE SPLEEN SSPINE STERNUM STOMACH SUBMANDIBULAR TESTIS THIGH THUMB THYMUS THYROID"
        " TIBIA TLSPINE TOE TONGUE TRACHEA TSPINE UMBILICUS URETER URETHRA UTERUS VAGINA VULVA"
        " WHOLEBODY WRIST ZYGOMA"
    ),
    "PhotometricInterpretation": frozenset({"PALETTE COLOR"})
    | _words("MONOCHROME1 MONOCHROME2 RGB YBR_FULL YBR_FULL_422 YBR_RCT YBR_ICT"),
}
_NUMBERS = _words(
    "Rows Columns NumberOfFrames PixelSpacing ImagerPixelSpacing NominalScannedPixelSpacing"
    " SliceThickness SpacingBetweenSlices WindowCenter WindowWidth KVP MagneticFieldStrength"
    " EchoTime RepetitionTime InversionTime FlipAngle BitsStored"
)
_PIXEL_GROUPS = frozenset({0x5400, 0x6000, 0x7FE0})  # waveforms, overlays, pixels
_MAX_DEPTH = 24
_AGE = re.compile(r"(\d{3})([DWMY])")
_LISTED = _NUMBERS | {*_VOCABULARY, "PatientAge"}

# These decide how the pixels are shown or become pseudonyms; they do not enter a case as they are.
_TRANSFORMED = _words(
    "Modality PatientID StudyInstanceUID SeriesInstanceUID SOPInstanceUID StudyDate"
    " BurnedInAnnotation PixelData FloatPixelData DoubleFloatPixelData SamplesPerPixel"
    " BitsAllocated HighBit PixelRepresentation PlanarConfiguration RescaleSlope RescaleIntercept"
    " VOILUTFunction SpecificCharacterSet"
)

_NAME_SEPARATORS = re.compile(r"[\s^=,]+")
_COMPOUND = re.compile(r"['’‘ʼ‐‑–.-]+")
_SHORTEST = 3  # letters of a piece of a compound name; "O" of O'Brien is none
_IDENTIFIERS = _words(
    "PatientID AccessionNumber OtherPatientIDs IssuerOfPatientID PatientAddress"
    " PatientTelephoneNumbers InstitutionName InstitutionAddress InstitutionalDepartmentName"
    " AdmissionID StationName DeviceSerialNumber MedicalRecordLocator StudyID Occupation"
    " PatientComments EthnicGroup PatientReligiousPreference MilitaryRank BranchOfService"
    " CountryOfResidence RegionOfResidence CurrentPatientLocation PatientInstitutionResidence"
    " ServiceEpisodeID PlacerOrderNumberImagingServiceRequest RequestingService"
    " FillerOrderNumberImagingServiceRequest RequestedProcedureID ScheduledProcedureStepID"
    " PerformedProcedureStepID PerformedStationName PerformedLocation ScheduledStationName"
    " ScheduledProcedureStepLocation PersonAddress PersonTelephoneNumbers PersonTelecomInformation"
    " PatientTelecomInformation ReferringPhysicianAddress ReferringPhysicianTelephoneNumbers"
    " ResponsibleOrganization OrderCallbackPhoneNumber OrderEnteredBy OrderEntererLocation"
    " DetectorID PlateID CassetteID GantryID GeneratorID ClinicalTrialSubjectID"
    " ClinicalTrialSubjectReadingID ClinicalTrialSiteID ClinicalTrialSiteName"
)
_DIVIDED = _words("PatientAddress InstitutionAddress PersonAddress PatientComments Occupation")


class Pseudonyms:
    """Replaces identifiers by keyed hashes: the same salt gives the same pseudonyms.

    Whoever has the salt can test guesses of a patient number, so it is kept like a password; with a
    salt that is thrown away nobody can.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def patient(self, identifier: str) -> str:
        """A pseudonym such as ``P3f9a…`` for a patient's number."""
        return f"P{self._hash('patient', identifier).hex()[:16]}"

    def uid(self, uid: str) -> str:
        """A valid UID (``2.25.`` and 128 bits) in the place of another."""
        return f"2.25.{int.from_bytes(self._hash('uid', uid)[:16], 'big')}"

    def shifted(self, identifier: str, day: str) -> str:
        """A DICOM date in ISO form, one to ten years earlier by the patient's own offset.

        What is not a date of the form ``YYYYMMDD`` gives ``""``.
        """
        days = 365 + int.from_bytes(self._hash("date", identifier)[:4], "big") % 3285
        try:
            when = date(int(day[:4]), int(day[4:6]), int(day[6:8]))
            return (when - timedelta(days)).isoformat() if len(day) == 8 else ""
        except (ValueError, OverflowError):
            return ""

    def _hash(self, kind: str, value: str) -> bytes:
        return hmac.digest(
            self._salt, f"{kind}\0{value}".encode("utf-8", "replace"), hashlib.sha256
        )


def permitted(ds: Dataset) -> dict[str, Any]:
    """The attributes of a header that identify nobody, by keyword."""
    kept: dict[str, Any] = {}
    for keyword, words in _VOCABULARY.items():
        word = str(ds.get(keyword) or "").strip().upper()
        if word in words:
            kept[keyword] = word
    for keyword in sorted(_NUMBERS):
        numbers = _numbers(ds.get(keyword))
        if numbers:
            kept[keyword] = numbers[0] if len(numbers) == 1 else numbers
    age = _AGE.fullmatch(str(ds.get("PatientAge") or "").strip())
    if age:  # above 89 an age can identify (PS3.15, HIPAA)
        old = age[2] == "Y" and int(age[1]) > 89
        kept["PatientAge"] = "090Y" if old else age.group()
    return kept


def removed(ds: Dataset) -> list[str]:
    """The names, never the values, of what does not enter a case."""
    names = set()
    for tag in ds.keys():  # noqa: SIM118 - iterating a Dataset would parse every element
        keyword = keyword_for_tag(tag)
        if tag.is_private or not keyword:
            names.add(f"private ({tag.group:04x},{tag.element:04x})")
        elif keyword not in _LISTED and keyword not in _TRANSFORMED:
            names.add(keyword)
    return sorted(names)


def identifying_values(ds: Dataset) -> set[str]:
    """The names and numbers in a header by which its report could name the patient or the staff.

    Parts of names, whole identifiers (UIDs among them), the parts of an address and of comments
    between commas, and dates. Elements that cannot be read are passed over.
    """
    values: set[str] = set()
    for element in _elements(ds, 0):
        items = element.value if isinstance(element.value, list) else [element.value]
        texts = [text for item in items if (text := _text(item).strip("\0 \t\r\n"))]
        if "PN" in _kinds(element):
            for text in texts:
                values.update(name for name in _names(text) if len(name) > 1)
        elif element.VR == "UI" or element.keyword in _IDENTIFIERS:
            values.update(text for text in texts if len(text) > 2)
            if element.keyword in _DIVIDED:
                pieces = [
                    phrase.strip() for text in texts for phrase in re.split(r"[,;\n^]+", text)
                ]
                values.update(phrase for phrase in pieces if len(phrase) > 2)
                values.update(name for phrase in pieces for name in _capitalised(phrase))
        elif not _kinds(element).isdisjoint(("DA", "DT")):
            values.update(text[:8] for text in texts if len(text) >= 8)
    return values


def _capitalised(phrase: str) -> list[str]:
    """The words within a comment or an address that are written like names."""
    words = [word for word in _NAME_SEPARATORS.split(phrase) if word.isalpha()]
    return [word for word in words[1:] if len(word) > _SHORTEST and word.istitle()]


def _kinds(element: DataElement) -> set[str]:
    """The VR that an element has, and the one that the standard gives it."""
    try:
        return {element.VR, dictionary_VR(element.tag)}
    except KeyError:
        return {element.VR}


def _text(item: Any) -> str:  # noqa: ANN401 - whatever the element holds
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item or "")


def _names(text: str) -> Iterator[str]:
    """The parts of a person's name, its components, and what they make without a space between."""
    for group in text.split("="):
        components = [component.strip() for component in group.split("^")]
        yield from components
        words = [word for word in _NAME_SEPARATORS.split(group) if word]
        yield from words
        if is_unspaced(group):
            yield "".join(components[:2])
        for word in words:
            yield from (piece for piece in _COMPOUND.split(word) if len(piece) >= _SHORTEST)


def _elements(ds: Dataset, depth: int) -> Iterator[DataElement]:
    """Every element of a dataset and its sequences that can be read."""
    for tag in list(ds.keys()):
        if tag.group in _PIXEL_GROUPS:
            continue
        try:
            element = ds[tag]
            items = list(element.value or ()) if element.VR == "SQ" else ()
        except PARSER_FAILURES:
            continue
        if element.VR != "SQ":
            yield element
        for item in items if depth < _MAX_DEPTH else ():
            yield from _elements(item, depth + 1)


def _numbers(value: Any) -> list[float]:  # noqa: ANN401 - whatever the element holds
    items: Iterator[Any] = iter(
        value if isinstance(value, Iterable) and not isinstance(value, str | bytes) else [value]
    )
    numbers = []
    for item in items:
        try:
            number = float(item)
        except (TypeError, ValueError):
            return []
        if not abs(number) < 1e6:  # nor NaN; a record number is not a measurement
            return []
        numbers.append(int(number) if number.is_integer() else number)
    return numbers[:4]
