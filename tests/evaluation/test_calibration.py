"""The agreement of similar cases: fitted on some patients, counted on others."""

from __future__ import annotations

import numpy as np

from mmedrag.answers.agreement import IMAGE, NORMALITY, PRESENCE
from mmedrag.evaluation.agreement_section import section_of
from mmedrag.evaluation.calibration import FITTED, PATIENTS, SETS, Lead, Trial, fit
from mmedrag.types import Reply


def trials(number: int, noise: float, split: str, seed: int = 0) -> list[Trial]:
    """Half of the images have what is asked for, and their similar cases mostly say so."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(number):
        affirmed = bool(i % 2)
        share = float(np.clip(affirmed + rng.normal(0.0, noise), 0.0, 1.0))
        support = dict.fromkeys({*PRESENCE, *NORMALITY}, 0.0)
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
    assert sum(b.of for b in fitted.presence.odds) == len(apart)


def test_leads_are_right_as_often_as_they_were():
    leads = [Lead(IMAGE, share / 10, share > 5) for share in range(10) for _ in range(5)]
    fitted = fit([], leads)
    assert fitted.lead_rate(0.9, IMAGE) > 0.8 > fitted.lead_rate(0.1, IMAGE)
    assert fitted.reply(trials(2, 0.0, SETS)[1].support)[0] is Reply.UNKNOWN


def test_the_section_tells_of_every_split():
    tried = [*trials(60, 0.2, FITTED), *trials(60, 0.2, PATIENTS, 1), *trials(60, 0.2, SETS, 2)]
    section = section_of(fit(tried, []), tried, [])
    assert [row[1] for row in section.tables[0].rows] == [FITTED, PATIENTS, SETS] * 2
    assert section.data["trials"] == {FITTED: 60, PATIENTS: 60, SETS: 60}
