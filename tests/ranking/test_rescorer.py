"""Cases in an order of learned weights: what they are computed of, and how they are read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmedrag.checkpoint import Checkpoint, write_checkpoint
from mmedrag.choices import reranker
from mmedrag.errors import CheckpointError, UntrainedError
from mmedrag.ranking.rescorer import (
    FORMS,
    KIND,
    LIST_FEATURES,
    LearnedOrder,
    form_of,
    list_features,
    load_rescorer,
)
from mmedrag.testing.questions import QUESTION
from mmedrag.testing.reranker import RerankerContract, evidence_list
from mmedrag.types import Assertion, Case, Evidence, Kind, Mention, Query

IMAGE = replace(QUESTION, query=Query(image="x.png"))
BOTH = replace(QUESTION, query=Query("effusion?", "x.png"))
SIZE = len(LIST_FEATURES) + 1


def lengths(question, evidence):
    """One pair feature: how long a report is."""
    return np.array([[len(e.text)] for e in evidence], np.float32).reshape(len(evidence), 1)


def weighing(column, form="text"):
    weights = {name: np.zeros(SIZE, np.float32) for name in FORMS}
    weights[form][column] = 1.0
    return LearnedOrder(weights, lengths)


def case(key, relevance, shown, vector=(1.0, 0.0), **fields):
    mention = Mention(shown, 0, len(shown), shown, shown, Assertion.AFFIRMED, Kind.FINDING)
    item = Case(id=key, **fields)
    return Evidence(key, item, np.array(vector, np.float32), relevance, relevance, (mention,))


def keys(evidence):
    return [e.key for e in evidence]


def test_list_features_by_hand():
    cases = [
        case("C1", 0.9, "mass", modality="CT"),
        case("C2", 0.8, "effusion", (0.0, 1.0), modality="CT"),
        case("C3", 0.7, "effusion", (0.0, 1.0), modality="MR"),
    ]
    found = dict(zip(LIST_FEATURES, list_features(cases).T, strict=True))
    spread = np.std([0.9, 0.8, 0.7])
    assert found["nearness"] == pytest.approx([0, -0.1 / spread, -0.2 / spread], abs=1e-5)
    assert found["modality_share"] == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert found["narrow_votes"].argmax() == 2  # C2 votes for it, and nearer than C3 for C2
    assert found["centre"].argmax() == 2
    assert found["centre"].sum() == pytest.approx(0, abs=1e-5)


def test_the_other_images_of_a_patient_have_no_vote():
    alone = [case(f"C{i}", 0.7, "effusion", patient_id="P1") for i in range(3)]
    assert not list_features(alone)[:, 1:4].any()


@pytest.mark.parametrize(
    ("question", "form"), [(QUESTION, "text"), (IMAGE, "image"), (BOTH, "both")]
)
def test_each_form_has_weights_of_its_own(question, form):
    cases = [case("C1", 0.9, "mass", text="mass"), case("C2", 0.8, "mass", text="a large mass")]
    assert form_of(question) == form
    assert keys(weighing(-1, form).rerank(question, cases)) == ["C2", "C1"]
    other = next(name for name in FORMS if name != form)
    assert keys(weighing(-1, other).rerank(question, cases)) == ["C1", "C2"]


def test_the_scores_are_shares():
    ranked = weighing(0).rerank(QUESTION, evidence_list(3, 12))
    shares = [e.centrality for e in ranked if isinstance(e.item, Case)]
    assert sum(shares) == pytest.approx(1.0)
    assert shares == sorted(shares, reverse=True)


def test_a_checkpoint_is_read_for_the_features_it_was_fitted_to(tmp_path):
    weights = {form: np.arange(SIZE, dtype=np.float32) for form in FORMS}
    settings = {"features": [*LIST_FEATURES, "length"]}
    write_checkpoint(tmp_path / "a", Checkpoint(kind=KIND, tensors=weights, settings=settings))
    assert load_rescorer(tmp_path / "a", lengths, ["length"]).weights["both"][-1] == SIZE - 1
    with pytest.raises(CheckpointError, match="other features"):
        load_rescorer(tmp_path / "a", lengths, ["width"])
    with pytest.raises(UntrainedError):
        load_rescorer(tmp_path / "b", lengths, ["length"])


class TestLearnedOrder(RerankerContract):
    def make(self):
        return weighing(0)


class TestShippedOrder(RerankerContract):
    def make(self):
        return reranker("learned")
