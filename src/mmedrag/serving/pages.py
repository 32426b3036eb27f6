"""The page: rendered here, so that it works without JavaScript; streamed where there is some."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import cache
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from jinja2 import Environment, PackageLoader

from mmedrag import domains
from mmedrag.choices import EXPANSIONS, FILTERS, RERANKERS
from mmedrag.citations import DISCLAIMER
from mmedrag.errors import MMedRAGError
from mmedrag.filters import FIELDS
from mmedrag.integrations.metadata import assertions
from mmedrag.pipeline import MMedRAG
from mmedrag.serving import events
from mmedrag.serving.api import note, wants_events
from mmedrag.serving.cards import (
    asked_for,
    cards_of,
    disagreements,
    reason_of,
    state_of,
    terms_of,
)
from mmedrag.serving.feedback import Feedback
from mmedrag.serving.pixels import pixels_of, png
from mmedrag.serving.problems import NotHere, document, headers_of, status_of
from mmedrag.serving.questions import (
    Body,
    Inquiry,
    body_of,
    checked,
    configured,
    query_of,
    validated,
)
from mmedrag.serving.readers import Watch
from mmedrag.serving.service import COOKIE, Grant, client_of, granted, service_of, store_of
from mmedrag.serving.tokens import Scope
from mmedrag.serving.why import picture_of
from mmedrag.types import Answer, Case, Context, Query
from mmedrag.views.page import answer_html, page
from mmedrag.views.terminal import printable
from mmedrag.views.trace import ruled_out, understood

EXAMPLES = ("Is there a pleural effusion?", "Which findings speak for adenocarcinoma?",
            "drusen at the macula")  # fmt: skip

TRACE_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
)
"""Of the self-contained trace: its styles are within it, and nothing is loaded."""

pages = APIRouter(include_in_schema=False)
Reader = Annotated[Grant, Depends(granted(Scope.READ))]
Editor = Annotated[Grant, Depends(granted(Scope.WRITE))]


@cache
def environment() -> Environment:
    """The templates; whatever others wrote is escaped."""
    loader = PackageLoader("mmedrag.serving")
    made = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters["number"] = lambda value: f"{value:.2f}"
    made.filters["sentence"] = lambda text: text[:1].upper() + text[1:].removesuffix(".") + "."
    return made


def render(template: str, **values: Any) -> str:  # noqa: ANN401 - what a template shows
    """A template as HTML without control and direction characters."""
    return printable(environment().get_template(template).render(disclaimer=DISCLAIMER, **values))


@pages.get("/")
async def ask_page(request: Request, grant: Reader) -> Response:
    """The page, with the answer to the question of its address."""
    fields = {k: v for k, v in request.query_params.items() if k not in ("casebase", "image")}
    body = Body(fields, is_form=True)
    inquiry = checked(body)
    had_image = "image" in request.query_params
    if had_image or not inquiry.text.strip():
        return _ask_html(request, grant, inquiry, had_image=had_image)
    return await _answer_html(request, grant, body, inquiry)


@pages.post("/")
async def ask_form(request: Request, grant: Reader) -> Response:
    """The answer to a form: as events for the script, as a page for everybody else."""
    body = await body_of(request)
    inquiry = checked(body)
    if wants_events(request):
        lines = _lines(request, grant, inquiry, query_of(inquiry, body.image))
        return StreamingResponse(lines, media_type=events.MEDIA_TYPE)
    if body.image is None and len(inquiry.text) < 1500:
        return RedirectResponse(_address(grant, inquiry), 303)
    return await _answer_html(request, grant, body, inquiry)


@pages.get("/case")
async def case_page(request: Request, grant: Reader, id: str = "") -> Response:
    """A stored case."""
    request.state.ids = [id]

    def work(rag: MMedRAG, _: Watch) -> Mapping[str, Any]:
        case = store_of(rag).get(id)
        if case is None:
            raise NotHere("There is no such case", "Search for it; it may have been deleted.")
        return {
            "case": case,
            "mentions": assertions(rag.definitions.recognise([case.text])[0]),
        }

    values = await grant.readers.run(work)
    preview = events.preview_address(id, grant.casebase)
    return page_of(request, grant, "case.html", preview=preview, **values)


@pages.get("/trace/{trace_id}")
async def trace_page(request: Request, trace_id: str, grant: Reader) -> Response:
    """The whole path of an answer, as ``--page`` writes it; ``?download=1`` saves it."""

    def work(rag: MMedRAG, _: Watch) -> str | None:
        cases = store_of(rag)
        return grant.service.traces.get(
            grant.casebase, trace_id, lambda case: cases.get(case) is not None
        )

    html = await grant.readers.run(work)
    if html is None:
        raise NotHere("This trace is not kept any more", "Ask the question again.")
    headers = {"Content-Security-Policy": TRACE_POLICY}
    if "download" in request.query_params:
        headers["Content-Disposition"] = 'attachment; filename="mmedrag-trace.html"'
    return HTMLResponse(html, headers=headers)


@pages.post("/pixels")
async def pixels(request: Request, grant: Reader) -> Response:
    """The uploaded image for the viewer; nothing of it is kept."""
    image = (await body_of(request)).image or b""
    converted = await run_in_threadpool(pixels_of, image)
    return Response(converted.body, media_type=converted.media_type, headers=converted.headers)


@pages.get("/image")
async def image(request: Request, grant: Reader, id: str = "") -> Response:
    """A case's own image where it is still on the server's disk, else its preview."""
    request.state.ids = [id]

    def work(rag: MMedRAG, _: Watch) -> bytes:
        case = store_of(rag).get(id)
        picture = None if case is None else picture_of(rag, case)
        if picture is None:
            raise NotHere("The case has no image", "Choose another case.")
        return png(picture)

    return Response(await grant.readers.run(work), media_type="image/png")


@pages.post("/feedback")
async def feedback(request: Request, grant: Editor) -> Response:
    """A verdict from the page; a plain form gets a page back."""
    body = await body_of(request)
    verdict = validated(Feedback, body.fields, strict=not body.is_form)
    request.state.ids = [verdict.case] if verdict.case else []
    file = grant.service.feedback_of(grant.readers)
    await run_in_threadpool(file.add, verdict.model_dump(), grant.client.name)
    if body.is_form and "application/json" not in request.headers.get("accept", ""):
        return page_of(request, grant, "thanks.html")
    return JSONResponse({"kept": True}, 201)


@pages.get("/login")
async def login_page(request: Request) -> Response:
    """Asks for a token."""
    return HTMLResponse(render("login.html", problem=None))


@pages.post("/login")
async def login(request: Request) -> Response:
    """Keeps a token in a cookie that no script can read and no other site can send."""
    token = str((await body_of(request)).fields.get("token", ""))
    client_of(request, token or "-")
    answer = RedirectResponse("/", 303)
    if service_of(request).tokens is None:
        return answer
    secure = request.url.scheme == "https"
    kept = quote(token, safe="")  # a cookie holds Latin-1 alone
    answer.set_cookie(COOKIE, kept, httponly=True, samesite="strict", secure=secure)
    return answer


@pages.post("/logout")
async def logout(request: Request) -> Response:
    """Forgets the token."""
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


def problem_page(request: Request, error: MMedRAGError) -> Response:
    """An error as a page, for who came with a browser."""
    problem = document(error)
    if problem["status"] != 401:
        html = render("problem.html", problem=problem)
    else:  # who has given no token yet is asked for one, and told of no error
        given = request.method == "POST" or COOKIE in request.cookies
        html = render("login.html", problem=problem if given else None)
    return HTMLResponse(html, status_of(error), headers_of(error))


def wants_page(request: Request) -> bool:
    """Whether a browser opened an address that is no part of the REST interface."""
    accepts = "text/html" in request.headers.get("accept", "")
    return accepts and not request.url.path.startswith("/v1/")


async def _answer_html(request: Request, grant: Grant, body: Body, inquiry: Inquiry) -> Response:
    """The page with the answer, or with what stands against one and the question as it was put."""
    try:
        result = await _answered(request, grant, body, inquiry)
    except MMedRAGError as error:
        problem = document(error)
        page = _ask_html(request, grant, inquiry, problem=problem)
        page.status_code = problem["status"]
        page.headers.update(headers_of(error))
        return page
    return _ask_html(request, grant, inquiry, result)


async def _answered(request: Request, grant: Grant, body: Body, inquiry: Inquiry) -> dict[str, Any]:
    """The values of the result's templates."""
    query = query_of(inquiry, body.image)

    def work(rag: MMedRAG, watch: Watch) -> dict[str, Any]:
        system = configured(rag, inquiry, grant.service.writer)
        *_, answer = events.stages(system, watch, query)
        assert isinstance(answer, Answer)
        note(request, answer)
        return _result(grant, answer, rag, _kept_trace(grant, rag, answer))

    return await grant.readers.run(work)


