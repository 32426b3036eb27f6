"""What annotators say of a case, apart from its report: it says what is right in a measurement."""

from __future__ import annotations

import re

from mmedrag.text.labels import is_label, words_of
from mmedrag.types import Case

_STATED = ("case_diagnosis", "topic_title")
_PIECE = re.compile(r"[,;]|\.\s|\.$")


def findings_of(case: Case) -> frozenset[str]:
    """What annotators say the case shows: its diagnosis, a text that is only a label, or labels.

    No scorer sees it.
    """
    stated = [case.meta.get(key) for key in _STATED]
    named = [_plain(name) for name in stated if isinstance(name, str)]
    if not any(named):
        named = _pieces(case.text)
    if not any(named):
        named = [_plain(label) for label in case.labels]
    return frozenset(named) - {""}


def classes_of(case: Case) -> frozenset[str]:
    """The classes that the case was sorted into: its labels, or a text that is only a label.

    Codes such as "N" say nothing to anybody but their set; where all labels are such, the text
    stands for them.
    """
    named = [_plain(label) for label in case.labels if len(label) > 2]
    return frozenset(named or _pieces(case.text)) - {""}


def _pieces(text: str) -> list[str]:
    return [_plain(piece) for piece in _PIECE.split(text)] if is_label(text) else []


def _plain(text: str) -> str:
    return " ".join(words_of(text))
