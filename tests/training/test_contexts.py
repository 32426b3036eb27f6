"""Contexts of every kind are what their kind says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mmedrag.assembly import dictionary
from mmedrag.datasets.annotations import findings_of
from mmedrag.datasets.corpus import patient_of, study_of, text_key
from mmedrag.text.laterality import mirrored
from mmedrag.training.contexts import (
    CHOSEN,
    COMPARABLE,
    DENIED,
    MIRRORED,
    NEAREST,
    NEGATED,
    NORMAL,
    NORMALITY_QUESTION,
    OFF_TOPIC,
    OTHER,
    OTHER_DEFINITION,
    OTHER_DOMAIN,
    OTHER_ORGAN,
    OTHER_SIDE,
    REJECTED,
    SAME_FINDINGS,
    SAME_NEAREST,
    SAME_STUDY,
    STATED,
    Miner,
)
from mmedrag.training.statements import Statements, on_other_side
from mmedrag.types import Assertion, Case, Definition


def test_every_kind_is_mined_for_every_form(examples):
    kinds = Counter(example.kind for example in examples)
    assert {*CHOSEN, *REJECTED} - set(kinds) <= {OTHER_SIDE}  # few phantoms name a side
    assert {example.form for example in examples} == {"text", "image", "both"}


def test_contexts_are_what_their_kind_says(examples):
    for example in examples:
        item, asked = example.evidence.item, example.anchor
        if example.kind == SAME_STUDY:
            assert study_of(item) == study_of(asked)
            assert text_key(item.text) != text_key(example.question.query.text)
        elif example.kind in (SAME_FINDINGS, SAME_NEAREST):
            assert patient_of(item) != patient_of(asked)
            assert findings_of(item) == findings_of(asked)
        elif example.kind in (OTHER, NEAREST, OTHER_DOMAIN):
            assert patient_of(item) != patient_of(asked)
            assert (item.domain == asked.domain) == (example.kind != OTHER_DOMAIN)
            if example.kind != OTHER_DOMAIN:
                assert findings_of(item).isdisjoint(findings_of(asked))
        elif example.kind == OTHER_DEFINITION:
            assert item.concept not in {m.concept for m in example.question.mentions}


def said(mentions, text=""):
    return Statements.of(text, mentions, dictionary().concepts)


def test_what_is_asked_is_stated_or_contradicted(examples):
    for example in examples:
        asked = said(example.question.mentions, example.question.query.text)
        shown = said(example.evidence.mentions, example.evidence.text)
        if example.kind == STATED:
            assert asked.findings <= shown.wide
            assert asked.questioned <= shown.wide | shown.negated
            assert not asked.negated & shown.wide
        elif example.kind == DENIED:
            assert asked.findings & shown.negated
        elif example.kind == NORMAL:
            assert asked.findings
            assert shown.is_normal
        elif example.kind == OTHER_SIDE:
            assert on_other_side(asked, shown)


def test_whether_an_image_is_normal_is_asked_beside_others_of_its_sort(examples):
    asked = [e for e in examples if e.words == NORMALITY_QUESTION]
    assert {e.kind for e in asked} >= {COMPARABLE, OTHER_DOMAIN}
    for example in asked:
        item, anchor = example.evidence.item, example.anchor
        if example.kind == COMPARABLE:
            assert (item.domain, item.modality) == (anchor.domain, anchor.modality)
            assert patient_of(item) != patient_of(anchor)


def test_other_parts_of_the_body_share_no_region(examples):
    for example in examples:
        if example.kind == OTHER_ORGAN:
            shown = said(example.evidence.mentions)
            (mentions,) = dictionary().recognise([example.anchor.text])
            assert shown.regions
            assert shown.regions.isdisjoint(said(mentions).regions)


def test_an_image_never_asks_for_itself(examples):
    for example in examples:
        item, image = example.evidence.item, example.question.query.image
        if image is not None and isinstance(item, Case) and example.kind in CHOSEN:
            assert item.image != image


def test_the_nearest_is_nearer_than_others(examples):
    nearest = [e.evidence.similarity for e in examples if e.kind == NEAREST]
    other = [e.evidence.similarity for e in examples if e.kind == OTHER]
    assert np.mean(nearest) > np.mean(other)


def test_flipped_contexts_contradict_a_right_one(examples):
    for example in examples:
        right = [
            e.evidence.text for e in examples if e.number == example.number and e.kind in CHOSEN
        ]
        if example.kind == MIRRORED:
            assert mirrored(example.evidence.text) in right
        if example.kind in (NEGATED, MIRRORED):
            assert example.question.query.text
            assert example.evidence.text not in right


def test_negated_contexts_conflict_with_the_question(examples):
    """Most of what the flip says is read so by the recogniser that serves."""
    flipped = [e for e in examples if e.kind == NEGATED]
    conflicts = [
        {m.concept for m in e.question.mentions if m.assertion is Assertion.AFFIRMED}
        & {m.concept for m in e.evidence.mentions if m.assertion is Assertion.NEGATED}
        for e in flipped
    ]
    assert np.mean([bool(c) for c in conflicts]) > 0.6


def test_definitions_are_embedded_as_the_pipeline_does(examples, stages):
    defined = [e for e in examples if isinstance(e.evidence.item, Definition)]
    for example in defined[:5]:
        vector = stages.embedder.embed([example.evidence.item])[0]
        assert example.evidence.vector.tolist() == vector.tolist()
        expected = float(vector @ example.question.vector)
        assert example.evidence.similarity == pytest.approx(expected, abs=1e-6)


def test_mining_gives_the_same_again(pool, stages):
    def told(seed):
        miner = Miner(pool, stages.embedder, stages.classifier, dictionary(), seed=seed)
        return [(e.kind, e.question.query.text, e.evidence.text) for e in miner.mine(10)]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_held_out_off_topic_questions_are_others(pool, stages):
    def asked(held_out):
        miner = Miner(
            pool, stages.embedder, stages.classifier, dictionary(), held_out=held_out, seed=0
        )
        found = miner.mine(60)
        return {e.question.query.text.split()[-1] for e in found if e.kind == OFF_TOPIC}

    assert asked(held_out=True).isdisjoint(asked(held_out=False))
