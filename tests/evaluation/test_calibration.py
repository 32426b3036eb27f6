"""The agreement of similar cases: fitted on some patients, counted on others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmedrag.answers.agreement import IMAGE, NORMALITY, PRESENCE, TELLING, Absence
from mmedrag.evaluation.agreement_section import section_of
from mmedrag.evaluation.calibration import (
    FITTED,
    PATIENTS,
    SETS,
    STRANGERS,
    SURE,
    Lead,
    Trial,
    fit,
    right_noes,
)
from mmedrag.types import Reply

NAMES = {*PRESENCE, *NORMALITY, "expected", "nearest"}


def trials(number: int, noise: float, split: str, seed: int = 0) -> list[Trial]:
    """Half of the images have what is asked for, and their similar cases mostly say so."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(number):
        affirmed = bool(i % 2)
        share = float(np.clip(affirmed + rng.normal(0.0, noise), 0.0, 1.0))
        support = dict.fromkeys(NAMES, 0.0)
        support |= {"affirm": share, "rule out": 1.0 - share}
        made.append(Trial("presence", split, support, affirmed))
    return made


def test_replies_are_given_where_they_are_right():
    fitted = fit([*trials(300, 0.2, FITTED), *trials(300, 0.2, PATIENTS, 1)], [])
    assert fitted.presence.yes <= 1.0
    assert fitted.presence.right_yes > 0.9
    support = trials(2, 0.0, SETS)
    assert fitted.reply(support[1].support)[0] is Reply.YES
    assert fitted.reply(support[0].support)[0] is Reply.NO


def test_no_reply_is_given_where_similar_cases_say_nothing():
    fitted = fit([*trials(300, 50.0, FITTED), *trials(300, 50.0, PATIENTS, 1)], [])
    replies = {fitted.reply(t.support)[0] for t in trials(200, 50.0, SETS, 2)}
    assert replies <= {Reply.UNKNOWN, Reply.MIXED}


def test_the_odds_are_counted_on_patients_that_nothing_was_fitted_on():
    apart = trials(200, 0.3, PATIENTS, 1)
    fitted = fit([*trials(200, 0.3, FITTED), *apart], [])
    telling = [t for t in apart if t.support["affirm"] >= TELLING]
    assert sum(b.of for b in fitted.presence.odds) == len(telling) < len(apart)


def test_leads_are_right_as_often_as_they_were():
    def support(share: float) -> dict[str, float]:
        return {"weight": share, "margin": share, "share": share, "nearest": 0.5}

    leads = [
        Lead(IMAGE, split, support(share / 10), share > 5)
        for split in (FITTED, PATIENTS)
        for share in range(10)
        for _ in range(10)
    ]
    fitted = fit([], leads)
    assert fitted.lead(support(0.9), IMAGE)[0] is Reply.YES
    assert fitted.lead(support(0.1), IMAGE)[0] is Reply.MIXED
    wrong = [replace(x, right=not x.right) if x.split == PATIENTS else x for x in leads]
    assert fit([], wrong).lead(support(0.9), IMAGE)[0] is Reply.MIXED
    assert fitted.reply(trials(2, 0.0, SETS)[1].support)[0] is Reply.UNKNOWN


def test_the_section_tells_of_every_split():
    tried = [*trials(60, 0.2, FITTED), *trials(60, 0.2, PATIENTS, 1), *trials(60, 0.2, SETS, 2)]
    section = section_of(fit(tried, []), tried, [])
    splits = [FITTED, PATIENTS, SETS, *STRANGERS.values()]
    assert [row[1] for row in section.tables[0].rows] == splits * 2
    assert section.data["trials"] == {FITTED: 60, PATIENTS: 60, SETS: 60}


def test_no_feature_counts_against_its_meaning():
    def support(affirm: float, denied: float, rate: float) -> dict[str, float]:
        silent = {"affirm": affirm, "rule out": denied, "base rate": rate}
        return dict.fromkeys(NAMES, 0.0) | silent

    # rare findings are asked about where they are there, and reports deny what was looked for
    made = [
        Trial("presence", split, support(0.7 * yes + 0.1 * (i % 3), 0.3 * yes, -4.0 * yes), yes)
        for split in (FITTED, PATIENTS)
        for i in range(60)
        for yes in (True, False)
    ]
    judge = fit(made, []).presence
    weights = dict(zip(judge.features, judge.weights[1:], strict=True))
    assert weights["affirm"] > 0.0
    assert weights["rule out"] == weights["base rate"] == 0.0


