"""How endpoints document themselves: their bodies and their errors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from mmedrag.serving.problems import MEDIA_TYPE, TITLES
from mmedrag.serving.questions import JSON, MULTIPART

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "remedy"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened."},
        "remedy": {"type": "string", "description": "What to do."},
    },
}


LINES = "application/x-ndjson"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of the errors of an endpoint."""
    every = (401, 403, 404, 422, 429, 500, 503, *statuses)
    return {
        status: {"description": TITLES[status], "content": {MEDIA_TYPE: {"schema": PROBLEM}}}
        for status in sorted(every)
    }


def takes(model: type[BaseModel], image: bool = True) -> dict[str, Any]:
    """The documentation of a body that is JSON or, where it has an image, a form."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    content: dict[str, Any] = {JSON: {"schema": schema}}
    if image:
        file = {"type": "string", "format": "binary", "description": "PNG, JPEG, TIFF or DICOM."}
        form = {**schema, "properties": {**schema["properties"], "image": file}}
        form.pop("examples", None)
        content[MULTIPART] = {"schema": form}
    return {"requestBody": {"required": True, "content": content}}
