"""The REST interface below ``/v1``."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from mmedrag.definitions import asked_for
from mmedrag.pipeline import MMedRAG
from mmedrag.serving import events
from mmedrag.serving.cases import CaseContents, NewCase, case_json, entry_of
from mmedrag.serving.feedback import Feedback, preference_pairs
from mmedrag.serving.indexing import index_below
from mmedrag.serving.jobs import Job
from mmedrag.serving.problems import Forbidden, NotHere, ServiceError
from mmedrag.serving.questions import (
    JSON,
    Inquiry,
    body_of,
    checked,
    configured,
    query_of,
    validated,
)
from mmedrag.serving.readers import Watch, watched
from mmedrag.serving.schema import LINES, problems, takes
from mmedrag.serving.service import Grant, granted, store_of
from mmedrag.serving.tokens import Scope
from mmedrag.serving.why import Pair, why
from mmedrag.types import Answer, Case, Context
from mmedrag.views.trace import answer_json, context_json

Reader = Annotated[Grant, Depends(granted(Scope.READ))]
Editor = Annotated[Grant, Depends(granted(Scope.WRITE))]
Administrator = Annotated[Grant, Depends(granted(Scope.ADMIN))]

api = APIRouter()
_ASKING = problems(400, 408, 413, 415, 502, 504)
_WRITING = problems(400, 408, 409, 413, 415)


@api.post("/v1/search", openapi_extra=takes(Inquiry), responses=_ASKING, summary="Similar cases")
async def search(request: Request, grant: Reader) -> Response:
    """Find similar cases and definitions: the trace that the command ``search`` prints as JSON."""
    body = await body_of(request)
    inquiry = checked(body)
    query = query_of(inquiry, body.image)

    def work(rag: MMedRAG, watch: Watch) -> bytes:
        system = watched(configured(rag, inquiry, grant.service.writer), watch)
        context = system.retrieve(query)
        note(request, context)
        return _document(events.public(context_json(context), grant.casebase))

    return Response(await grant.readers.run(work), media_type=JSON)


@api.post(
    "/v1/ask",
    openapi_extra=takes(Inquiry),
    responses={**_ASKING, 200: {"content": {events.MEDIA_TYPE: {"schema": {"type": "string"}}}}},
    summary="An answer with citations",
)
async def ask(request: Request, grant: Reader) -> Response:
    """Answer from the evidence: the trace that the command ``ask`` prints as JSON.

    With ``Accept: text/event-stream`` the events ``routing``, ``evidence``, ``piece`` (many),
    ``claims`` and ``answer`` come as they are made; ``problem`` ends a stream that failed.
    """
    body = await body_of(request)
    inquiry = checked(body)
    query = query_of(inquiry, body.image)
    writer = grant.service.writer
    writer.chosen(inquiry.generator)
    if wants_events(request):

        async def stream() -> AsyncIterator[events.Event]:
            async for stage in grant.readers.stream(
                lambda rag, watch: events.stages(configured(rag, inquiry, writer), watch, query)
            ):
                if not isinstance(stage, str):
                    note(request, stage)
                for event in events.events_of(stage, grant.casebase):
                    yield event

        return StreamingResponse(events.lines(stream()), media_type=events.MEDIA_TYPE)

    def work(rag: MMedRAG, watch: Watch) -> bytes:
        *_, answer = events.stages(configured(rag, inquiry, writer), watch, query)
        assert isinstance(answer, Answer)
        note(request, answer)
        return _document(events.public(answer_json(answer), grant.casebase))

    return Response(await grant.readers.run(work), media_type=JSON)


@api.post(
    "/v1/why",
    openapi_extra=takes(Pair),
    responses=problems(400, 408, 413, 415, 504),
    summary="Why a case is similar",
)
async def explain(request: Request, grant: Reader) -> JSONResponse:
    """What each region of an image and of a case's image adds to their similarity.

    The image comes as a form's file. Values go from 0 to 1 in each map; with the findings that the
    text and the report share, or on which they differ.
    """
    body = await body_of(request)
    pair = validated(Pair, body.fields, strict=not body.is_form)
    request.state.ids = [pair.case]
    return JSONResponse(await grant.readers.run(lambda rag, _: why(rag, pair, body.image)))


@api.get("/v1/cases/{case_id:id}", responses=problems(), summary="One case")
async def get_case(request: Request, case_id: str, grant: Reader) -> JSONResponse:
    """A case as it is stored."""
    request.state.ids = [case_id]
    case = await grant.readers.run(lambda rag, _: store_of(rag).get(case_id))
    return JSONResponse(case_json(_present(case), grant.casebase))


@api.get(
    "/v1/previews/{case_id:id}",
    response_class=Response,
    responses={**problems(), 200: {"content": {"image/jpeg": {}}}},
    summary="The preview of a case",
)
async def get_preview(request: Request, case_id: str, grant: Reader) -> Response:
    """A small JPEG of the case's image."""
    request.state.ids = [case_id]
    preview = await grant.readers.run(lambda rag, _: rag.preview(case_id))
    if preview is None:
        raise NotHere("The case has no preview, or there is no such case", "Search for its id.")
    return Response(preview, media_type="image/jpeg")


