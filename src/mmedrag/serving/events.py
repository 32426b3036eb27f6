"""An answer while it is made, as server-sent events: routing, evidence, pieces, then the whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mmedrag.errors import MMedRAGError
from mmedrag.pipeline import MMedRAG
from mmedrag.serving.problems import document
from mmedrag.serving.readers import Watch, watched
from mmedrag.types import Answer, Context, Query
from mmedrag.views.trace import answer_json, context_json

MEDIA_TYPE = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its name and its JSON values."""

    name: str
    data: Any

    def __str__(self) -> str:
        return f"event: {self.name}\ndata: {json.dumps(self.data, ensure_ascii=False)}\n\n"


def stages(rag: MMedRAG, watch: Watch, query: Query) -> Iterator[Context | str | Answer]:
    """What there is to show, as soon as it is there: the context, pieces of text, the answer."""
    system = watched(rag, watch)
    context = system.retrieve(query)
    yield context
    stream = system.answer(context)
    yield from stream
    yield stream.result()


def events_of(stage: Context | str | Answer, casebase: str) -> Iterator[Event]:
    """The events of one stage."""
    if isinstance(stage, str):
        yield Event("piece", {"text": stage})
    elif isinstance(stage, Context):
        trace = public(context_json(stage), casebase)
        fields = (
            "query", "domain", "question", "mentions", "ruled_out", "corrections", "criteria",
            "synonyms",
        )  # fmt: skip
        yield Event("routing", {name: trace[name] for name in fields})
        yield Event("evidence", {name: trace[name] for name in ("gathered", "ranked", "kept")})
    else:
        trace = public(answer_json(stage), casebase)
        yield Event("claims", {"claims": trace["answer"]["claims"]})
        yield Event("answer", {name: trace[name] for name in ("schema", "answer", "timings_ms")})


async def lines(events: AsyncIterator[Event]) -> AsyncIterator[str]:
    """The events as they are sent; an error in the middle becomes the event ``problem``."""
    try:
        async for event in events:
            yield str(event)
    except MMedRAGError as error:
        yield str(Event("problem", document(error)))


def public(trace: dict[str, Any], casebase: str) -> dict[str, Any]:
    """A trace without paths of the server: images are addresses of previews."""
    for station in ("gathered", "ranked", "kept"):
        for item in trace[station]:
            if item.get("image") is not None:
                item["image"] = preview_address(item["id"], casebase)
    return trace


def preview_address(case_id: str, casebase: str) -> str:
    """Where a case's preview is, relative to the service."""
    return f"/v1/previews/{quote(case_id, safe='')}?casebase={quote(casebase, safe='')}"
