"""Retrieved text is cleaned and looked at before it is quoted."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from injections import INJECTIONS, REPORTS
from mmedrag.answers.passages import clean, instruction_like, label, quotable
from mmedrag.text.citation_markers import CLOSE, OPEN


@pytest.mark.parametrize("text", INJECTIONS)
def test_planted_instructions_are_noticed(text: str) -> None:
    assert instruction_like(text)
    assert instruction_like(f"The lungs are clear. {text}")


@pytest.mark.parametrize("text", REPORTS)
def test_ordinary_reports_are_not_suspected(text: str) -> None:
    assert not instruction_like(text)


@given(st.text())
def test_clean_text_has_lines_and_nothing_that_is_not_seen(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert not any(unicodedata.category(c)[0] == "C" and c != "\n" for c in cleaned)


@given(st.text())
def test_a_quotation_cannot_end_itself_or_cite(text: str) -> None:
    quoted = quotable(text)
    assert not re.search(f'{OPEN}|{CLOSE}|[“”"\\n]', quoted)


@given(st.text())
def test_a_label_is_short_and_ends_no_sentence(text: str) -> None:
    assert len(label(text)) <= 80
    assert not re.search(r"[.!?](\s|$)", label(text))
