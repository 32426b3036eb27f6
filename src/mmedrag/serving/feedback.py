"""Verdicts as the page and the interface send them, and the preference pairs that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mmedrag.casebase.feedback import NOT_RELEVANT, RELEVANT, FeedbackFile
from mmedrag.types import LONGEST_TEXT


class Feedback(BaseModel):
    """A verdict on a case (relevant or not) or on an answer (right or wrong)."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"question": "Is there an effusion?", "case": "xr-1", "verdict": "relevant"}
            ]
        },
    )

    question: str = Field(max_length=LONGEST_TEXT, description="What was asked.")
    image: bool = Field(False, description="Whether an image was part of the question.")
    verdict: Literal["relevant", "not relevant", "right", "wrong"]
    case: str = Field("", max_length=1000, description="The judged case; empty for an answer.")
    answer: str = Field("", max_length=LONGEST_TEXT, description="The judged answer's text.")
    note: str = Field("", max_length=4000)


def preference_pairs(file: FeedbackFile, report: Callable[[str], str]) -> Iterator[dict[str, str]]:
    """Prompt, chosen and rejected: each relevant case of a question over each that is not.

    Args:
        file: the feedback.
        report: the text of a case by its id; empty where it is gone.
    """
    for question, by_case in file.by_question().items():
        good, bad = (
            [text for case, given in by_case.items() if given == verdict and (text := report(case))]
            for verdict in (RELEVANT, NOT_RELEVANT)
        )
        for chosen, rejected in product(good, bad):
            if chosen != rejected:
                yield {"prompt": question, "chosen": chosen, "rejected": rejected}
