"""What readers thought of cases and answers: ``feedback.jsonl`` in the casebase, never sent.

Each line has the question, the judged case or answer, and the verdict. :func:`preference_pairs`
makes of them what direct preference optimisation reads (prompt, chosen, rejected), which is the raw
material of the paper's future work (RAG-PT).
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mmedrag.errors import CasebaseError
from mmedrag.types import LONGEST_TEXT

FILE = "feedback.jsonl"


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
    verdict: Literal["relevant", "not relevant", "right", "wrong"]
    case: str = Field("", max_length=1000, description="The judged case; empty for an answer.")
    answer: str = Field("", max_length=LONGEST_TEXT, description="The judged answer's text.")
    note: str = Field("", max_length=4000)


class FeedbackFile:
    """The file of one casebase."""

    def __init__(self, casebase: Path) -> None:
        self._path = casebase / FILE
        self._lock = Lock()

    def add(self, feedback: Feedback, client: str) -> None:
        """Add a line; it is on the disk when this returns.

        Raises:
            CasebaseError: it cannot be written.
        """
        entry = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "client": client}
        line = json.dumps(entry | feedback.model_dump(), ensure_ascii=False) + "\n"
        try:
            with self._lock, self._path.open("ab") as file:
                # A write that was cut off must not spoil the line after it.
                if file.tell() and not self._ends_whole():
                    file.write(b"\n")
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CasebaseError(
                f"The feedback cannot be kept ({error.strerror})",
                "Make the casebase's folder writable for the service.",
            ) from None

    def read(self) -> Iterator[dict[str, Any]]:
        """The whole lines, in the order of giving."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    def _ends_whole(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def preference_pairs(file: FeedbackFile, report: Callable[[str], str]) -> Iterator[dict[str, str]]:
    """Prompt, chosen and rejected: each relevant case of a question over each that is not.

    The last verdict on a case counts.

    Args:
        file: the feedback.
        report: the text of a case by its id; empty where it is gone.
    """
    verdicts: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in file.read():
        if entry.get("case"):
            verdicts[entry["question"]][entry["case"]] = entry["verdict"]
    for question, by_case in verdicts.items():
        good, bad = (
            [text for case, given in by_case.items() if given == verdict and (text := report(case))]
            for verdict in ("relevant", "not relevant")
        )
        for chosen, rejected in product(good, bad):
            if chosen != rejected:
                yield {"prompt": question, "chosen": chosen, "rejected": rejected}
