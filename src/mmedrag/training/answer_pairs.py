"""Pairs of answers for tuning a generator (RAG-PT, section 7): a file of JSON Lines.

A line has what a chat model is sent (``prompt``), the answer to be preferred and the one to be
rejected, why, the evidence, and whose records these are. ``trl`` and other trainers read
``prompt``, ``chosen`` and ``rejected`` as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from mmedrag.answers.grounding import Grounding, Judge
from mmedrag.datasets.records import write_rows
from mmedrag.errors import CorpusError, LeakError
from mmedrag.types import (
    Brief,
    Case,
    Definition,
    Evidence,
    Query,
    Question,
    QuestionKind,
    Reply,
    Routing,
)

_NO_VECTOR = np.zeros(0, np.float32)
_SHOWN = 5


class Subset(StrEnum):
    """What a pair is for: to learn from or to measure on."""

    TRAIN = "train"
    HELD_OUT = "held-out"


class Origin(StrEnum):
    """Where the rejected answer comes from.

    A falsified template; the right answer to evidence that was then changed; what a model wrote;
    what a reader of the page judged.
    """

    TEMPLATE = "template"
    EVIDENCE = "changed evidence"
    SAMPLED = "sampled"
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """Two answers to one prompt.

    ``prompt`` are chat messages. ``fault`` is that of the rejected answer
    (:class:`~mmedrag.answers.grounding.Fault`). ``patients`` are those whose records the question
    and the evidence are of. ``declined`` is what is to be said where the question is not to be
    answered.
    """

    prompt: tuple[Mapping[str, str], ...]
    chosen: str
    rejected: str
    fault: str
    origin: Origin
    subset: Subset
    patients: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    declined: str = ""

    @property
    def prompt_key(self) -> str:
        """Equal for equal prompts."""
        return json.dumps([dict(message) for message in self.prompt])

    def row(self) -> dict[str, Any]:
        """For JSON; the answers are messages, as trainers want them."""
        return {
            "prompt": [dict(message) for message in self.prompt],
            "chosen": [{"role": "assistant", "content": self.chosen}],
            "rejected": [{"role": "assistant", "content": self.rejected}],
            "kind": self.fault,
            "origin": str(self.origin),
            "part": str(self.subset),
            "patients": list(self.patients),
            "declined": self.declined,
            "evidence": [_evidence_row(e) for e in self.evidence],
        }

    def judged(self, text: str, judge: Judge) -> Grounding:
        """The verdict on another answer to the same prompt."""
        kind = QuestionKind.OUT_OF_SCOPE if self.declined else QuestionKind.SEARCH
        brief = Brief(kind, Reply.UNKNOWN, declined=self.declined)
        question = Question(Query(), Routing({}, None), _NO_VECTOR, brief=brief)
        return judge.of(text, question, self.evidence)


def write_pairs(path: Path, pairs: Iterable[AnswerPair]) -> None:
    """Write pairs as JSON Lines.

    Raises:
        CorpusError: the file cannot be written.
    """
    write_rows((pair.row() for pair in pairs), path)


def read_pairs(path: Path) -> list[AnswerPair]:
    """The pairs of a file, without a leak between its parts.

    Raises:
        CorpusError: it cannot be read, a line is no pair, or a part is empty.
        LeakError: a patient is in both parts.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CorpusError(
            f"{path} cannot be read ({error})", "Make one: mmedrag train pairs."
        ) from None
    pairs = [_parsed(line, f"{path}:{n}") for n, line in enumerate(lines, 1) if line.strip()]
    for subset in Subset:
        if not any(pair.subset is subset for pair in pairs):
            raise CorpusError(
                f"{path} has no pairs whose part is {subset}",
                "Make it anew of a casebase with more patients: mmedrag train pairs.",
            )
    require_apart(pairs)
    return pairs


def require_apart(pairs: Iterable[AnswerPair]) -> None:
    """Check that no patient is both learned from and measured on.

    Raises:
        LeakError: it names the first ones.
    """
    patients: dict[Subset, set[str]] = {subset: set() for subset in Subset}
    for pair in pairs:
        patients[pair.subset].update(pair.patients)
    if shared := sorted(patients[Subset.TRAIN] & patients[Subset.HELD_OUT]):
        raise LeakError(
            f"{len(shared)} patients are in pairs to learn from and in held-out ones: "
            f"{', '.join(shared[:_SHOWN])}",
            "Make the pairs by 'mmedrag train pairs', or take one side of them out.",
        )


def by_prompt(pairs: Sequence[AnswerPair]) -> list[AnswerPair]:
    """The first pair of each prompt, in order."""
    first: dict[str, AnswerPair] = {}
    for pair in pairs:
        first.setdefault(pair.prompt_key, pair)
    return list(first.values())


def _parsed(line: str, where: str) -> AnswerPair:
    try:
        row = json.loads(line)
        pair = AnswerPair(
            prompt=tuple({"role": str(m["role"]), "content": str(m["content"])}
                         for m in row["prompt"]),
            chosen=str(row["chosen"][-1]["content"]),
            rejected=str(row["rejected"][-1]["content"]),
            fault=str(row["kind"]),
            origin=Origin(row["origin"]),
            subset=Subset(row["part"]),
            patients=tuple(map(str, row["patients"])),
            evidence=tuple(_evidence(e) for e in row["evidence"]),
            declined=str(row["declined"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise CorpusError(
            f"{where} is no pair of answers ({type(error).__name__}: {error})",
            "Make the file by 'mmedrag train pairs'.",
        ) from None
    if not pair.prompt or not pair.chosen.strip() or pair.chosen == pair.rejected:
        raise CorpusError(
            f"{where} has no prompt, no chosen answer, or two equal ones", "Take the line out."
        )
    return pair


def _evidence_row(evidence: Evidence) -> dict[str, Any]:
    item = evidence.item
    if isinstance(item, Definition):
        return {
            "key": evidence.key, "concept": item.concept, "term": item.term, "text": item.text
        }  # fmt: skip
    return {
        "key": evidence.key,
        "text": item.text,
        "diagnosis": item.diagnosis,
        "labels": list(item.labels),
    }


def _evidence(row: Mapping[str, Any]) -> Evidence:
    text = str(row["text"])
    item = (
        Definition(str(row["concept"]), str(row["term"]), text, source="")
        if "term" in row
        else Case(
            id=str(row["key"]),
            text=text,
            diagnosis=str(row["diagnosis"]),
            labels=tuple(map(str, row["labels"])),
        )
    )
    return Evidence(str(row["key"]), item, _NO_VECTOR, 0.0, 0.0)


def counted(pairs: Sequence[AnswerPair]) -> Iterator[tuple[str, str, int, int]]:
    """Origin, fault, and how many pairs there are to learn from and to measure on."""
    kinds = dict.fromkeys(sorted((str(p.origin), p.fault) for p in pairs))
    for origin, fault in kinds:
        of_kind = [p for p in pairs if (str(p.origin), p.fault) == (origin, fault)]
        train = sum(p.subset is Subset.TRAIN for p in of_kind)
        yield origin, fault, train, len(of_kind) - train
