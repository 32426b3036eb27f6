"""How ``models/questions`` is made: ``python recipes/question_kinds.py INTO``, some four minutes.

Forms of questions of our own, and our own questions of the sets up to :data:`LAST`; the later sets
are kept apart. Where ``INTO`` is there already, only the figures are printed: set by set how many
questions the rules alone and the model read right.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmedrag import definitions
from mmedrag.answers.passages import clean
from mmedrag.answers.question_model import KIND, QuestionModel, masked
from mmedrag.answers.questions import RuleReader, last_request
from mmedrag.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from mmedrag.definitions.tables import read_glossary
from mmedrag.presets import offline_texts
from mmedrag.training.question_forms import questions
from mmedrag.training.question_kinds import Example, train_question_kinds
from mmedrag.types import Query, Question, QuestionKind, Routing

EACH, LAST, WEIGHT = 16, 16, 5.0
QUESTIONS = Path(__file__).parents[1] / "tests" / "answers" / "questions.jsonl"


def labelled() -> Iterator[tuple[str, str, float]]:
    """Questions, their labels and weights."""
    terms = read_glossary(Path(definitions.__file__).with_name("glossary.jsonl"))
    names = [t.term for t in terms if str(t.kind) in ("finding", "disease")]
    yield from ((text, form.label, 1.0) for form, text in questions(EACH, names))
    for line in QUESTIONS.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["set"] <= LAST:
            label = row.get("reason") or row.get("detail") or row["kind"]
            yield row["text"], label if isinstance(label, str) else label[0], WEIGHT


def fitted() -> Checkpoint:
    """The model of all questions that may be learned from."""
    dictionary = definitions.glossary()
    rows = [(last_request(clean(text)), label, weight) for text, label, weight in labelled()]
    mentions = dictionary.recognise([request for request, _, _ in rows])
    examples = [
        Example(request, masked(request, named), label, weight)
        for (request, label, weight), named in zip(rows, mentions, strict=True)
    ]
    texts = offline_texts()
    return train_question_kinds(
        examples, texts.encode, texts.fingerprint, ["question forms", "own questions"]
    )


def right(reader: RuleReader, rows: Sequence[dict[str, Any]]) -> str:
    """What was declined and should be, what was and should not, and whose kind is right."""
    declined = wrongly = kinds = outside = 0
    dictionary = definitions.glossary()
    for row in rows:
        mentions = dictionary.recognise([row["text"]])[0]
        query = Query(row["text"], b"image" if row.get("image") else None)
        question = Question(query, Routing({}, None), np.zeros(2, np.float32), mentions)
        kind = reader.read(question).kind
        if row["kind"] == QuestionKind.OUT_OF_SCOPE:
            outside += 1
            declined += kind is QuestionKind.OUT_OF_SCOPE
        else:
            wrongly += kind is QuestionKind.OUT_OF_SCOPE
            kinds += kind in (row["kind"] if isinstance(row["kind"], list) else [row["kind"]])
    inside = len(rows) - outside
    return f"{declined} of {outside} declined, {wrongly} of {inside} wrongly, {kinds} kinds right"


def figures(made: Checkpoint) -> None:
    """Print how each set is read by the rules alone and by the model."""
    domains = definitions.glossary().concepts.domains
    readers = {
        "rules": RuleReader(domains),
        "model": RuleReader(domains, QuestionModel.of(made, offline_texts().encode)),
    }
    rows = [json.loads(line) for line in QUESTIONS.read_text("utf-8").splitlines()]
    for number in sorted({row["set"] for row in rows}):
        seen = "learned from" if number <= LAST else "kept apart"
        for name, reader in readers.items():
            result = right(reader, [r for r in rows if r["set"] == number])
            sys.stdout.write(f"set {number} ({seen}), {name}: {result}\n")


def main() -> None:
    """Fit and store the model, unless it is there; print what it reads right."""
    into = Path(sys.argv[1])
    if not into.exists():
        write_checkpoint(into, fitted())
    figures(read_checkpoint(into, KIND))


if __name__ == "__main__":
    main()
