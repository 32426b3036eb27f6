"""The page of a casebase: counts, facets, health, and its jobs, also without JavaScript."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from mmedrag.filters import quoted
from mmedrag.pipeline import MMedRAG
from mmedrag.serving.api import Administrator, Corpus, Reader, started
from mmedrag.serving.jobs import Job
from mmedrag.serving.pages import page_of, render
from mmedrag.serving.questions import body_of, validated
from mmedrag.serving.readers import Watch
from mmedrag.serving.service import Grant
from mmedrag.serving.tokens import Scope

MOST_COUNTED = 50_000
"""Cases of a casebase whose labels are counted for its page."""

FACETS = {"findings affirmed": "affirms", "labels": "labels", "modality": "modality"}
"""What is counted, and the field of a filter that asks for it."""


@dataclass(frozen=True, slots=True)
class Facet:
    """A value, in how many cases it is, and the filter that finds these."""

    value: str
    cases: int
    where: str


casebase_pages = APIRouter(include_in_schema=False)


@casebase_pages.get("/casebase")
async def casebase_page(request: Request, grant: Reader) -> Response:
    """Counts, facets, health and jobs."""

    def work(rag: MMedRAG, watch: Watch) -> Mapping[str, Any]:
        store: Any = rag.cases
        statistics = store.info()
        counts = _facets(store, rag.definitions.fingerprint, watch) if (
            statistics["cases"] <= MOST_COUNTED) else {}  # fmt: skip
        return {"info": statistics, "facets": counts}

    statistics = await grant.readers.run(work)
    return page_of(request, grant, "casebase.html", **statistics, **_jobs(grant))


@casebase_pages.get("/jobs")
async def jobs(grant: Reader) -> Response:
    """The list of jobs alone, which the script of the page puts in place of the older one."""
    return HTMLResponse(render("_jobs.html", casebase=grant.casebase, **_jobs(grant)))


@casebase_pages.post("/jobs")
async def start(request: Request, grant: Administrator) -> Response:
    """Index a corpus, from the form of the page."""
    return _next(request, grant, started(grant, validated(Corpus, (await body_of(request)).fields)))


@casebase_pages.post("/jobs/{job_id}/cancel")
async def cancel(request: Request, job_id: str, grant: Administrator) -> Response:
    """End a job after the batch that it is at, from its button on the page."""
    job = grant.service.jobs.get(grant.casebase, job_id)
    job.cancelled.set()
    return _next(request, grant, job)


def _jobs(grant: Grant) -> dict[str, Any]:
    """The jobs of a casebase, and what the client may do to them."""
    administers = grant.client.may(Scope.ADMIN, grant.casebase)
    return {
        "jobs": [job.as_json() for job in grant.service.jobs.of(grant.casebase)],
        "may_cancel": administers,
        "may_index": administers and grant.service.corpora is not None,
    }


def _next(request: Request, grant: Grant, job: Job) -> Response:
    """The job for the script of the page; a plain form gets the page again."""
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(job.as_json(), 202)
    return RedirectResponse(f"/casebase?{urlencode({'casebase': grant.casebase})}#jobs", 303)


def _facets(store: Any, fingerprint: str, watch: Watch) -> dict[str, list[Facet]]:  # noqa: ANN401
    """The most frequent concepts, labels and modalities."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in FACETS}
    for case, mentions in store.recognised(fingerprint):
        watch.check()
        counts["findings affirmed"].update(
            {m.term for m in mentions or () if m.kind.is_finding and m.assertion == "affirmed"}
        )
        counts["labels"].update(set(case.labels))
        counts["modality"].update([case.modality] if case.modality else [])
    return {
        name: [
            Facet(value, n, f"{FACETS[name]} = {quoted(value)}")
            for value, n in _caseless(count).most_common(15)
        ]
        for name, count in counts.items()
    }


def _caseless(counts: Counter[str]) -> Counter[str]:
    """Counts of values that differ in case alone as one, as filters read them."""
    spelling: dict[str, str] = {}
    merged: Counter[str] = Counter()
    for value, n in counts.most_common():
        merged[spelling.setdefault(value.casefold(), value)] += n
    return merged
