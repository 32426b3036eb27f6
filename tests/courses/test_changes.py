"""What became of findings: by words, by assertions, and where the two differ."""

from __future__ import annotations

import pytest

from mmedrag.courses.changes import changes_of
from mmedrag.courses.course import course_of
from mmedrag.courses.studies import studies_of
from mmedrag.types import Trend

N, W, U, B, R = Trend.NEW, Trend.WORSE, Trend.UNCHANGED, Trend.BETTER, Trend.RESOLVED


@pytest.mark.parametrize(
    ("before", "after", "trend", "by_words"),
    [
        ("No pneumothorax.", "Right pneumothorax.", N, False),
        ("Right pneumothorax.", "No pneumothorax.", R, False),
        ("Right pneumothorax.", "Right apical pneumothorax.", U, False),
        ("Right pneumothorax.", "The pneumothorax has increased.", W, True),
        ("Right pneumothorax.", "Decreasing pneumothorax.", B, True),
        ("Right pneumothorax.", "The pneumothorax has resolved.", R, True),
        ("Clear lungs.", "New right pneumothorax.", N, True),
    ],
)
def test_trends(patient, terms, before, after, trend, by_words):
    studies = studies_of(patient((0, before), (5, after)), terms.concepts)
    (change,) = [c for c in changes_of(studies, terms.concepts) if c.term == "pneumothorax"]
    assert change.trend is trend
    assert bool(change.words) is by_words
    assert change.later == "C2"
    assert change.contradiction == ""


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("No pneumothorax.", "The pneumothorax is unchanged.", "earlier one rules it out"),
        ("Right pneumothorax.", "New pneumothorax.", "earlier one affirms it"),
        ("No pneumothorax.", "The pneumothorax has resolved.", "already rules it out"),
    ],
)
def test_words_that_the_earlier_report_contradicts_are_named(patient, terms, before, after, says):
    (change,) = course_of("P", patient((0, before), (5, after)), terms.concepts).changes
    assert says in change.contradiction
    assert (change.earlier, change.later, change.days) == ("C1", "C2", 5.0)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("Right pneumothorax. No left pneumothorax.",
         "New left pneumothorax. The right pneumothorax has resolved.",
         [("left pneumothorax", N), ("right pneumothorax", R)]),
        ("Bilateral pleural effusions.", "Right pleural effusion. No left pleural effusion.",
         [("left pleural effusion", R), ("right pleural effusion", U)]),
        ("Left consolidation. Right consolidation.",
         "The left consolidation is larger. The right consolidation has decreased.",
         [("left consolidation", W), ("right consolidation", B)]),
        ("Left consolidation.", "Right consolidation.", []),
        ("Consolidation.",
         "Resolution of consolidation on the left. Increased consolidation on the right.",
         [("consolidation", W)]),
        ("Left consolidation.", "The left consolidation is larger.", [("consolidation", W)]),
        ("Left consolidation.", "The consolidation is larger.", [("consolidation", W)]),
        ("Bilateral pleural effusions.", "No pleural effusion.", [("pleural effusion", R)]),
        ("Left effusion.", "Bilateral effusions, larger on the right.", [("effusion", W)]),
    ],
)  # fmt: skip
def test_what_became_of_the_left_and_of_the_right_is_told_apart(
    patient, terms, before, after, changes
):
    read = course_of("P", patient((0, before), (5, after)), terms.concepts).changes
    assert [(c.name, c.trend) for c in read] == changes
    assert not any(c.contradiction for c in read)


@pytest.mark.parametrize(
    ("before", "after", "trend", "measured"),
    [
        ("An 8 mm nodule.", "A 12 mm nodule.", W, "8 mm to 12 mm"),
        ("A 1.2 cm nodule.", "An 8 mm nodule.", B, "12 mm to 8 mm"),
        ("An 8 mm nodule.", "A 9 mm nodule.", U, "8 mm to 9 mm"),
        ("A nodule.", "A 12 mm nodule, previously 8 mm.", W, "8 mm to 12 mm"),
        ("An 8 mm nodule.", "The nodule is stable at 12 mm.", U, "8 mm to 12 mm"),
        ("Nodules of 4 mm and 7 mm.", "A 9 mm nodule.", U, ""),
        ("No nodule.", "A 12 mm nodule.", N, ""),
    ],
)
def test_sizes_tell_what_words_do_not(patient, terms, before, after, trend, measured):
    (change,) = course_of("P", patient((0, before), (90, after)), terms.concepts).changes
    assert (change.trend, change.measured) == (trend, measured)


