"""The texts that a training image is paired with: its report, and what else is known of it."""

from __future__ import annotations

from mmedrag.types import Case

LONGEST = 400
"""Characters that are taken of a field."""


def wordings(case: Case) -> list[str]:
    """The case's text first; for a teaching file also plane, sequence, region, diagnosis, findings.

    A caption rarely says all that its image shows. The others say it in words that captions use.
    """
    known = {name: _field(case, name) for name in _FIELDS}
    seen = ", ".join(
        part
        for part in (f"{known['plane']} {known['modality_text']}".strip(), *case.labels[1:2])
        if part
    )
    others: list[str] = []
    if known["modality_text"]:
        others += [f"{seen}. {case.text}", f"{seen}. {known['case_diagnosis']}"]
        others += [known["findings"], f"{known['case_title']}. {known['topic_title']}"]
    return [case.text, *(text[:LONGEST] for text in others if text.strip(" ."))]


_FIELDS = ("plane", "modality_text", "case_diagnosis", "findings", "case_title", "topic_title")


def _field(case: Case, name: str) -> str:
    return " ".join(str(case.meta.get(name) or "").split())
