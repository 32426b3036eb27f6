"""The texts that a training image is paired with: its report, and what else is known of it."""

from __future__ import annotations

from mmedrag.types import Case

LONGEST = 400
"""Characters that are taken of a field."""


def wordings(case: Case) -> list[str]:
    """The case's text first; for a teaching file also plane, sequence, region, diagnosis, findings.

    A caption rarely says all that its image shows. The others say it in words that captions use.
    """
    fields = {name: _field(case, name) for name in _FIELDS}
    seen = ", ".join(
        words
        for words in (f"{fields['plane']} {fields['modality_text']}".strip(), *case.labels[1:2])
        if words
    )
    others: list[str] = []
    if fields["modality_text"]:
        others += [f"{seen}. {case.text}", f"{seen}. {fields['case_diagnosis']}"]
        others += [fields["findings"], f"{fields['case_title']}. {fields['topic_title']}"]
    return [case.text, *(text[:LONGEST] for text in others if text.strip(" ."))]


_FIELDS = ("plane", "modality_text", "case_diagnosis", "findings", "case_title", "topic_title")


def _field(case: Case, name: str) -> str:
    return " ".join(str(case.meta.get(name) or "").split())
