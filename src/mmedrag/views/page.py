"""One self-contained HTML page that shows a whole trace: question, routing, ranks, answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, Template
from markupsafe import Markup, escape

from mmedrag.citations import DISCLAIMER
from mmedrag.durability import write_durably
from mmedrag.errors import QueryError
from mmedrag.imaging.decoding import open_image, thumbnail
from mmedrag.types import Answer, Assertion, Case, Context, Evidence
from mmedrag.views.terminal import printable
from mmedrag.views.trace import ruled_out, understood

Thumbnails = Callable[[str], bytes | None]
"""A case's preview (JPEG) by its id."""

SHOWN = 20
"""Cases on the page; the JSON has them all."""

_MARK = re.compile(r"\[((?:[CD]\d+)(?:, ?[CD]\d+)*)\]")
_BULLET = re.compile(r"\s*(?:[-*•]|(\d+)[.)])\s+(.*)")
_HEADING = re.compile(r"#{1,6}\s+(.*)|\*\*(.+)\*\*:?|([^.!?]{1,80}):")
_STRONG = re.compile(r"\*\*(.+?)\*\*")
_LONG = 420
_ROW = 24.0


@dataclass(frozen=True, slots=True)
class _Card:
    """A case or a definition as the page shows it; ``opening`` where the text is long."""

    key: str
    name: str
    text: Markup
    opening: str
    alt: str
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
        write_durably(into, page(result, thumbnails))
    except OSError as error:
        raise QueryError(
            f"{into} cannot be written ({error.strerror})", "Choose another place for the page."
        ) from None


def page(result: Context | Answer, thumbnails: Thumbnails) -> str:
    """The page as HTML; it loads nothing from anywhere."""
    answer = result if isinstance(result, Answer) else None
    context = result.context if isinstance(result, Answer) else result
    cards = _cards(context, answer, thumbnails)
    cases = [card for card in cards if card.key.startswith("C")]
    kept_first = sorted(cases, key=lambda card: not card.kept)
    shown = sorted(kept_first[:SHOWN], key=lambda card: card.after)
    html = _template().render(
        question=context.question,
        image=_query_image(context),
        ruled_out=ruled_out(context.question),
        understood=understood(context.question),
        answer=answer_html(answer.text) if answer is not None else None,
        abstained=answer is not None and answer.abstained,
        removed=answer.removed if answer is not None else (),
        cases=shown,
        left_out=sum(not card.kept for card in shown),
        hidden=len(cases) - len(shown),
        origin="; ".join(dict.fromkeys(card.source for card in shown if card.source)),
        definitions=[card for card in cards if card.key.startswith("D")],
        shifts=_shifts(shown),
        height=_ROW * (len(shown) + 1.5),
        timings=_timings(context),
        synthetic=any("synthetic" in card.source.lower() for card in cards),
        disclaimer=DISCLAIMER,
    )
    return printable(html)


def _template() -> Template:
    text = (files("mmedrag") / "templates" / "trace.html").read_text("utf-8")
    return Environment(autoescape=True, trim_blocks=True).from_string(text)


