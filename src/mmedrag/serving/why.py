"""Why a case is similar to an image: a map over both, and the findings that texts share."""

from __future__ import annotations

from typing import Any

from PIL.Image import Image
from pydantic import BaseModel, ConfigDict, Field

from mmedrag.encoders.attribution import similarity_maps
from mmedrag.errors import ImageError, QueryError
from mmedrag.imaging.decoding import open_image
from mmedrag.pipeline import MMedRAG
from mmedrag.serving.problems import NotHere
from mmedrag.serving.service import store_of
from mmedrag.types import LONGEST_TEXT, Assertion, Case, Matrix

HINT = (
    "A hint: it shows what the image encoder compared, not what a reader should look at. "
    "Not a medical device."
)


class Pair(BaseModel):
    """An image, sent as the form's file, and a case to compare it with."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"case": "xr-1"}]})

    case: str = Field(min_length=1, max_length=1000, description="The case's id.")
    text: str = Field("", max_length=LONGEST_TEXT, description="The question beside the image.")
    frame: int | None = Field(None, ge=0, description="Of a multi-frame image, as it was asked.")


def why(rag: MMedRAG, pair: Pair, image: bytes | None) -> dict[str, Any]:
    """The maps of a question's image and a case's, and their findings, as JSON values.

    Raises:
        QueryError: no image was sent.
        NotHere: there is no such case, or it has no image.
        ImageError: an image cannot be decoded.
    """
    if not image:
        raise QueryError("There is no image to compare", "Send one as the form's file image.")
    case = store_of(rag).get(pair.case)
    picture = None if case is None else picture_of(rag, case)
    if case is None or picture is None:
        raise NotHere("There is no such case, or it has no image", "Choose another case.")
    maps = similarity_maps(rag.embedder, open_image(image, pair.frame), picture)
    return {
        "case": case.id,
        "similarity": round(maps.similarity, 4),
        "method": maps.method,
        "question_map": _map_json(maps.first),
        "case_map": _map_json(maps.second),
        **_findings(rag, pair.text, case),
        "hint": HINT,
    }


def picture_of(rag: MMedRAG, case: Case) -> Image | None:
    """A case's own image where it is still on this disk, else its preview."""
    if case.image is not None and case.image.is_absolute():
        try:
            return open_image(case.image, case.frame)
        except ImageError:
            pass
    preview = rag.preview(case.id)
    return None if preview is None else open_image(preview)


def _map_json(values: Matrix) -> dict[str, Any]:
    """Rows of numbers from 0, the least region, to 1, and in words where the greatest is."""
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / max(high - low, 1e-9)
    return {"values": scaled.round(3).tolist(), "strongest": _region(values)}


def _region(values: Matrix) -> str:
    """The ninth of the image that the greatest value lies in."""
    rows, columns = values.shape
    row, column = divmod(int(values.argmax()), columns)
    height = ("upper", "middle", "lower")[3 * row // rows]
    width = ("left", "centre", "right")[3 * column // columns]
    return f"{height} {width}"


def _findings(rag: MMedRAG, text: str, case: Case) -> dict[str, list[str]]:
    """Findings that both texts affirm or ask for, and those on which they differ.

    "Effusion" in the report and "pleural effusion" in the question are one finding: one is a kind
    of the other. What is ruled out is ruled out with all of its kinds.
    """
    ontology = getattr(rag.definitions, "concepts", None)

    def is_a(concept: str, ancestor: str) -> bool:
        return concept == ancestor or (ontology is not None and ontology.is_a(concept, ancestor))

    question, report = (
        [m for m in mentions if m.kind.is_finding]
        for mentions in rag.definitions.recognise([text, case.text])
    )
    sought = {m.concept for m in question if m.assertion is not Assertion.NEGATED}
    excluded = {m.concept for m in question} - sought
    affirmed = {m.concept: m.term for m in report if m.assertion is Assertion.AFFIRMED}
    negated = {m.concept: m.term for m in report if m.assertion is Assertion.NEGATED}
    shared = [t for c, t in affirmed.items() if any(is_a(c, s) or is_a(s, c) for s in sought)]
    differing = [t for c, t in affirmed.items() if any(is_a(c, e) for e in excluded)]
    differing += [
        t
        for c, t in negated.items()
        if c not in affirmed and any(is_a(s, c) for s in sought - affirmed.keys())
    ]
    return {"shared": shared, "differing": differing}
