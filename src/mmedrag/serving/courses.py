"""The course of a patient: as JSON below ``/v1``, and as a page with its timeline."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from mmedrag import patients
from mmedrag.courses.course import Course
from mmedrag.dates import time_of
from mmedrag.errors import QueryError
from mmedrag.pipeline import MMedRAG
from mmedrag.serving.api import Reader
from mmedrag.serving.pages import page_of
from mmedrag.serving.problems import NotHere
from mmedrag.serving.readers import Watch
from mmedrag.serving.schema import problems
from mmedrag.serving.service import Grant
from mmedrag.views.timeline import course_body, course_json

courses = APIRouter()
Name = Annotated[str, Query(min_length=1, max_length=200, description="As patient_id has it.")]
Time = Annotated[str, Query(max_length=40, description="A date, or a day of offset_days.")]


@courses.get("/v1/course", responses=problems(), summary="The course of a patient")
async def course(request: Request, grant: Reader, patient: Name, at: Time = "") -> JSONResponse:
    """The studies of a patient in order and what became of the findings, cited to the reports."""
    read = await _read(request, grant, patient, at)
    return JSONResponse(course_json(read))


@courses.get("/course", include_in_schema=False)
async def course_page(request: Request, grant: Reader, patient: Name, at: Time = "") -> Response:
    """The same as a page."""
    read = await _read(request, grant, patient, at)
    values: dict[str, Any] = {"course": read, "body": course_body(read)}
    return page_of(request, grant, "course.html", **values)


async def _read(request: Request, grant: Grant, patient: str, at: str) -> Course:
    """The course of a patient until a time.

    Raises:
        NotHere: nothing is stored of the patient until then.
        FilterError: the time is no date.
    """

    def work(rag: MMedRAG, _: Watch) -> Course:
        try:
            return patients.course(rag, patient, time_of(at))
        except QueryError as error:
            raise NotHere(error.what, error.remedy) from None

    read = await grant.readers.run(work)
    request.state.ids = [case.id for study in read.studies for case in study.cases]
    return read
