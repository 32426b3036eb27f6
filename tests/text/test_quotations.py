"""Words of a report are cleaned before they stand in an answer."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from mmedrag.text.citation_markers import CLOSE, OPEN
from mmedrag.text.quotations import clean, label, quotable


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
