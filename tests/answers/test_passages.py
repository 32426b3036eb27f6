"""Retrieved text is looked at for planted instructions before it is quoted."""

from __future__ import annotations

import pytest

from injections import INJECTIONS, REPORTS
from mmedrag.answers.passages import instruction_like


@pytest.mark.parametrize("text", INJECTIONS)
def test_planted_instructions_are_noticed(text: str) -> None:
    assert instruction_like(text)
    assert instruction_like(f"The lungs are clear. {text}")


@pytest.mark.parametrize("text", REPORTS)
def test_ordinary_reports_are_not_suspected(text: str) -> None:
    assert not instruction_like(text)