def test_a_higher_probability_was_never_right_less_often():
    fitted = fit([*trials(300, 0.6, FITTED), *trials(300, 0.6, PATIENTS, 1)], [])
    rates = [b.right / b.of for b in fitted.presence.odds]
    assert rates == sorted(rates)


def silent(split: str, wrong: int, of: str = "", kind: str = "presence") -> list[Trial]:
    """No similar case affirms it; where few records of their sources do, images have it as often.

    ``wrong`` of the 60 whose sources often affirm it have it. All are as near.
    """

    def trial(affirm: float, expected: float, affirmed: bool) -> Trial:
        support = dict.fromkeys(NAMES, 0.0) | {"affirm": affirm, "expected": expected}
        return Trial(kind, split, support | {"nearest": 0.7}, affirmed, of)

    seldom = [trial(0.0, 0.02, bool(i % 2)) for i in range(80)]
    often = [trial(0.0, 0.31, i < wrong) for i in range(60)]
    return [*seldom, *often, *(trial(0.6, 0.3, True) for _ in range(20 - wrong))]


def test_silence_says_no_where_the_sources_often_affirm_it():
    fitted = fit([*silent(FITTED, 0), *silent(PATIENTS, 0)], [])
    assert 0.02 < fitted.absence.expected <= 0.31
    assert fitted.absence.right > 0.95
    support = silent(SETS, 0)[80].support
    reply, reason = fitted.reply(support)
    assert (reply, reason[:3]) == (Reply.NO, "31%")
    assert fitted.reply(support | {"affirm": 0.1})[0] is Reply.UNKNOWN
    assert fitted.reply(support | {"expected": 0.02})[0] is Reply.UNKNOWN
    assert fitted.reply(support, normality=True)[0] is Reply.UNKNOWN
    assert fitted.reply(support | {"nearest": 0.5})[0] is Reply.UNKNOWN


def test_silence_says_no_of_normal_studies_in_the_same_way():
    tried = [t for split in (FITTED, PATIENTS) for t in silent(split, 0, kind="normality")]
    fitted = fit(tried, [])
    support = tried[80].support
    assert fitted.reply(support, normality=True)[0] is Reply.NO
    assert fitted.reply(support)[0] is Reply.UNKNOWN


def test_yes_is_said_of_no_image_as_far_as_strangers_to_whom_it_would_be_wrong():
    def near(made: list[Trial], nearest: float, affirmed: bool | None = None) -> list[Trial]:
        return [
            replace(
                t,
                support=t.support | {"nearest": nearest},
                affirmed=t.affirmed if affirmed is None else affirmed,
            )
            for t in made
        ]

    known = [*trials(300, 0.2, FITTED), *trials(300, 0.2, PATIENTS, 1)]
    tried = near(known, 0.7) + near(trials(100, 0.2, STRANGERS[FITTED], 2), 0.5, affirmed=False)
    fitted = fit(tried, [])
    support = trials(2, 0.0, SETS)[1].support
    assert fitted.reply(support | {"nearest": 0.7})[0] is Reply.YES
    assert fitted.reply(support | {"nearest": 0.5})[0] is not Reply.YES
    assert fit(near(known, 0.7), []).presence.nearest == 0.0


def test_silence_must_be_right_where_the_source_is_not_searched():
    tried = [*silent(FITTED, 0), *silent(PATIENTS, 0)]
    strange = silent(STRANGERS[FITTED], 20)
    assert fit([*tried, *strange], []).absence.expected > 1


def test_silence_must_be_right_in_both_halves_of_the_sets():
    tried = [t for of in "acegkm" for t in silent(FITTED, 0, of)]
    apart = silent(PATIENTS, 0)
    assert fit([*tried, *apart], []).absence.expected <= 1
    tried += silent(FITTED, 9, "b")
    assert right_noes(Absence(0.3, 0.5), tried) > SURE["absence"]
    assert fit([*tried, *apart], []).absence.expected > 1


def test_silence_says_nothing_where_it_was_wrong_for_patients_held_out():
    assert fit([*silent(FITTED, 0), *silent(PATIENTS, 15)], []).absence.expected > 1
    assert fit([*silent(FITTED, 15), *silent(PATIENTS, 0)], []).absence.expected > 1
