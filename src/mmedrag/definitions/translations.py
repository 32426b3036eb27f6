"""Spanish and Portuguese names of the commonest findings of the glossary, in our own wording."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from mmedrag.definitions.terms import Term

_AO = re.compile(r"ão\b")
_AL = re.compile(r"([ae])l\b")


@cache
def names() -> dict[str, tuple[str, ...]]:
    """Names in other languages by English term."""
    lines = Path(__file__).with_name("translations.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return {
        row["term"]: (
            *row["es"],
            *_plurals(row["es"], "les"),
            *row["pt"],
            *_plurals(row["pt"], "is"),
        )
        for row in rows
    }


def _plurals(singulars: Iterable[str], ending: str) -> Iterator[str]:
    """The plurals that matching does not know from English: "lesões focais", "pleurales"."""
    for name in singulars:
        plural = _AL.sub(rf"\1{ending}", _AO.sub("ões", name))
        if plural != name:
            yield plural


def translated(terms: Iterable[Term]) -> Iterator[Term]:
    """The same terms, with the names of :func:`names` among their synonyms."""
    by_name = names()
    for term in terms:
        added = [n for name in (term.term, *term.synonyms) for n in by_name.get(name, ())]
        yield replace(term, synonyms=(*term.synonyms, *added)) if added else term
