"""The texts that an image is paired with."""

from __future__ import annotations

from mmedrag.training.wordings import wordings
from mmedrag.types import Case, Domain


def medpix(number: int, plane: str) -> Case:
    return Case(
        id=str(number),
        text="A lesion.",
        domain=Domain.RADIOLOGY,
        modality="mri",
        labels=("Brain and Neuro", "Head"),
        meta={"plane": plane, "modality_text": "MR - FLAIR", "case_diagnosis": "Glioma"},
    )


def test_wordings_say_what_a_caption_leaves_out() -> None:
    told = wordings(medpix(1, "Axial"))
    assert told[0] == "A lesion."
    assert "Axial MR - FLAIR, Head. Glioma" in told
    assert wordings(Case(id="1", text="drusen", labels=("dry", "AMD"))) == ["drusen"]
