"""The model of questions learns what tells its labels apart, by words and by vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmedrag.answers.question_model import LABELS, QuestionModel
from mmedrag.training.question_kinds import Example, train_question_kinds
from mmedrag.types import Matrix


def encode(texts: Sequence[str]) -> Matrix:
    """Whether a text speaks of money, and a constant."""
    rows = np.array([[float("coin" in t), 1.0] for t in texts], np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_words_and_vectors_both_teach():
    wordings = {label: f"{label} {label[::-1]}" for label in LABELS}
    examples = [
        Example(text, text, label, weight)
        for label, text in wordings.items()
        for weight in (1.0, 2.0)
    ]
    examples += [Example(f"coin {n}", f"{n}", "nonmedical") for n in range(40)]
    made = train_question_kinds(examples, encode, "money", ["ours"])
    assert made.encoders == {"text": "money"}
    model = QuestionModel.of(made, encode)
    for label, text in wordings.items():
        scores = model(text, ())
        assert max(scores, key=scores.__getitem__) == label
        assert abs(sum(scores.values()) - 1) < 1e-6
    unseen = model("a coin unseen", ())
    assert max(unseen, key=unseen.__getitem__) == "nonmedical"