@api.post(
    "/v1/cases",
    status_code=201,
    openapi_extra=takes(NewCase),
    responses=_WRITING,
    summary="Add a case",
)
async def add_case(request: Request, grant: Editor) -> JSONResponse:
    """Add a case; one of that id must not be there yet. It is found at once."""
    return await _stored(request, grant, None)


@api.put(
    "/v1/cases/{case_id:id}",
    openapi_extra=takes(CaseContents),
    responses={**_WRITING, 201: {"description": "Added; there was none of that id."}},
    summary="Replace a case",
)
async def put_case(request: Request, case_id: str, grant: Editor) -> JSONResponse:
    """Add a case or put it in the place of the one of that id."""
    return await _stored(request, grant, case_id)


@api.delete("/v1/cases/{case_id:id}", responses=problems(409), summary="Delete a case")
async def delete_case(request: Request, case_id: str, grant: Editor) -> JSONResponse:
    """Delete a case; no search finds it any more when this returns."""
    request.state.ids = [case_id]

    def work() -> tuple[int, dict[str, int]]:
        with grant.readers.writer() as (casebase, _):
            deleted, left = casebase.delete([case_id]), casebase.unerased()
        grant.service.traces.erase(grant.casebase, case_id)
        return deleted, left

    deleted, left = await run_in_threadpool(work)
    if not deleted:
        _present(None)
    return JSONResponse({"deleted": deleted, "unerased": left})


class Corpus(BaseModel):
    """A corpus below the folder of corpora."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"corpus": "chest/records.jsonl"}]}
    )

    corpus: str = Field(min_length=1, max_length=1000, description="Its path in that folder.")


@api.post(
    "/v1/index",
    status_code=202,
    openapi_extra=takes(Corpus, image=False),
    responses=_WRITING,
    summary="Index a corpus",
)
async def index(request: Request, grant: Administrator) -> JSONResponse:
    """Add a corpus in the background; GET /v1/jobs/{id} tells how far it is."""
    job = started(grant, validated(Corpus, (await body_of(request)).fields))
    return JSONResponse(job.as_json(), 202)


def started(grant: Grant, corpus: Corpus) -> Job:
    """The job that indexes a corpus of the service's folder.

    Raises:
        Forbidden: the service has no such folder.
        NotHere: the corpus is not in it.
    """
    service = grant.service
    if service.corpora is None:
        raise Forbidden(
            "This service indexes no corpora", "Start it with --corpora FOLDER to allow it."
        )
    path = _below(service.corpora, corpus.corpus)
    return service.jobs.submit(
        grant.casebase,
        corpus.corpus,
        lambda progress: index_below(grant.readers, path, progress),
        place=service.corpora.resolve(),
    )


@api.get("/v1/jobs", responses=problems(), summary="The index jobs")
async def list_jobs(grant: Reader) -> JSONResponse:
    """The jobs of the casebase, the newest first."""
    return JSONResponse({"jobs": [j.as_json() for j in grant.service.jobs.of(grant.casebase)]})


@api.get("/v1/jobs/{job_id}", responses=problems(), summary="One index job")
async def get_job(job_id: str, grant: Reader) -> JSONResponse:
    """A job and its progress."""
    return JSONResponse(grant.service.jobs.get(grant.casebase, job_id).as_json())


@api.delete("/v1/jobs/{job_id}", responses=problems(), summary="Cancel an index job")
async def cancel_job(job_id: str, grant: Administrator) -> JSONResponse:
    """End a job after the batch that it is at; what is written stays."""
    job = grant.service.jobs.get(grant.casebase, job_id)
    job.cancelled.set()
    return JSONResponse(job.as_json())


@api.get("/v1/define", responses=problems(), summary="What a term means")
async def define(
    grant: Reader, term: Annotated[str, Query(min_length=1, max_length=1000)]
) -> JSONResponse:
    """The terms of a text and their definitions."""

    def work(rag: MMedRAG, _: Watch) -> list[dict[str, str]]:
        (mentions,) = rag.definitions.recognise([term])
        defined = rag.definitions.define([asked_for(mentions)], rag.k_definitions)
        names = ("concept", "term", "text", "source", "licence")
        return [{name: getattr(d, name) for name in names} for d in defined]

    return JSONResponse({"definitions": await grant.readers.run(work)})


@api.get("/v1/info", responses=problems(), summary="The casebases")
async def info(grant: Reader) -> JSONResponse:
    """Counts and settings of the casebase, and the names of all that the client may read."""
    statistics = await grant.readers.run(lambda rag, _: getattr(rag.cases, "info")())  # noqa: B009
    fields = ("format", "preset", "dim", "cases", "domains", "generation", "index", "notices")
    names = [n for n in grant.service.casebases if grant.client.may(Scope.READ, n)]
    return JSONResponse(
        {
            "casebase": grant.casebase,
            "casebases": names,
            "generator": grant.service.writer.name,
            **{name: statistics[name] for name in fields if name in statistics},
        }
    )


@api.post(
    "/v1/feedback",
    status_code=201,
    openapi_extra=takes(Feedback, image=False),
    responses=_WRITING,
    summary="Judge a case or an answer",
)
async def feedback(request: Request, grant: Editor) -> JSONResponse:
    """Keep a verdict in the casebase's folder; it is never sent anywhere."""
    verdict = validated(Feedback, (await body_of(request)).fields)
    request.state.ids = [verdict.case] if verdict.case else []
    file = grant.service.feedback_of(grant.readers)
    await run_in_threadpool(file.add, verdict.model_dump(), grant.client.name)
    return JSONResponse({"kept": True}, 201)


