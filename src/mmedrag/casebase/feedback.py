"""What readers thought of cases and answers: ``feedback.jsonl`` in the casebase, never sent.

Each line has the question, the judged case or answer, and the verdict: the raw material of the
paper's future work (RAG-PT).
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from mmedrag.casebase.faults import storage_faults
from mmedrag.durability import write_durably
from mmedrag.errors import CasebaseError

FILE = "feedback.jsonl"

RELEVANT, NOT_RELEVANT = "relevant", "not relevant"
"""Verdicts on a case."""


class FeedbackFile:
    """The file of one casebase."""

    def __init__(self, casebase: Path) -> None:
        self._path = casebase / FILE
        self._lock = Lock()

    def add(self, verdict: Mapping[str, Any], client: str) -> None:
        """Add a line; it is on the disk when this returns.

        Args:
            verdict: question, image (was one part of it?), case or answer, verdict, note.
            client: who gave it.

        Raises:
            CasebaseError: it cannot be written.
        """
        entry = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "client": client}
        line = json.dumps(entry | dict(verdict), ensure_ascii=False) + "\n"
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
                with suppress(ValueError):
                    entry = json.loads(line)
                    if isinstance(entry, dict):
                        yield entry

    def _ends_whole(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def by_question(self) -> dict[str, dict[str, str]]:
        """The last verdict on each case, by the text of the question.

        Questions with an image are left out: their image is not kept, and the text alone does not
        say what was judged.
        """
        verdicts: dict[str, dict[str, str]] = defaultdict(dict)
        for entry in self.read():
            if entry.get("case") and entry.get("question") and not entry.get("image"):
                verdicts[entry["question"]][entry["case"]] = entry["verdict"]
        return dict(verdicts)


def copy_feedback(source: Path, target: Path) -> None:
    """Give the copy of a casebase the verdicts on it, where it has none of its own.

    Args:
        source: folder of the casebase.
        target: folder of its copy; a part of the same verdicts is completed.

    Raises:
        CasebaseError: a file cannot be read or written.
    """
    given, own = source / FILE, target / FILE
    with storage_faults(own, "keep the feedback in"):
        verdicts = given.read_bytes() if given.exists() else b""
        if verdicts.startswith(own.read_bytes() if own.exists() else b"") and verdicts:
            target.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_durably(own, verdicts)
