"""Negation measured on sentences that others annotated, such as those published with NegEx.

Chapman, Bridewell, Hanbury, Cooper, Buchanan: A simple algorithm for identifying negated findings
and diseases in discharge summaries (J Biomed Inform 2001). Spans are given, so that nothing but the
rules of :mod:`mmedrag.text.assertions` is tried.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from mmedrag.errors import CorpusError
from mmedrag.evaluation.definitions import Score
from mmedrag.text.assertions import assertions
from mmedrag.types import Assertion
from mmedrag.views.section import Section, Table

HALVES = ("development", "test")
_LABELS = {"affirmed": False, "negated": True}
_SHOWN = 20
"""Errors that are listed."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One annotated concept: its sentence, whether the annotators and the rules negate it."""

    sentence: str
    concept: str
    half: str
    negated: bool
    verdict: Assertion

    @property
    def right(self) -> bool:
        """Whether the rules agree with the annotators."""
        return self.negated == (self.verdict is Assertion.NEGATED)


def evaluate_negation(path: Path) -> Section:
    """Measure the rules on a JSONL file with ``id``, ``sentence``, ``concept`` and ``label``.

    A hash of ``id`` divides the sentences into two halves: the rules were written on errors of the
    development half alone.

    Args:
        path: the file; labels are Affirmed or Negated.

    Raises:
        CorpusError: the file cannot be read, or has no such sentences.
    """
    rows, unlocated = _judged(path)
    if not rows:
        raise CorpusError(
            f"{path} has no annotated sentence",
            "Give a JSONL file with the fields id, sentence, concept and label.",
        )
    scores = {half: _score(row for row in rows if row.half == half) for half in HALVES}
    scores["both"] = _score(rows)
    return Section(
        name="negation",
        title="Negation on annotated sentences",
        paper="section 3.4, stage 2 (the paper gives no figure)",
        protocol=(
            f"{len(rows)} concepts of {path.name}, spans given; {unlocated} whose words are "
            "not in their sentence are left out. F1 of negated against all else; a doubt, a past "
            "event and another person count as not negated, as in NegEx's annotations."
        ),
        verdict=f"Negation F1 {scores['both'].f1:.3f}; on the half that no rule was written on "
        f"{scores['test'].f1:.3f}.",
        command="mmedrag eval definitions --negex FILE",
        tables=(_figures(scores, rows), _errors(rows)),
        notes=(),
        data={
            half: {"precision": s.precision, "recall": s.recall, "f1": s.f1, "gold": s.gold}
            for half, s in scores.items()
        },
    )


def _judged(path: Path) -> tuple[list[Judged], int]:
    """The concepts that can be placed in their sentences, and the number of the others."""
    try:
        lines = path.read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
        fields = [(r["id"], r["sentence"], r["concept"], _LABELS[r["label"].lower()]) for r in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorpusError(
            f"{path} cannot be read as annotated sentences ({error!r})",
            "Give a JSONL file with the fields id, sentence, concept and label "
            "(Affirmed or Negated).",
        ) from error
    judged = []
    for row_id, sentence, concept, negated in fields:
        if (span := _span_of(sentence, concept)) is not None:
            half = HALVES[sha256(str(row_id).encode()).digest()[0] % 2]
            (verdict,) = assertions(sentence, [span])
            judged.append(Judged(sentence, concept, half, negated, verdict))
    return judged, len(fields) - len(judged)


def _span_of(sentence: str, concept: str) -> tuple[int, int] | None:
    """Where the concept stands: where it is in capitals, as NegEx marks it, else first."""
    words = concept.strip().strip('"').split()
    if not words:
        return None
    matches = list(re.finditer(r"\s+".join(map(re.escape, words)), sentence, re.IGNORECASE))
    marked = [match for match in matches if match[0].isupper()]
    return next((match.span() for match in [*marked, *matches]), None)


def _score(rows: Iterable[Judged]) -> Score:
    rows = list(rows)
    both = sum(r.negated and r.right for r in rows)
    predicted = sum(r.verdict is Assertion.NEGATED for r in rows)
    return Score(predicted, sum(r.negated for r in rows), both)


def _figures(scores: dict[str, Score], rows: Sequence[Judged]) -> Table:
    counts = Counter(row.half for row in rows)
    counts["both"] = len(rows)
    return Table(
        "Negated against all else",
        ("half", "concepts", "negated", "precision", "recall", "F1"),
        tuple(
            (
                half,
                str(counts[half]),
                str(s.gold),
                *(f"{v:.3f}" for v in (s.precision, s.recall, s.f1)),
            )
            for half, s in scores.items()
        ),
    )


def _errors(rows: Sequence[Judged]) -> Table:
    """How errors divide in both halves, as what the rules say of how many concepts."""
    wrong = Counter(
        (row.half, "negated" if row.negated else "affirmed", str(row.verdict))
        for row in rows
        if not row.right
    )
    return Table(
        "Errors by what the annotators and the rules say",
        ("half", "annotators", "rules", "concepts"),
        tuple((*kind, str(n)) for kind, n in wrong.most_common(_SHOWN)),
    )
