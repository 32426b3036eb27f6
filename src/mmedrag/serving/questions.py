"""What is asked: the JSON or the form of a request, checked, as a query and its settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from mmedrag.assembly import configure
from mmedrag.choices import EXPANSIONS, FILTERS, GENERATORS, MAX_CASES, RERANKERS
from mmedrag.dates import time_of
from mmedrag.domains import asked
from mmedrag.errors import ImageError, QueryError
from mmedrag.pipeline import MMedRAG
from mmedrag.serving.problems import BadRequest, Invalid, WrongMediaType
from mmedrag.types import LONGEST_TEXT, Query

JSON, MULTIPART, FORM = (
    "application/json", "multipart/form-data", "application/x-www-form-urlencoded",
)  # fmt: skip
LONGEST_FILTER = 4000
FIELDS = 200
"""Fields of a form."""

M = TypeVar("M", bound=BaseModel)


class Inquiry(BaseModel):
    """A question with the settings of its retrieval; what is left out is as the casebase has it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"text": "Is there a pleural effusion?", "k": 5},
                {"text": "mass", "domain": "radiology", "where": "modality = 'xray'"},
            ]
        },
    )

    text: str = Field("", max_length=LONGEST_TEXT, description="A question or a description.")
    domain: str = Field("", max_length=40, description="Search this corpus alone, or all.")
    where: str = Field(
        "", max_length=LONGEST_FILTER, description="Only cases that match, as modality = 'ct'."
    )
    patient_id: str = Field("", max_length=200, description="Whom the question is about.")
    at: str = Field(
        "",
        max_length=40,
        description="When: a date, or a day of offset_days. What is later, or of unknown time, is "
        "not read of that patient.",
    )
    frame: int | None = Field(
        None, ge=0, description="Of a multi-frame image, from 0; left out, that of the casebase."
    )
    k: int = Field(
        10,
        ge=1,
        le=MAX_CASES,
        description="Cases in the context; a yes or no of an image rests on the 20 nearest.",
    )
    reranker: str = Field("", json_schema_extra={"enum": ["", *RERANKERS]})
    expansion: str = Field(
        "",
        description="Find neighbours of what is found too; the casebase has to keep them.",
        json_schema_extra={"enum": ["", *EXPANSIONS]},
    )
    filter: str = Field("", json_schema_extra={"enum": ["", *FILTERS]})
    threshold: float | None = Field(None, ge=0.0, le=1.0, description="Of the filter.")
    verbatim: bool = Field(False, description="Leave the spelling of the text as it is.")
    generator: str = Field(
        "",
        description="extractive, or the one that this service was started with.",
        json_schema_extra={"enum": ["", *GENERATORS]},
    )


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes the answers of this service: settings of :func:`mmedrag.assembly.configure`.

    A client chooses by name between this and the extractive generator. The address of a chat
    server comes from whoever runs the service alone.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The generator's name."""
        return str(self.settings.get("generator") or "extractive")

    def chosen(self, name: str) -> Mapping[str, Any]:
        """The settings for a generator by name; empty is the service's own.

        Raises:
            QueryError: it is neither this one nor the extractive one.
        """
        if name in ("", self.name):
            return self.settings
        if name == "extractive":
            return {"generator": name}
        choices = dict.fromkeys(("extractive", self.name))
        raise QueryError(
            f"This service has no generator {name!r}", f"Choose from {', '.join(choices)}."
        )


def query_of(inquiry: Inquiry, image: bytes | None) -> Query:
    """The query of a request.

    Raises:
        QueryError: there is no such domain.
    """
    return Query(
        inquiry.text,
        image,
        asked(inquiry.domain),
        inquiry.where or None,
        inquiry.patient_id,
        time_of(inquiry.at),
        inquiry.frame,
    )


def configured(rag: MMedRAG, inquiry: Inquiry, writer: Writer) -> MMedRAG:
    """The system with the settings of a request, by the function that the command line uses.

    Raises:
        QueryError: a name or a value is none of the choices.
    """
    return configure(
        rag,
        reranker=inquiry.reranker or None,
        context_filter=inquiry.filter or None,
        threshold=inquiry.threshold,
        k=inquiry.k,
        verbatim=inquiry.verbatim,
        expansion=inquiry.expansion or None,
        **writer.chosen(inquiry.generator),
    )


class InMemory(MultiPartParser):
    """Keeps uploads in memory, however large: nothing of a patient is written to a disk."""

    spool_max_size = 1 << 40


@dataclass(frozen=True, slots=True)
class Body:
    """Fields of a request, and the bytes of its one file; what the client called it is dropped."""

    fields: Mapping[str, Any]
    image: bytes | None = None
    is_form: bool = False


async def body_of(request: Request) -> Body:
    """Read JSON or a form.

    Raises:
        BadRequest: it cannot be decoded.
        WrongMediaType: it is neither.
        TooLarge: it is longer than the limit.
    """
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type == MULTIPART:
        return await _multipart(request)
    if media_type == FORM:
        form = await request.form(max_fields=FIELDS)
        return Body({key: str(value) for key, value in form.items()}, is_form=True)
    if media_type != JSON:
        raise WrongMediaType(
            f"The body is of type {media_type[:60] or 'unknown'}", f"Send {JSON} or {MULTIPART}."
        )
    try:
        fields = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON", "Send one JSON object, in UTF-8.") from None
    if not isinstance(fields, dict):
        raise Invalid("The body is no JSON object", "Send an object, as in the examples.")
    return Body(fields)


async def _multipart(request: Request) -> Body:
    parser = InMemory(
        request.headers, request.stream(), max_files=1, max_fields=FIELDS, max_part_size=1 << 22
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError):
        raise BadRequest(
            "The form cannot be read", "Send multipart/form-data with one file at most."
        ) from None
    try:
        return await _read(form)
    finally:
        await form.close()


async def _read(form: FormData) -> Body:
    """The fields and the file of a form.

    Raises:
        Invalid: a file of another name than ``image``.
        ImageError: the file is empty.
    """
    fields: dict[str, Any] = {}
    image = None
    for name, value in form.multi_items():
        if name == "labels":
            fields.setdefault(name, []).append(value)
        elif not isinstance(value, UploadFile):
            fields[name] = value
        elif name != "image":
            raise Invalid(f"The form has a file {name[:40]!r}", "Send the file as image.")
        else:
            image = await value.read() or None
            if image is None and value.filename:  # a form without a file sends one without a name
                raise ImageError("The image is empty: it has 0 bytes", "Send the file again.")
    return Body(fields, image, is_form=True)


def checked(body: Body) -> Inquiry:
    """The fields against the schema; numbers of a form may be written as texts.

    Raises:
        Invalid: they do not fit.
    """
    fields = body.fields
    if body.is_form:
        fields = {name: value for name, value in fields.items() if value != ""}
    return validated(Inquiry, fields, strict=not body.is_form)


def validated(model: type[M], fields: Mapping[str, Any], *, strict: bool = True) -> M:
    """The fields as a model.

    Raises:
        Invalid: they do not fit; the message repeats no text of the client's.
    """
    try:
        return model.model_validate(fields, strict=strict)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        what = "; ".join(
            f"{'.'.join(str(step)[:40] for step in fault['loc']) or 'body'}: {fault['msg']}"
            for fault in faults[:5]
        )
        raise Invalid(what, "GET /openapi.json has the schema with examples.") from None
