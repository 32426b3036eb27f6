"""What a filter keeps of what is served."""

from __future__ import annotations

import math

import pytest

from mmedrag.assembly import dictionary
from mmedrag.datasets.annotations import findings_of
from mmedrag.datasets.corpus import patient_of
from mmedrag.paper.reward_effect import Served, effect, serve
from mmedrag.reward.scorers import KeepAll, SimilarityThreshold
from mmedrag.training.candidates import embed_candidates
from mmedrag.training.contexts import OFF_TOPIC, Miner
from mmedrag.types import Case
from training.fake_stages import fake_stages


def test_served_contexts_hold_nothing_that_gives_the_question_away(phantoms):
    stages, definitions = fake_stages(), dictionary()
    pool = embed_candidates(phantoms[:50], stages.embedder, definitions)
    examples = Miner(pool, stages.embedder, stages.classifier, definitions, seed=0).mine(12)
    served = serve(pool, examples, stages, definitions, most=30)
    numbered = {example.number: example for example in examples}
    assert len(served) == min(30, len(numbered))
    for one, example in zip(served, numbered.values(), strict=False):
        cases = [e for e in one.evidence if isinstance(e.item, Case)]
        assert 0 < len(cases) <= 10
        assert example.anchor.id not in {e.item.id for e in cases}
        for evidence in cases:
            same = patient_of(evidence.item) == patient_of(example.anchor)
            shared = findings_of(evidence.item) & findings_of(example.anchor)
            expected = one.form != OFF_TOPIC and (same or bool(shared))
            assert (evidence.key in one.right) == expected


def test_effect_by_hand(phantoms):
    stages, definitions = fake_stages(), dictionary()
    pool = embed_candidates(phantoms[:30], stages.embedder, definitions)
    examples = Miner(pool, stages.embedder, stages.classifier, definitions, seed=0).mine(4)
    one = serve(pool, examples, stages, definitions, most=1)[0]
    cases = [e for e in one.evidence if isinstance(e.item, Case)]
    right = frozenset(e.key for e in cases[:2])
    told = Served(one.question, one.evidence, right, "text")
    everything = effect(KeepAll(), [told, told])
    assert everything.questions == 2
    assert everything.kept == len(cases)
    assert everything.precision == pytest.approx(2 / len(cases))
    assert everything.recall == 1.0
    assert everything.nothing == 0.0
    nothing = effect(SimilarityThreshold(1.0), [told])
    assert nothing.kept == nothing.recall == 0.0
    assert nothing.nothing == 1.0
    assert math.isnan(nothing.precision)
