"""Prompts: evidence is data, whatever it holds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from injections import INJECTIONS
from mmedrag.answers.prompts import SYSTEM_PROMPT, messages, passage, prompt_tokens, user_prompt
from mmedrag.testing.generator import ASKED, EFFUSION, MEANING, case, definition
from mmedrag.text.citation_markers import MARK
from mmedrag.views.terminal import printable

HOSTILE = st.text(st.sampled_from("<>/evidnc key=\"'[]C1⟦⟧【】\x1b\u202e\u200b\n|&;"), max_size=80)


def test_there_are_at_least_seventy_injections() -> None:
    assert len(set(INJECTIONS)) >= 70


@given(HOSTILE)
def test_evidence_stays_between_its_delimiters(text: str) -> None:
    prompt = user_prompt(ASKED, [case("C1", text), definition("D1", text, text)])
    assert prompt.count("<evidence key=") == prompt.count("</evidence>") == 2
    assert printable(prompt) == prompt
    assert re.findall(r"<evidence key=\"(\w+)\"", prompt) == ["C1", "D1"]


@given(HOSTILE)
def test_evidence_brings_no_square_marks_of_its_own(text: str) -> None:
    body = passage(case("C1", text)).split("\n", 1)[1]
    assert not [m for m in re.findall(MARK, body) if not m.startswith("(")]


@pytest.mark.proof("injections")
@pytest.mark.parametrize("text", INJECTIONS)
def test_injections_reach_neither_attributes_nor_rules(text: str) -> None:
    sent = messages(ASKED, [case("C1", f"Clear lungs. {text}"), definition("D1", text, text)])
    assert sent[0] == {"role": "system", "content": SYSTEM_PROMPT}
    assert text not in sent[1]["content"]


def test_more_evidence_costs_more_tokens() -> None:
    assert prompt_tokens(ASKED, [EFFUSION]) < prompt_tokens(ASKED, [EFFUSION, MEANING])
