"""Many questions in one run: JSON lines in, JSON lines out (``mmedrag ask --questions``)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmedrag.dates import time_of
from mmedrag.domains import asked
from mmedrag.errors import MMedRAGError, QueryError
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Query
from mmedrag.views.terminal import json_escaped, show
from mmedrag.views.trace import SCHEMA, answer_json

FIELDS = ("id", "text", "image", "domain", "where", "patient_id", "at", "frame")
"""What a line may hold; ``id`` is handed through to the answer."""


def answer_lines(rag: MMedRAG, lines: Iterable[bytes], folder: Path) -> int:
    """Answer each line and print one JSON object for it, in the order of the lines.

    A line that fails gives an object with ``error`` in place of the answer, and the next one is
    answered all the same. Blank lines are skipped.

    Args:
        rag: answers.
        lines: each a question in quotes, or an object of :data:`FIELDS`.
        folder: what paths of images are relative to.

    Returns:
        The exit code of the first line that failed, or 0.
    """
    exit_code = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields: Mapping[str, Any] = {}
        try:
            fields = _fields(line)
            result = answer_json(rag.ask(_query(fields, folder)))
        except MMedRAGError as error:
            result = _failure(error)
            exit_code = exit_code or error.exit_code
        labelled = {"line": number, "id": fields.get("id")} | result
        show(json_escaped(json.dumps(labelled, ensure_ascii=False, default=str)))
    return exit_code


def _fields(line: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise QueryError("The line is not JSON", 'Write it as {"text": "…"}.') from None
    fields = {"text": value} if isinstance(value, str) else value
    if not isinstance(fields, dict):
        raise QueryError("The line is no question", 'Write it as {"text": "…"}.')
    if unknown := sorted(fields.keys() - set(FIELDS)):
        raise QueryError(
            f"A question has no field {unknown[0]!r}", f"Its fields are {', '.join(FIELDS)}."
        )
    if isinstance(at := fields.get("at"), int | float) and not isinstance(at, bool):
        fields = {**fields, "at": str(at)}
    frame = fields.get("frame")
    if isinstance(frame, bool) or not isinstance(frame, int | None):
        raise QueryError("The field 'frame' is not a whole number", "Frames count from 0.")
    for name in FIELDS[1:-1]:
        if not isinstance(fields.get(name), str | None):
            raise QueryError(f"The field {name!r} is not a text", "Write it in quotes.")
    return fields


def _query(fields: Mapping[str, Any], folder: Path) -> Query:
    image = fields.get("image")
    return Query(
        fields.get("text") or "",
        folder / image if image else None,
        asked(fields.get("domain") or ""),
        fields.get("where"),
        fields.get("patient_id") or "",
        time_of(fields.get("at") or ""),
        fields.get("frame"),
    )


def _failure(error: MMedRAGError) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "error": {"kind": type(error).__name__, "what": error.what, "remedy": error.remedy},
    }
