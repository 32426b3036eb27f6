"""An answer in a notebook: its text with marks, and the cited cases with their pictures."""

from __future__ import annotations

from uuid import uuid4

from markupsafe import Markup, escape

from mmedrag.citations import DISCLAIMER
from mmedrag.errors import MMedRAGError
from mmedrag.imaging.decoding import open_image, thumbnail
from mmedrag.types import Answer, Case, Evidence
from mmedrag.views.page import annotated, answer_html, data_url
from mmedrag.views.terminal import printable

SIDE = 128
"""Pixels of a picture's longer side."""


def answer_cell(answer: Answer) -> str:
    """The answer as HTML that needs nothing else; every text in it is escaped."""
    cell = f"a{uuid4().hex[:8]}"  # a notebook may show many answers that cite a C1
    text = answer_html(answer.text).replace('href="#', Markup('href="#{}-').format(cell))
    rows = Markup("").join(_row(e, cell) for e in answer.cited)
    cited = Markup("<table>{}</table>").format(rows) if answer.cited else ""
    html = Markup("<div>{}{}<p><small>{}</small></p></div>").format(text, cited, DISCLAIMER)
    return printable(html)


def _row(e: Evidence, cell: str) -> Markup:
    origin = " · ".join(word for word in (e.item.source, e.item.licence) if word)
    return Markup(
        '<tr id="{}-{}"><th>{}</th><td>{}</td><td style="text-align:left"><b>{}</b><br>{}<br>'
        "<small>{}</small></td></tr>"
    ).format(cell, e.key, e.key, _picture(e), e.name, annotated(e), origin)


def _picture(e: Evidence) -> Markup:
    """The case's picture, where its file is still there and can be read."""
    if not isinstance(e.item, Case) or e.item.image is None:
        return Markup("")
    try:
        small = thumbnail(open_image(e.item.image, e.item.frame), SIDE)
    except MMedRAGError:
        return escape("no picture")
    return Markup('<img alt="image of case {}" src="{}">').format(e.key, data_url(small))
