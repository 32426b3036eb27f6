"""Whether the service is well: for container managers and Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from mmedrag.serving.schema import problems
from mmedrag.serving.service import Grant, granted, service_of
from mmedrag.serving.tokens import Scope

Reader = Annotated[Grant, Depends(granted(Scope.READ))]

health = APIRouter()


@health.head("/healthz", include_in_schema=False)  # monitors ask so
@health.get("/healthz", summary="Whether the process answers")
async def healthz() -> JSONResponse:
    """Always 200 while the process can answer."""
    return JSONResponse({"status": "ok"})


@health.head("/readyz", include_in_schema=False)
@health.get(
    "/readyz",
    responses={503: {"description": "A casebase is not ready."}},
    summary="Whether every casebase is open",
)
async def readyz(request: Request) -> JSONResponse:
    """200 where every casebase is open and its models are loaded, else 503."""
    ready = all(readers.ready for readers in service_of(request).casebases.values())
    return JSONResponse({"status": "ready" if ready else "not ready"}, 200 if ready else 503)


@health.get("/metrics", response_class=Response, responses=problems(), summary="For Prometheus")
async def metrics(request: Request, grant: Reader) -> Response:
    """Counts and times by route; with tokens, for a client with the scope admin."""
    grant.client.require(Scope.ADMIN)
    text = service_of(request).metrics.text()
    return Response(text, media_type="text/plain; version=0.0.4")
