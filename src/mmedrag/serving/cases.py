"""Cases over the wire: one as it is sent, as it is stored, and as it is given out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.convertors import Convertor, register_url_convertor

from mmedrag.domains import find
from mmedrag.errors import QueryError
from mmedrag.imaging.decoding import image_digest, open_image, thumbnail, usual_frame
from mmedrag.pipeline import MMedRAG
from mmedrag.serving.events import preview_address
from mmedrag.types import LONGEST_TEXT, Case, Entry, Query

LONGEST_ID = 500


class AnyId(Convertor[str]):
    """A case's id in an address, ``{case_id:id}``: it may hold anything, a line end too."""

    regex = r"(?s:.*)"

    def convert(self, value: str) -> str:
        """As it stands in the address, decoded."""
        return value

    def to_string(self, value: str) -> str:
        """As it stands in the address."""
        return value


register_url_convertor("id", AnyId())
_NAME = Field("", max_length=200)


class CaseContents(BaseModel):
    """A case to be stored. Of its image the pixels are taken alone, no header and no name."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"text": "Small left pleural effusion.", "modality": "xray"}]
        },
    )

    text: str = Field("", max_length=LONGEST_TEXT, description="The report.")
    domain: str = Field("", max_length=40, description="Left out, the classifier decides.")
    modality: str = _NAME
    patient_id: str = _NAME
    study_id: str = _NAME
    date: str = _NAME
    diagnosis: str = Field("", max_length=2000)
    source: str = _NAME
    licence: str = _NAME
    labels: list[str] = Field([], max_length=100)


class NewCase(CaseContents):
    """A case to be stored under an id of its own."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"id": "xr-1", "text": "Small left pleural effusion."}]},
    )

    id: str = Field(min_length=1, max_length=LONGEST_ID)


def entry_of(new: NewCase, image: bytes | None, rag: MMedRAG) -> Entry:
    """The case encoded, routed, and its terms recognised.

    Raises:
        QueryError: it has neither text nor image, or there is no such domain.
        ImageError: the image cannot be read.
    """
    if not new.text.strip() and image is None:
        raise QueryError("The case has neither text nor image", "Send a text, an image, or both.")
    frame = 0 if image is None else usual_frame(image)
    picture = None if image is None else open_image(image, frame)
    path = None if image is None else Path("uploaded") / new.id.replace("/", "-")
    fields = new.model_dump(exclude={"domain", "labels"})
    domain = find(new.domain) if new.domain else None
    if domain is None:
        domain = rag.classifier.classify([Query(new.text, image)], [picture])[0].decision
    case = Case(**fields, image=path, frame=frame, domain=domain, labels=tuple(new.labels))
    digest = "" if image is None else image_digest(image, frame)
    content = hashlib.sha256(f"{digest}\n{case.text}".encode()).hexdigest()
    return Entry(
        case,
        rag.embedder.embed([case], [picture])[0],
        content,
        None if picture is None else thumbnail(picture),
        rag.definitions.recognise([case.text])[0],
        rag.definitions.fingerprint,
    )


def case_json(case: Case, casebase: str) -> dict[str, Any]:
    """A stored case as JSON values; its image is the address of its preview."""
    return {
        "id": case.id,
        "text": case.text,
        "image": None if case.image is None else preview_address(case.id, casebase),
        "domain": case.domain,
        "modality": case.modality,
        "patient_id": case.patient_id,
        "study_id": case.study_id,
        "date": case.date,
        "diagnosis": case.diagnosis,
        "labels": list(case.labels),
        "source": case.source,
        "licence": case.licence,
    }
