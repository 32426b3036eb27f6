"""The application: endpoints, page, middleware, and what happens at start and end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.staticfiles import StaticFiles

from mmedrag import __version__
from mmedrag.errors import MMedRAGError
from mmedrag.serving.api import api
from mmedrag.serving.audit import Recorder
from mmedrag.serving.casebase_pages import casebase_pages
from mmedrag.serving.courses import courses
from mmedrag.serving.headers import SecurityHeaders
from mmedrag.serving.health import health
from mmedrag.serving.limits import BodyLimit
from mmedrag.serving.pages import pages, problem_page, wants_page
from mmedrag.serving.problems import MEDIA_TYPE, BadRequest, Invalid, NotHere, of_status, response
from mmedrag.serving.service import Service

ROUTERS = (api, courses, health, pages, casebase_pages)
STATIC = Path(__file__).parent / "static"

DESCRIPTION = """Similar cases, definitions, and answers with citations that can be checked.

Not a medical device. Errors are `application/problem+json` with `detail` (what happened) and
`remedy` (what to do)."""

_LOG = logging.getLogger(__name__)


def create_app(service: Service, *, max_body: int) -> FastAPI:
    """The ASGI application of a service.

    Args:
        service: what it serves; it is started with the application and closed with it.
        max_body: bytes of the largest request.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for readers in service.casebases.values():
            await run_in_threadpool(readers.start)
        yield
        await run_in_threadpool(service.close)

    app = FastAPI(
        title="MMedRAG",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    app.state.max_body = max_body
    app.state.service_routes = [
        *api.routes,
        *courses.routes,
        *health.routes,
        *pages.routes,
        *casebase_pages.routes,
    ]
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_exception_handler(MMedRAGError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(BodyLimit, limit=max_body)
    app.add_middleware(Recorder, audit=service.audit, metrics=service.metrics)
    app.add_middleware(SecurityHeaders)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, MMedRAGError)
    return problem_page(request, error) if wants_page(request) else response(error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [
        f"{'.'.join(str(step)[:40] for step in fault['loc'])}: {fault['msg']}"
        for fault in error.errors()[:5]
    ]
    problem = Invalid("; ".join(faults), "GET /openapi.json has the schema with examples.")
    return await _refused(request, problem)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404 and wants_page(request):
        return problem_page(request, NotHere("There is no such page", "Check its address."))
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return _problem(of_status(error.status_code, str(error.detail)), headers)


def _methods(request: Request) -> set[str]:
    """The methods of all routes at the address of a request."""
    routes = request.app.state.service_routes
    at = (r for r in routes if r.matches(request.scope)[0] is not Match.NONE)
    return {method for route in at for method in route.methods}


async def _gone(request: Request, error: Exception) -> Response:
    """Nobody reads it; the audit log has the status."""
    return response(BadRequest("The client has gone before its request ended", "Send it again."))


async def _failed(request: Request, error: Exception) -> Response:
    _LOG.error("A request failed", exc_info=error)
    return _problem(of_status(500, "An error inside the service; its log says more"), {})


def _problem(document: dict[str, Any], headers: dict[str, str]) -> Response:
    return JSONResponse(document, document["status"], headers, media_type=MEDIA_TYPE)
