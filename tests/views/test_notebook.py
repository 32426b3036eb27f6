"""Values in a notebook or a debugger: short, and harmless whatever they hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from injections import INJECTIONS
from markup import Reader
from mmedrag.citations import attribute, resolve
from mmedrag.testing.generator import ASKED, CLEAR, EFFUSION, MEANING, context_of
from mmedrag.types import Answer, Case, Hit, Query

HOSTILE = "<script>alert(1)</script> \x1b[31m\u202e & \"'"


def answer_of(text: str, *evidence) -> Answer:
    evidence = evidence or (EFFUSION, CLEAR, MEANING)
    return attribute(list(resolve([text], evidence)), context_of(ASKED, evidence), {})


def test_values_print_on_one_short_line() -> None:
    long = replace(EFFUSION, item=replace(EFFUSION.item, text="long " * 10_000))
    vector = np.zeros(4096, np.float32)
    answer = answer_of("Water [C1]. " * 500, long, MEANING)
    shown = (
        answer, answer.context, long, MEANING, answer.context.question, long.item,
        Hit(long.item, vector, 0.5, 0.5), Query("x" * 9999, image=b"y" * 9999),
    )  # fmt: skip
    for value in shown:
        assert len(repr(value)) < 300
        assert "\n" not in repr(value)
        assert "array" not in repr(value)
        assert repr(value).startswith(f"{type(value).__name__}(")
    assert "cited=('C1',)" in repr(answer)
    assert "key='C1'" in repr(long)


def test_a_notebook_shows_text_marks_pictures_and_passages(tmp_path: Path) -> None:
    Image.new("L", (300, 200), 90).save(tmp_path / "x.png")
    shown = replace(EFFUSION, item=replace(EFFUSION.item, image=tmp_path / "x.png", source="site"))
    html = answer_of("Water [C1], explained [D1].", shown, CLEAR, MEANING)._repr_html_()
    assert len(Reader(html).all("img")) == 1
    assert "Moderate right" in html
    assert "site" in html
    assert 'src="data:image/jpeg;base64,' in html
    assert "Not a medical device" in html
    assert "Clear lungs" not in html  # not cited
    targets = html.split('href="#')[1].split('"')[0]
    assert f'id="{targets}"' in html


def test_two_answers_in_one_notebook_do_not_share_anchors() -> None:
    answer = answer_of("Water [C1].")
    assert answer._repr_html_().split('id="')[1] != answer._repr_html_().split('id="')[1]


@pytest.mark.proof("injections")
@pytest.mark.parametrize("text", [HOSTILE, *INJECTIONS])
def test_hostile_text_is_shown_as_text(text: str) -> None:
    item = replace(EFFUSION.item, id=text, text=text, source=text, licence=text, image=Path(text))
    html = answer_of(f"{text} [C1]", replace(EFFUSION, item=item, mentions=()))._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    assert not any(c in html for c in "\x1b\u202e\u200b")


def test_a_picture_that_cannot_be_read_is_left_out() -> None:
    item = replace(EFFUSION.item, image=Path("absent.png"))
    assert "no picture" in answer_of("Water [C1].", replace(EFFUSION, item=item))._repr_html_()


def test_case_equality_looks_at_everything_that_its_repr_leaves_out() -> None:
    assert Case(id="a", meta={"x": 1}) != Case(id="a", meta={"x": 2})