async def _lines(
    request: Request, grant: Grant, inquiry: Inquiry, query: Query
) -> AsyncIterator[str]:
    """The result in pieces: HTML by the id of its place, and text as it is written."""

    def work(rag: MMedRAG, watch: Watch) -> Any:  # noqa: ANN401 - events
        system = configured(rag, inquiry, grant.service.writer)
        for stage in events.stages(system, watch, query):
            if isinstance(stage, str):
                yield events.Event("piece", {"text": printable(stage)})
            elif isinstance(stage, Context):
                values = _context_values(grant, stage)
                for fragment in ("understood", "cases", "definitions"):
                    html = render(f"_{fragment}.html", **values)
                    yield events.Event("fragment", {"place": fragment, "html": html})
            else:
                note(request, stage)
                values = _result(grant, stage, rag, _kept_trace(grant, rag, stage))
                for fragment in ("answer", "definitions"):
                    html = render(f"_{fragment}.html", **values)
                    yield events.Event("fragment", {"place": fragment, "html": html})
                yield events.Event("end", {"state": values["state"]})

    async for line in events.lines(grant.readers.stream(work)):
        yield line


def _kept_trace(grant: Grant, rag: MMedRAG, answer: Answer) -> str:
    context = answer.context
    shown = (*context.gathered, *context.ranked, *context.kept)
    cases = dict.fromkeys(e.item.id for e in shown if isinstance(e.item, Case))
    return grant.service.traces.add(grant.casebase, page(answer, rag.preview), cases)


