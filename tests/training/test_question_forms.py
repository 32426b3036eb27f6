"""Forms of questions: every one can be written out, nothing of its notation is left."""

from __future__ import annotations

import random

from mmedrag.answers.question_model import LABELS
from mmedrag.training.question_forms import Form, expanded, questions, read_forms


def test_every_form_is_written_out_and_has_a_label():
    forms, fillings = read_forms()
    assert {form.label for form in forms} == set(LABELS)
    assert len(forms) == len(set(forms)) > 1000
    rng = random.Random(0)
    for form in forms:
        text = expanded(form, fillings, rng)
        assert text
        assert not set(text) & set("(|){}") - set("()"), (form, text)


def test_choices_may_stand_within_choices_and_gaps_are_filled():
    form = Form("presence", "is (a|the (big|small)) {what} there(|?)")
    rng = random.Random(1)
    written = {expanded(form, {"what": ["mass"]}, rng) for _ in range(60)}
    assert "is the big mass there?" in written
    assert "is a mass there" in written


def test_the_same_seed_writes_the_same_questions():
    forms = read_forms()[0][:5]
    first, second = (list(questions(3, ["effusion"], 7, forms)) for _ in range(2))
    assert first == second
    assert {form for form, _ in first} == set(forms)
