"""Compared with before: which studies, what changed, and what cannot be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.answers.questions import RuleReader
from mmedrag.types import Case, Evidence, Query, Question, Reply, Routing, Trend

NOWHERE = np.zeros(2, np.float32)


def asked(terms, query: Query, cases: Sequence[Case]):
    """The brief and the text of an answer from cases."""
    question = Question(query, Routing({}, None), NOWHERE, terms.recognise([query.text])[0])
    question = replace(question, intent=RuleReader().read(question))
    mentions = terms.recognise([c.text for c in cases])
    evidence = [Evidence(f"C{i}", case, NOWHERE, 0.5, 0.5, said)
                for i, (case, said) in enumerate(zip(cases, mentions, strict=True), 1)]  # fmt: skip
    analyst = CaseAnalyst(terms, terms.concepts)
    brief = analyst.brief(question, evidence, None)
    text = "".join(ExtractiveGenerator(analyst).generate(replace(question, brief=brief), evidence))
    return brief, text


def study(day: float | None, text: str, modality: str = "xray", patient: str = "P") -> Case:
    return Case(id=f"{modality}{day}", text=text, modality=modality, patient_id=patient,
                meta={} if day is None else {"offset_days": day})  # fmt: skip


COMPARE = Query("What has changed since the last study?", patient_id="P")


def test_the_latest_study_is_held_against_those_before(terms):
    cases = [study(9, "No pneumothorax."), study(0, "Pneumothorax."), study(3, "Cardiomegaly.")]
    brief, text = asked(terms, COMPARE, cases)
    assert brief.compared == ("C2", "C3", "C1")
    assert [(c.trend, c.earlier, c.later) for c in brief.changes] == [(Trend.RESOLVED, "C2", "C1")]
    assert text.startswith("Compared: day 9, xray [C1], with day 0, xray [C2], day 3, xray [C3].")


def test_other_modalities_and_unknown_times_are_named_and_not_compared(terms):
    cases = [study(0, "Pneumothorax.", "ct"), study(None, "Pneumothorax."),
             study(5, "Pneumothorax."), study(9, "No pneumothorax.")]  # fmt: skip
    brief, text = asked(terms, COMPARE, cases)
    assert brief.compared == ("C3", "C4")
    assert "Not compared (another part of the body, modality, or unknown time)" in text


def test_contradictions_are_shown(terms):
    cases = [study(0, "No pneumothorax."), study(4, "The pneumothorax is unchanged.")]
    _, text = asked(terms, COMPARE, cases)
    assert "Contradiction on “Pneumothorax”" in text
    assert "earlier one rules it out [C1, C2]" in text


def test_nothing_before_and_several_patients_are_told(terms):
    brief, text = asked(terms, COMPARE, [study(0, "Pneumothorax.")])
    assert brief.reply is Reply.UNKNOWN
    assert "A change cannot be read" in text
    two = [study(0, "Pneumothorax."), study(5, "Clear.", patient="Q")]
    brief, text = asked(terms, COMPARE, two)
    assert brief.changes == ()
    assert text.startswith("No earlier study of this patient was named")


def test_all_unchanged_is_no(terms):
    cases = [study(0, "Pneumothorax."), study(5, "Stable pneumothorax.")]
    assert asked(terms, COMPARE, cases)[0].reply is Reply.NO


def test_what_is_asked_about_comes_alone(terms):
    cases = [study(0, "Pneumothorax. Consolidation."), study(5, "No pneumothorax. Consolidation.")]
    query = Query("Has the pneumothorax changed since the last study?", patient_id="P")
    brief, _ = asked(terms, query, cases)
    assert [c.term for c in brief.changes] == ["pneumothorax"]


def test_that_nothing_is_told_of_what_is_asked_about_is_said_first(terms):
    cases = [study(0, "Pneumothorax."), study(5, "Stable pneumothorax.")]
    query = Query("Has the effusion changed since the last study?", patient_id="P")
    brief, text = asked(terms, query, cases)
    assert brief.reply is Reply.UNKNOWN
    assert [c.term for c in brief.changes] == ["pneumothorax"]
    assert "No change is told of what is asked about, effusion [C1, C2]; of the rest:" in text
    query = Query("Has the left lung changed since the last study?", patient_id="P")
    assert asked(terms, query, cases)[0].reply is Reply.NO


def test_what_the_question_describes_is_the_later_side(terms):
    query = Query("Right pneumothorax. Compare with before.", patient_id="P", at="2020-01-09")
    cases = [Case(id="a", text="No pneumothorax.", patient_id="P", date="2020-01-02")]
    brief, text = asked(terms, query, cases)
    assert [(c.trend, c.earlier, c.later, c.days) for c in brief.changes] == [
        (Trend.NEW, "C1", "", 7.0)
    ]
    assert "New by your text: 2020-01-02 had no pneumothorax [C1]" in text


def test_a_change_of_the_whole_picture_is_an_answer(terms):
    cases = [study(0, "Consolidation."), study(5, "The current appearances are nearly normal and "
                                                  "better than before.")]  # fmt: skip
    brief, text = asked(terms, COMPARE, cases)
    assert brief.reply is Reply.YES
    assert "At day 5 since day 0 (5 days) the report says: “The current" in text


def test_the_latest_report_is_quoted_first(terms):
    cases = [study(day, f"Consolidation in zone {day}.") for day in range(6)]
    _, text = asked(terms, COMPARE, cases)
    quotes = text.split("Their reports:")[1]
    assert [zone for zone in range(6) if f"zone {zone}." in quotes] == [2, 3, 4, 5]
    assert quotes.index("zone 5.") < quotes.index("zone 4.")


def test_what_the_question_describes_is_held_against_the_same_side_and_measured(terms):
    cases = [study(0, "New left pneumothorax. No right pneumothorax. An 8 mm nodule.")]
    text = "No left pneumothorax. Right pneumothorax. A 12 mm nodule. What has changed?"
    _, answer = asked(terms, Query(text, patient_id="P"), cases)
    assert "Resolved by your text: day 0 had left pneumothorax [C1]" in answer
    assert "New by your text: day 0 had no right pneumothorax [C1]" in answer
    assert "Worse by your text: day 0 had nodule [C1]; measured 8 mm to 12 mm" in answer
