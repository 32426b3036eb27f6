"""Reports as HTML say what they say as plain text."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.datasets.rows import MAX_TEXT
from mmedrag.definitions.dictionary import glossary
from mmedrag.text.html import without_html
from mmedrag.types import Assertion

AFFIRMED, NEGATED = Assertion.AFFIRMED, Assertion.NEGATED


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>FINDINGS:<br/>No&nbsp;mass.</p>\r\n<p>Clear.</p>", "FINDINGS:\nNo mass.\nClear."),
        ('<DIV class="x"><b>No</b> <i>m</i>ass</DIV>', "No mass"),
        ("<ul><li>Mass</li><li>Cyst</li></ul>", "Mass\nCyst"),
        ("<table><tr><td>Mass</td><td>2 cm</td></tr></table>", " Mass  2 cm "),
        ("<style>p {}</style>Mass<!-- a <b> -->", " Mass "),
        ("Crohn&#39;s &amp; &#x3BC; &Auml;", "Crohn's & μ Ä"),
        ("&lt;b&gt; &amp;lt;", "<b> &lt;"),
        ("a<br>\n<br>b", "a\nb"),
        ("Mass <!-- never closed", "Mass  "),
    ],
)
def test_tags_and_entities(html, text):
    assert without_html(html) == text


@pytest.mark.parametrize(
    "text",
    [
        "Nodule <5 mm, >2 cm",
        "p < 0.05 and x>3",
        "R&D; T&C &nosuch; &",
        "<unknown> [<removed>]",
        "Line one\n\nline two",
        "size <p",
    ],
)
def test_plain_texts_stay_as_they_are(text):
    assert without_html(text) == text


@given(st.text(alphabet="<>/&;#pb br\n09", max_size=60))
def test_no_text_is_too_odd(text):
    without_html(text)


@pytest.mark.parametrize("piece", [" ", "<", "<p ", "<!--", "<style>", "&#", "\n", "<b", "</td"])
def test_long_texts_take_no_time(piece):
    start = process_time()
    without_html("<" + piece * (MAX_TEXT // len(piece)))
    assert process_time() - start < 2


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("No&nbsp;pleural effusion.", [NEGATED]),
        ("No pleural effusion<br>Pneumothorax", [NEGATED, AFFIRMED]),
        ("<li>No pleural effusion</li><li>Pneumothorax</li>", [NEGATED, AFFIRMED]),
    ],
)
def test_what_html_says_of_findings(html, said):
    assert [m.assertion for m in glossary().recognise([without_html(html)])[0]] == said