def test_words_of_a_text_that_repeats_the_one_before_are_read_once(patient, terms):
    text = "Consolidation has increased."
    changes = course_of("P", patient((0, text), (5, text)), terms.concepts).changes
    assert [(c.trend, c.words) for c in changes] == [(W, "has increased"), (U, "")]


def test_a_long_sentence_that_was_copied_says_no_change(patient, terms):
    note = ("A smoker whose pneumothorax had worsened for days in spite of a drain was admitted "
            "to the ward in spring.")  # fmt: skip
    reports = ((0, note), (5, f"{note} The effusion is smaller."))
    changes = course_of("P", patient(*reports), terms.concepts).changes
    assert [(c.term, c.trend, bool(c.words)) for c in changes if c.later == "C2"] == [
        ("pneumothorax", U, False), ("effusion", B, True)
    ]  # fmt: skip


def test_a_short_sentence_may_be_true_twice(patient, terms):
    reports = ((0, "Consolidation."), (3, "The consolidation is larger. Drain."),
               (6, "The consolidation is larger. No drain."))  # fmt: skip
    changes = course_of("P", patient(*reports), terms.concepts).changes
    assert [c.trend for c in changes if c.term == "consolidation"] == [W, W]


def test_a_change_of_the_whole_picture_is_quoted(patient, terms):
    reports = ((0, "Consolidation."), (4, "Remarkable improvement in appearances [C1] since then."))
    (change,) = course_of("P", patient(*reports), terms.concepts).changes
    assert (change.concept, change.trend, change.earlier, change.later) == ("", B, "C1", "C2")
    assert change.term == "Remarkable improvement in appearances (C1) since then"
    assert change.days == 4.0


@pytest.mark.parametrize(
    ("before", "after", "quoted"),
    [
        ("Right lower lobe consolidation.", "Normal chest radiograph.", "Normal chest radiograph."),
        ("Consolidation.", "The lungs are clear. Rib fracture.", "The lungs are clear."),
        ("Consolidation.", "Normal heart size.", ""),
        ("Consolidation.", "Normal chest radiograph apart from a rib fracture.", ""),
        ("No consolidation.", "Normal chest radiograph.", ""),
        ("Consolidation.", "No consolidation. Normal chest radiograph.", ""),
    ],
)
def test_what_is_called_normal_after_a_finding_is_quoted(patient, terms, before, after, quoted):
    changes = course_of("P", patient((0, before), (5, after)), terms.concepts).changes
    assert "".join(c.term for c in changes if not c.concept) == quoted
    assert all(c.trend is R for c in changes if not c.concept)


def test_a_report_may_say_what_an_older_one_said(patient, terms):
    reports = ((0, "No pneumothorax."), (5, "Pneumothorax."), (9, "No pneumothorax."))
    changes = course_of("P", patient(*reports), terms.concepts).changes
    assert [c.trend for c in changes] == [N, R]


def test_studies_of_unknown_time_and_other_kind_take_no_part(patient, terms, read):
    unknown = patient((0, "Pneumothorax."), (None, "No pneumothorax."))
    assert course_of("P", unknown, terms.concepts).changes == ()


def test_the_last_report_that_speaks_of_it_is_the_one_before(patient, terms):
    reports = ((0, "Pneumothorax."), (3, "Cardiomegaly."), (9, "No pneumothorax."))
    changes = course_of("P", patient(*reports), terms.concepts).changes
    assert [(c.trend, c.earlier, c.later, c.days) for c in changes] == [(R, "C1", "C3", 9.0)]