@api.get(
    "/v1/feedback/pairs",
    response_class=Response,
    responses={**problems(), 200: {"content": {LINES: {"schema": {"type": "string"}}}}},
    summary="Preference pairs",
)
async def pairs(grant: Administrator) -> Response:
    """The feedback as JSON lines: prompt, chosen, rejected (direct preference optimisation)."""
    file = grant.service.feedback_of(grant.readers)

    def work(rag: MMedRAG, _: Watch) -> str:
        def report(case_id: str) -> str:
            case = store_of(rag).get(case_id)
            return "" if case is None else case.text

        generated = preference_pairs(file, report)
        return "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in generated)

    return Response(await grant.readers.run(work), media_type=LINES)


def wants_events(request: Request) -> bool:
    """Whether the client asked for server-sent events."""
    return events.MEDIA_TYPE in request.headers.get("accept", "")


def note(request: Request, stage: Context | Answer) -> None:
    """Leave the ids of all cases that are sent for the audit log."""
    context = stage.context if isinstance(stage, Answer) else stage
    request.state.ids = [e.item.id for e in context.ranked if isinstance(e.item, Case)]


class AlreadyThere(ServiceError):
    """A case of that id is stored."""

    status = 409
    title = "There already"


async def _stored(request: Request, grant: Grant, case_id: str | None) -> JSONResponse:
    """Store the case of a request; with ``case_id`` also in place of an older one."""
    body = await body_of(request)
    if case_id is None:
        new = validated(NewCase, body.fields)
    else:
        contents = validated(CaseContents, body.fields)
        new = validated(NewCase, {"id": case_id, **contents.model_dump()})
    request.state.ids = [new.id]

    def work() -> tuple[dict[str, Any], bool]:
        with grant.readers.writer() as (casebase, rag):
            before = casebase.get(new.id)
            if before is not None and case_id is None:
                raise AlreadyThere("There is a case of that id already", "Use PUT to replace it.")
            entry = entry_of(new, body.image, rag)
            casebase.add([entry])
            return case_json(entry.case, grant.casebase), before is None

    case, is_new = await run_in_threadpool(work)
    return JSONResponse(case, 201 if is_new else 200)


def _below(corpora: Path, name: str) -> Path:
    """A path below the folder of corpora.

    Raises:
        NotHere: it leads elsewhere, or nothing is there.
    """
    try:
        path = (corpora / name).resolve()
        inside = path.is_relative_to(corpora.resolve()) and path.exists()
    except (OSError, ValueError):
        inside = False
    if not inside:
        raise NotHere("There is no such corpus here", "Name one below the folder of --corpora.")
    return path


def _present(case: Case | None) -> Case:
    if case is None:
        raise NotHere("There is no such case", "Search for it; it may have been deleted.")
    return case


def _document(value: object) -> bytes:
    """JSON. The standard library takes ten times as long, and no other search goes on meanwhile."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # half of a surrogate pair, which UTF-8 cannot say
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