def _context_values(grant: Grant, context: Context) -> dict[str, Any]:
    return {
        "casebase": grant.casebase,
        "question": context.question,
        "reason": reason_of(context.question.routing),
        "ruled_out": ruled_out(context.question),
        "understood": understood(context.question),
        "cards": cards_of(context, grant.casebase),
        "terms": terms_of(context),
        "may_write": grant.client.may(Scope.WRITE, grant.casebase),
        "asked_for": asked_for(context.question.intent),
        "disagreements": [],
    }


def _result(grant: Grant, answer: Answer, rag: MMedRAG, trace: str) -> dict[str, Any]:
    return _context_values(grant, answer.context) | {
        "answer": answer_html(answer.text),
        "plain": answer.text,
        "state": state_of(answer),
        "disagreements": disagreements(answer),
        "removed": answer.removed,
        "trace": trace,
        "lasting": grant.service.traces.lasting,
        "total": store_of(rag).count(),
    }


def _ask_html(
    request: Request,
    grant: Grant,
    inquiry: Inquiry,
    result: Mapping[str, Any] | None = None,
    *,
    had_image: bool = False,
    problem: Mapping[str, Any] | None = None,
) -> Response:
    values = {"inquiry": inquiry, "result": result, "had_image": had_image, "problem": problem}
    return page_of(request, grant, "ask.html", **values, **(result or {}))


def page_of(request: Request, grant: Grant, template: str, **values: Any) -> Response:  # noqa: ANN401
    """A template with what every page shows beside it."""
    service = service_of(request)
    shared = {
        "casebase": grant.casebase,
        "casebases": [n for n in service.casebases if grant.client.may(Scope.READ, n)],
        "domains": list(domains.Domain),
        "rerankers": list(RERANKERS),
        "expansions": list(EXPANSIONS),
        "filters": FILTERS,
        "fields": FIELDS,
        "generators": list(dict.fromkeys((service.writer.name, "extractive"))),
        "examples": EXAMPLES,
        "has_tokens": service.tokens is not None,
        "max_body": request.app.state.max_body,
    }
    return HTMLResponse(render(template, **{**shared, **values}))


def _address(grant: Grant, inquiry: Inquiry) -> str:
    """The address of the page that shows a question again."""
    changed = {
        name: value
        for name, value in inquiry.model_dump().items()
        if value != Inquiry.model_fields[name].default
    }
    return "/?" + urlencode({**changed, "casebase": grant.casebase})
