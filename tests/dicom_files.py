"""DICOM files for the tests, made from nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
DIRECTORY = "1.2.840.10008.1.3.10"


def header(sop_class: str = CT, seed: str = "a", study: str = "study", patient: str = "4711"):
    """A dataset with identifiers, without pixels."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[seed])
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID = generate_uid(entropy_srcs=[study])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=[study, "series"])
    ds.PatientID = patient
    ds.PatientName = "Doe^Jane"
    ds.Modality = "SR" if sop_class == BASIC_TEXT_SR else "CT"
    ds.StudyDate = "20200229"
    return ds


def with_pixels(ds: Dataset, pixels: np.ndarray, photometric: str = "MONOCHROME2", **more):
    """Add native pixels: (rows, columns), (frames, rows, columns) or (rows, columns, 3)."""
    colour = photometric in ("RGB", "YBR_FULL")
    frames = pixels.shape[0] if pixels.ndim == 3 and not colour else 1
    ds.Rows, ds.Columns = pixels.shape[:2] if colour or pixels.ndim == 2 else pixels.shape[1:]
    ds.SamplesPerPixel = 3 if colour else 1
    if colour:
        ds.PlanarConfiguration = 0
    if frames > 1:
        ds.NumberOfFrames = frames
    ds.PhotometricInterpretation = photometric
    ds.BitsAllocated = ds.BitsStored = 8 * pixels.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    return ds


def ramp(dtype: str = "<u2", low: int = 0, high: int = 4095) -> np.ndarray:
    """Sixteen rows of 256 rising values."""
    return np.tile(np.linspace(low, high, 256).astype(dtype), (16, 1))


def save(ds: Dataset, path: Path) -> Path:
    ds.save_as(path, enforce_file_format=True)
    return path


def code(meaning: str) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99TEST", meaning
    return [item]


def content(kind: str, heading: str, relationship: str = "CONTAINS", **values) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = relationship, kind
    item.ConceptNameCodeSequence = code(heading)
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def report(seed: str = "sr", study: str = "study", patient: str = "4711") -> Dataset:
    """A structured report with findings, a measurement, a code, and the observer's name."""
    ds = header(BASIC_TEXT_SR, seed, study, patient)
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = "12.5", code("millimetre")
    findings = content("CONTAINER", "Findings")
    findings.ContentSequence = [
        content("TEXT", "Finding", TextValue="Nodule in the right lobe. Jane Doe was told."),
        content("NUM", "Diameter", MeasuredValueSequence=[measured]),
        content("CODE", "Impression", ConceptCodeSequence=code("Pulmonary nodule")),
    ]
    observer = content("PNAME", "Observer", "HAS OBS CONTEXT", PersonName="Stone^Greta")
    ds.ValueType = "CONTAINER"
    ds.ConceptNameCodeSequence = code("Report")
    ds.ContentSequence = [observer, findings]
    return ds