def _cards(context: Context, answer: Answer | None, thumbnails: Thumbnails) -> list[_Card]:
    kept = {e.key: e for e in context.kept}
    cited = {e.key for e in answer.cited} if answer is not None else set()
    before = _ranks(context.gathered)
    after = _ranks(context.ranked)
    return [
        _Card(
            key=e.key,
            name=e.name,
            text=annotated(e),
            opening=_opening(e.text),
            alt=_alt(e),
            details=_details(e),
            source=" · ".join(word for word in (e.item.source, e.item.licence) if word),
            image=_preview(e, thumbnails) if e.key in kept or after[e.key] <= SHOWN else None,
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
    diagnosis = e.item.diagnosis and f"diagnosis: {e.item.diagnosis}"
    labels = ", ".join(e.item.labels)
    patient = e.item.patient_id and f"patient {e.item.patient_id}"
    named = (e.item.domain, e.item.modality, diagnosis, labels, patient)
    return " · ".join(str(word) for word in named if word)


def _alt(e: Evidence) -> str:
    modality = e.item.modality if isinstance(e.item, Case) else ""
    return f"{modality or 'image'} of case {e.key}"


def _opening(text: str) -> str:
    """The beginning of a long text, of a short one nothing."""
    return "" if len(text) <= _LONG else text[: _LONG // 2].rsplit(" ", 1)[0]


def annotated(e: Evidence) -> Markup:
    """The text with its findings underlined by what is said of them."""
    pieces, end = [], 0
    for mention in sorted(e.mentions, key=lambda m: m.start):
        if mention.start < end or mention.end > len(e.text):
            continue
        kind = mention.assertion.value if mention.assertion in _PLAIN else "other"
        pieces.append(escape(e.text[end : mention.start]))
        pieces.append(
            Markup('<u class="{}" title="{}: {}">{}</u>').format(
                kind, mention.term, mention.assertion.value, e.text[mention.start : mention.end]
            )
        )
        end = mention.end
    return Markup("").join([*pieces, escape(e.text[end:])])


_PLAIN = (Assertion.AFFIRMED, Assertion.NEGATED)


def _preview(e: Evidence, thumbnails: Thumbnails) -> str | None:
    picture = thumbnails(e.item.id) if isinstance(e.item, Case) else None
    return data_url(picture) if picture is not None else None


def _query_image(context: Context) -> str | None:
    query = context.question.query
    if query.image is None:
        return None
    return data_url(thumbnail(open_image(query.image, query.frame), 320))


def data_url(jpeg: bytes) -> str:
    """A JPEG as an address that a page carries within itself."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def answer_html(text: str) -> Markup:
    """An answer as HTML: headings, lists and paragraphs; each citation mark links to its card.

    What the text holds else, tags included, is escaped.
    """
    blocks = re.split(r"\n\s*\n", text.strip())
    return Markup("").join(Markup("<div>{}</div>").format(_blocks(block)) for block in blocks)


def _blocks(block: str) -> Markup:
    """Lines that stand together: a run of bullets becomes one list."""
    html = []
    for kind, lines in groupby(block.splitlines(), _kind):
        inside = [_inline(_content(line)) for line in lines]
        if kind in ("ul", "ol"):
            items = Markup("").join(Markup("<li>{}</li>").format(line) for line in inside)
            inside = [items]
        html += [Markup(f"<{kind}>{{}}</{kind}>").format(line) for line in inside]  # noqa: S704 (four fixed names)
    return Markup("").join(html)


def _kind(line: str) -> str:
    """The HTML element of a line: h3, ul, ol or p."""
    if bullet := _BULLET.fullmatch(line):
        return "ol" if bullet[1] else "ul"
    return "h3" if _HEADING.fullmatch(line.strip()) else "p"


def _content(line: str) -> str:
    """A line without what marks it as a heading or bullet."""
    if bullet := _BULLET.fullmatch(line):
        return bullet[2]
    heading = _HEADING.fullmatch(line.strip())
    return next(filter(None, heading.groups()), line) if heading else line


def _inline(line: str) -> Markup:
    def linked(match: re.Match[str]) -> str:
        keys = [key.strip() for key in match[1].split(",")]
        return "".join(f'<a class="mark" href="#{key}">{key}</a>' for key in keys)

    strong = _STRONG.sub(r"<strong>\1</strong>", str(escape(line)))
    return Markup(_MARK.sub(linked, strong))  # noqa: S704 (escaped above)


@dataclass(frozen=True, slots=True)
class _Shift:
    """A line from a case's place before the rerank to its rank after it, in pixels.

    The left side holds the shown cases only, in the order of their keys: no gaps, no overlaps.
    """

    key: str
    rank: int
    start: float
    end: float
    kept: bool


def _shifts(cases: Sequence[_Card]) -> list[_Shift]:
    before = sorted(cases, key=lambda c: c.before)
    position = {c.key: i for i, c in enumerate(before, 1)}
    return [
        _Shift(c.key, c.after, (position[c.key] + 0.5) * _ROW, (i + 0.5) * _ROW, c.kept)
        for i, c in enumerate(cases, 1)
    ]


def _timings(context: Context) -> list[tuple[str, float, float]]:
    """Stage, milliseconds, and share of the whole in per cent."""
    total = sum(context.timings.values()) or 1.0
    return [(stage, ms, 100.0 * ms / total) for stage, ms in context.timings.items()]
