"""Which instances of a study are pulled: its reports, and the key images of each series.

The rule, in this order:

1. Where a key object note (PS3.3, A.35.4) names images of the study, those are its key images.
   Images that a note rejects (for quality, for safety, a wrong worklist entry) are never chosen.
2. Else, of a series of sections (CT, MR, PET, NM, OCT) the middle one by instance number.
3. Of any other series up to :data:`VIEWS` images, evenly spaced.

``every`` in the place of the rule takes all images. A multi-frame image gives its middle frame.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset

from mmedrag.datasets.reports import is_report_class
from mmedrag.datasets.rows import text_of
from mmedrag.imaging.dicom_files import PARSER_FAILURES

VIEWS = 8
"""The most images of a series that is no stack of sections."""

NOTES = 16
"""The most reports, and the most key object notes, that are read of a study."""

KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
_SECTIONS = frozenset({"CT", "MR", "PT", "NM", "OPT", "OCT"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NO_IMAGES = _words(
    "AU CFM DOC ECG EPS FID HD KO LEN M3D OAM OPM PLAN PR REG RESP RTDOSE RTINTENT RTPLAN RTRAD"
    " RTRECORD RTSEGANN RTSTRUCT RWV SEG SMR SR SRF STAIN TEXTUREMAP VA"
)
# PS3.4, annex B.5, for series whose modality is OT: structured reports, encapsulated documents
# (PDF), waveforms, presentation states, raw data and what lies over another file's pixels.
_ROOT = "1.2.840.10008.5.1.4.1.1."
_NO_IMAGE_CLASSES = tuple(_ROOT + arc for arc in ("88.", "104.", "9.", "11.", "66"))
# PS3.16, context group 7010: what the title of a key object note says of the images it names.
_CHOSEN = _words(
    "113000 113002 113003 113004 113005 113006 113007 113008 113009 113013 113018 113020"
)
_REJECTED = frozenset({"113001", "113010", "113037", "113038", "113039"})


@dataclass(frozen=True, slots=True, order=True)
class Instance:
    """An instance as a search gives it, ordered by its number within the series."""

    number: int
    uid: str
    series: str = field(compare=False)
    study: str = field(compare=False)
    modality: str = field(compare=False)
    sop_class: str = field(compare=False)

    @property
    def path(self) -> str:
        """Where WADO-RS has it."""
        return f"studies/{self.study}/series/{self.series}/instances/{self.uid}"


@dataclass(slots=True)
class Notes:
    """The images that key object notes choose and reject, by UID."""

    chosen: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)

    def add(self, ds: Dataset) -> None:
        """Take in one note; one that is damaged, or of another purpose, says nothing."""
        try:
            title = text_of(ds.ConceptNameCodeSequence[0].get("CodeValue"))
            images = set(_referenced(ds.get("CurrentRequestedProcedureEvidenceSequence")))
        except PARSER_FAILURES:
            return
        if title in _CHOSEN:
            self.chosen |= images
        elif title in _REJECTED:
            self.rejected |= images


def notes_of(instances: Iterable[Instance]) -> list[Instance]:
    """The key object notes of a study."""
    return sorted(i for i in instances if i.sop_class == KEY_OBJECTS)[:NOTES]


def reports_of(instances: Iterable[Instance]) -> list[Instance]:
    """The structured reports of findings."""
    return sorted(i for i in instances if is_report_class(i.sop_class))[:NOTES]


def is_image(instance: Instance) -> bool:
    """Whether an instance may show something."""
    return instance.modality.upper() not in _NO_IMAGES and not instance.sop_class.startswith(
        _NO_IMAGE_CLASSES
    )


def key_images(
    instances: Sequence[Instance], notes: Notes, kept: Collection[str] = (), *, every: bool = False
) -> list[Instance]:
    """The images of a study that become cases.

    Args:
        instances: of the study, all series.
        notes: what its key object notes say.
        kept: UIDs that an earlier pull chose: a stack that has grown since keeps its image.
        every: take all that are not rejected.
    """
    images = [i for i in instances if is_image(i) and i.uid not in notes.rejected]
    named = [i for i in images if i.uid in notes.chosen]
    if every or named:
        return sorted(images if every else named)
    series: dict[str, list[Instance]] = {}
    for image in sorted(images):
        series.setdefault(image.series, []).append(image)
    return [image for stack in series.values() for image in _of_series(stack, kept)]


def _of_series(stack: Sequence[Instance], kept: Collection[str]) -> list[Instance]:
    most = 1 if stack[0].modality.upper() in _SECTIONS else VIEWS
    earlier = [image for image in stack if image.uid in kept]
    if earlier and most == 1:
        return earlier
    if len(stack) <= most:
        return list(stack)
    # The middles of as many equal stretches: of one, the middle of the series.
    return [stack[(2 * n + 1) * len(stack) // (2 * most)] for n in range(most)]


def _referenced(evidence: Any) -> Iterable[str]:  # noqa: ANN401 - a sequence, or nothing
    for study in evidence or ():
        for series in study.get("ReferencedSeriesSequence") or ():
            for item in series.get("ReferencedSOPSequence") or ():
                yield text_of(item.get("ReferencedSOPInstanceUID"))
