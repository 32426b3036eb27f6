"""One self-contained HTML page that shows a whole trace: question, routing, ranks, answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup, escape

from mmedrag.citations import DISCLAIMER
from mmedrag.errors import QueryError
from mmedrag.images import open_image, thumbnail
from mmedrag.trace import ruled_out
from mmedrag.types import Answer, Case, Context, Evidence

Thumbnails = Callable[[str], bytes | None]
"""A case's preview (JPEG) by its id."""

SHOWN = 20
"""Cases on the page; the JSON has them all."""

_MARK = re.compile(r"\[((?:[CD]\d+)(?:, ?[CD]\d+)*)\]")
_ROW = 26.0


@dataclass(frozen=True, slots=True)
class _Card:
    """A case or a definition as the page shows it."""

    key: str
    name: str
    text: str
    details: str
    source: str
    image: str | None
    similarity: float
    centrality: float | None
    reward: float | None
    kept: bool
    cited: bool
    before: int
    after: int


def write_page(result: Context | Answer, thumbnails: Thumbnails, into: Path) -> None:
    """Write the page of a context or an answer.

    Raises:
        QueryError: where the file cannot be written.
    """
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        into.write_text(page(result, thumbnails), "utf-8")
    except OSError as error:
        raise QueryError(
            f"{into} cannot be written ({error.strerror})", "Choose another place for the page."
        ) from None


def page(result: Context | Answer, thumbnails: Thumbnails) -> str:
    """The page as HTML; it loads nothing from anywhere."""
    answer = result if isinstance(result, Answer) else None
    context = answer.context if answer is not None else result
    assert isinstance(context, Context)
    cards = _cards(context, answer, thumbnails)
    cases = [card for card in cards if card.key.startswith("C")]
    template = Environment(autoescape=True).from_string(
        (files("mmedrag") / "templates" / "trace.html").read_text("utf-8")
    )
    return template.render(
        question=context.question,
        image=_query_image(context),
        ruled_out=ruled_out(context.question),
        answer=_marked(answer.text) if answer is not None else None,
        abstained=answer is not None and answer.abstained,
        cases=cases[:SHOWN],
        hidden=max(0, len(cases) - SHOWN),
        definitions=[card for card in cards if card.key.startswith("D")],
        shifts=_shifts(cases[:SHOWN]),
        height=_ROW * (max((max(c.before, c.after) for c in cases[:SHOWN]), default=0) + 1),
        timings=_timings(context),
        synthetic=any("synthetic" in card.source.lower() for card in cards),
        disclaimer=DISCLAIMER,
    )


def _cards(context: Context, answer: Answer | None, thumbnails: Thumbnails) -> list[_Card]:
    kept = {e.key: e for e in context.kept}
    cited = {e.key for e in answer.cited} if answer is not None else set()
    before = _ranks(context.gathered)
    after = _ranks(context.ranked)
    return [
        _Card(
            key=e.key,
            name=e.name,
            text=e.text,
            details=_details(e),
            source=" · ".join(part for part in (e.item.source, e.item.licence) if part),
            image=_preview(e, thumbnails) if after[e.key] <= SHOWN else None,
            similarity=e.similarity,
            centrality=e.centrality,
            reward=kept[e.key].reward if e.key in kept else None,
            kept=e.key in kept,
            cited=e.key in cited,
            before=before[e.key],
            after=after[e.key],
        )
        for e in context.ranked
    ]


def _ranks(evidence: Sequence[Evidence]) -> dict[str, int]:
    """Ranks among cases and among definitions, from 1."""
    ranks: dict[str, int] = {}
    for kind in (True, False):
        same = [e for e in evidence if isinstance(e.item, Case) is kind]
        ranks |= {e.key: i for i, e in enumerate(same, 1)}
    return ranks


def _details(e: Evidence) -> str:
    if not isinstance(e.item, Case):
        return e.item.concept
    named = (e.item.domain, e.item.modality, e.item.patient_id and f"patient {e.item.patient_id}")
    return " · ".join(str(part) for part in named if part)


def _preview(e: Evidence, thumbnails: Thumbnails) -> str | None:
    picture = thumbnails(e.item.id) if isinstance(e.item, Case) else None
    return _data_url(picture) if picture is not None else None


def _query_image(context: Context) -> str | None:
    image = context.question.query.image
    return None if image is None else _data_url(thumbnail(open_image(image), 320))


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _marked(text: str) -> Markup:
    """The answer as HTML: every citation mark is a link to its card."""

    def linked(match: re.Match[str]) -> str:
        keys = [key.strip() for key in match[1].split(",")]
        return "".join(f'<a class="mark" href="#{key}">{key}</a>' for key in keys)

    paragraphs = [
        _MARK.sub(linked, str(escape(line))) for line in text.splitlines() if line.strip()
    ]
    return Markup("".join(f"<p>{line}</p>" for line in paragraphs))  # noqa: S704 (escaped above)


@dataclass(frozen=True, slots=True)
class _Shift:
    """A line from a case's rank before the rerank to the one after, in pixels."""

    key: str
    start: float
    end: float
    kept: bool


def _shifts(cases: Sequence[_Card]) -> list[_Shift]:
    return [_Shift(c.key, c.before * _ROW, c.after * _ROW, c.kept) for c in cases]


def _timings(context: Context) -> list[tuple[str, float, float]]:
    """Stage, milliseconds, and share of the whole in per cent."""
    total = sum(context.timings.values()) or 1.0
    return [(stage, ms, 100.0 * ms / total) for stage, ms in context.timings.items()]
