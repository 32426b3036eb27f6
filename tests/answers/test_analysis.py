"""The brief: replies by is-a, diagnoses, base rates, and what images may claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.answers import agreement
from mmedrag.answers.agreement import (
    BOTH,
    IMAGE,
    LEAD,
    PRESENCE,
    SIDE,
    Absence,
    Agreement,
    Bin,
    Judge,
)
from mmedrag.answers.analysis import CaseAnalyst, base_rate
from mmedrag.answers.differential import code_of
from mmedrag.answers.questions import RuleReader
from mmedrag.definitions import Dictionary
from mmedrag.entailment import NORMAL
from mmedrag.protocols import CorpusStatistics
from mmedrag.types import (
    Assertion,
    Brief,
    Candidate,
    Case,
    Claim,
    Domain,
    Evidence,
    Prevalence,
    Query,
    Question,
    Reply,
    Routing,
)

VECTOR = np.zeros(2, np.float32)
A, N = Assertion.AFFIRMED, Assertion.NEGATED


def cases(*texts: str, **named: Sequence[str]) -> list[Case]:
    diagnoses = named.get("diagnoses", [""] * len(texts))
    return [
        Case(id=f"id{i}", text=text, diagnosis=diagnosis, patient_id=f"P{i}",
             domain=Domain.RADIOLOGY)
        for i, (text, diagnosis) in enumerate(zip(texts, diagnoses, strict=True), 1)
    ]  # fmt: skip


def brief_of(
    terms: Dictionary,
    text: str,
    found: Sequence[Case],
    corpus: CorpusStatistics | None = None,
    image: bytes | None = None,
    known: Agreement | None = None,
) -> Brief:
    question = Question(Query(text, image), Routing({}, None), VECTOR, terms.recognise([text])[0])
    question = replace(question, intent=RuleReader().read(question))
    mentions = terms.recognise([c.text for c in found])
    evidence = [
        Evidence(f"C{i}", case, VECTOR, 0.5, 0.5, said)
        for i, (case, said) in enumerate(zip(found, mentions, strict=True), 1)
    ]
    return CaseAnalyst(terms, terms.concepts, known).brief(question, evidence, corpus)


def said(brief: Brief, term: str) -> dict[Assertion | None, tuple[str, ...]]:
    return {c.assertion: c.keys for c in brief.claims if c.term == term and not c.side}


def test_who_affirms_a_kind_affirms_it_and_who_denies_the_whole_denies_the_kind(terms):
    found = cases("Large pleural effusion.", "No effusion.", "Clear lungs.", "Joint effusion.")
    asked = said(brief_of(terms, "Is there an effusion?", found), "effusion")
    assert (asked[A][0], asked[N], asked[None]) == ("C1", ("C2",), ("C3",))
    kind = said(brief_of(terms, "Is there a pleural effusion?", found), "pleural effusion")
    assert (kind[A], kind[N]) == (("C1",), ("C2",))
    assert "C4" in kind[None]


@pytest.mark.parametrize(
    ("texts", "reply"),
    [
        (["Pneumothorax."] * 3, Reply.YES),
        (["No pneumothorax."] * 3, Reply.NO),
        (["Pneumothorax.", "No pneumothorax."], Reply.MIXED),
        (["Clear lungs.", "A mass."], Reply.UNKNOWN),
        (["Pneumothorax. Later: no pneumothorax."], Reply.UNKNOWN),
        ([], Reply.UNKNOWN),
    ],
)
def test_the_direct_reply_is_what_the_cases_say(terms, texts, reply):
    assert brief_of(terms, "Is there a pneumothorax?", cases(*texts)).reply is reply


def test_words_that_no_dictionary_has_are_looked_up_as_such(terms):
    found = cases("A wobbly sign is seen.", "No wobbly sign.", "Clear.")
    asked = said(brief_of(terms, "Is there a wobbly sign?", found), "wobbly sign")
    assert asked == {A: ("C1",), N: ("C2",), None: ("C3",)}


def test_sides_are_claims_of_the_cases_that_say_them(terms):
    found = cases("Left pleural effusion.", "Right pleural effusion.", "Pleural effusion.")
    brief = brief_of(terms, "Which side is the pleural effusion on?", found)
    sides = {c.side: c.keys for c in brief.claims if c.side}
    assert sides == {"left": ("C1",), "right": ("C2",)}


def test_diagnoses_are_counted_by_patient_and_named_in_their_own_words(terms):
    found = cases(
        "Mass.", "Mass.", "Mass.", diagnoses=["Zebra syndrome", "Zebra Syndromes", "Gout"]
    )
    brief = brief_of(terms, "Differential diagnosis?", found)
    first = brief.differential[0]
    assert first.keys == ("C1", "C2")
    assert first.diagnosis.lower().startswith("zebra syndrome")
    same = [replace(c, patient_id="P1") for c in found[:2]] + [found[2], replace(found[2], id="x")]
    same[3] = replace(same[3], patient_id="P9")
    assert brief_of(terms, "Differential diagnosis?", same).differential[0].keys == ("C3", "C4")


def test_what_speaks_against_a_diagnosis_is_with_it(terms):
    found = cases("Pneumothorax.", "Mass.", diagnoses=["Zebra syndrome", "Gout"])
    brief = brief_of(terms, "No pneumothorax. Differential diagnosis?", found)
    against = next(c for c in brief.differential if "Zebra" in c.diagnosis).against
    assert [(c.term, c.assertion, c.keys) for c in against] == [("pneumothorax", A, ("C1",))]


def test_a_label_is_no_surer_than_the_report_and_a_final_diagnosis_is(terms):
    case = cases("Possible pneumonia.")[0]
    labelled = brief_of(terms, "Is there pneumonia?", [replace(case, labels=("pneumonia",))])
    assert said(labelled, "pneumonia") == {Assertion.UNCERTAIN: ("C1",)}
    assert not labelled.differential
    diagnosed = brief_of(terms, "Is there pneumonia?", [replace(case, diagnosis="Pneumonia")])
    assert said(diagnosed, "pneumonia") == {A: ("C1",)}
    assert diagnosed.differential[0].diagnosis == "pneumonia"


def test_the_head_of_a_diagnosis_names_it(terms):
    names = ["Sarcoidosis, Abdomen and Liver", "Medulloblastoma confirmed by pathology."]
    found = cases("Mass.", "Mass.", diagnoses=names)
    differential = brief_of(terms, "Differential diagnosis?", found).differential
    assert {c.diagnosis for c in differential} == {"sarcoidosis", "medulloblastoma"}


def test_what_a_question_names_does_not_explain_it_nor_does_what_that_is_a_kind_of(terms):
    found = cases("Dot haemorrhage.", "Flame haemorrhage.", diagnoses=["Diabetic retinopathy", ""])
    found = [replace(c, labels=("haemorrhage", "retinal haemorrhage")) for c in found]
    brief = brief_of(terms, "Differential of retinal haemorrhage?", found)
    assert [c.diagnosis for c in brief.differential] == ["diabetic retinopathy"]


def test_a_disease_whose_causes_are_asked_for_is_none_of_them(terms):
    found = cases("Macular hole.", "Macular hole.", diagnoses=["Macular hole", "Trauma"])
    brief = brief_of(terms, "Causes of macular hole?", found)
    assert [c.diagnosis for c in brief.differential] == ["injury"]
    of_somebody = "61-year-old woman with a macular hole after a blow on the eye. " * 2
    brief = brief_of(terms, f"{of_somebody}What is the diagnosis?", found)
    assert "macular hole" in [c.diagnosis for c in brief.differential]


def test_what_a_finding_may_be_is_told_by_the_cases_that_have_it(terms):
    found = cases(
        "Ring-enhancing lesion of the left frontal lobe.", "Enhancing mass.",
        diagnoses=["Neurocysticercosis", "Meningioma"],
    )  # fmt: skip
    brief = brief_of(terms, "Differential diagnosis of ring enhancement?", found)
    assert [(c.diagnosis, c.keys, c.of) for c in brief.differential] == [
        ("neurocysticercosis", ("C1",), 2)
    ]
    assert brief_of(terms, "What are the causes of papilloedema?", found).differential == ()
    for described in (
        "A man of 40 with papilloedema, headache and a seizure: what is the most likely diagnosis?",
        "Papilloedema and a headache. Which disease?",
    ):
        assert len(brief_of(terms, described, found).differential) == 2


def test_nothing_is_told_apart_where_nothing_is_given(terms):
    found = cases("Sarcoidosis.", "Sarcoidosis.", "Sarcoidosis.")
    brief = brief_of(terms, "Sarcoidosis or lymphoma?", found)
    assert (str(brief.kind), brief.reply) == ("choice", Reply.MIXED)
    history = "34-year-old with cough, enlarged nodes at both hila and red lumps on the shins. "
    assert brief_of(terms, f"{history}Sarcoidosis or lymphoma?", found).reply is Reply.YES


def test_nearer_cases_lead(terms):
    near, far = cases("Mass.", "Mass.", diagnoses=["Gout", "Meningioma"])
    question = Question(Query("Differential?"), Routing({}, None), VECTOR)
    evidence = [Evidence("C1", far, VECTOR, 0.4, 0.4), Evidence("C2", near, VECTOR, 0.6, 0.6)]
    brief = CaseAnalyst(terms, terms.concepts).brief(question, evidence, None)
    assert "gout" in brief.differential[0].diagnosis.lower()


def test_normal_studies_are_counted(terms):
    labelled = [replace(c, labels=("normal",)) for c in cases("", "")]
    ill = [replace(c, id=f"ill{c.id}") for c in cases("Pneumothorax.")]
    brief = brief_of(terms, "Is this normal?", [*labelled, *ill])
    assert said(brief, "normal study") == {A: ("C1", "C2"), N: ("C3",)}


JUDGE = Judge(
    PRESENCE, (-2.0, 6.0, -6.0, 0.0, 0.0, 0.0), yes=0.9, no=0.1, right_yes=0.97, right_no=0.95,
    odds=[Bin(0.0, 2, 20), Bin(0.2, 9, 30), Bin(0.8, 2, 3)],
)  # fmt: skip
KNOWN = Agreement(
    presence=JUDGE,
    normality=replace(JUDGE, yes=1.01, no=-0.01),
    leads={
        IMAGE: Judge(LEAD, (-3.0, 6.0, 0.0, 0.0, 0.0), yes=0.8, no=-0.01, right_yes=0.9,
                     right_no=0.5, odds=[Bin(0.0, 3, 12), Bin(0.5, 9, 10)]),
        BOTH: Judge(LEAD, (0.0,) * 5, yes=1.01, no=-0.01, right_yes=0.5, right_no=0.5,
                    odds=[Bin(0.5, 1, 4)]),
        SIDE: Judge(LEAD, (-3.0, 6.0, 0.0, 0.0, 0.0), yes=0.8, no=-0.01, right_yes=0.94,
                    right_no=0.5, odds=[]),
    },
)  # fmt: skip


def test_an_image_is_replied_to_as_far_as_its_neighbours_were_right(terms):
    alike = cases(*["Pneumothorax."] * 4)
    text = "Is there a pneumothorax?"
    sure = brief_of(terms, text, alike, image=b"image", known=KNOWN)
    assert (sure.reply, "97%" in sure.reason) == (Reply.YES, True)
    no = brief_of(terms, text, cases(*["No pneumothorax."] * 4), image=b"image", known=KNOWN)
    assert (no.reply, "95%" in no.reason) == (Reply.NO, True)


def test_no_is_said_of_an_image_whose_neighbours_would_be_expected_to_have_it(terms):
    class Counts:
        """A third of the records of a clinic affirm whatever is asked."""

        def prevalence(self, question, groups):
            of_clinic = "clinic" in (question.query.where or "")
            return dict.fromkeys(groups, Prevalence(30 * of_clinic, 0, 90))

    silent = replace(KNOWN, absence=Absence(0.3, 0.96))
    text, quiet = "Is there a pneumothorax?", cases(*["Clear lungs."] * 4)
    sourced = [replace(c, source="clinic") for c in quiet]
    no = brief_of(terms, text, sourced, Counts(), image=b"image", known=silent)
    assert (no.reply, "33%" in no.reason, "96%" in no.reason) == (Reply.NO, True, True)
    for found, known in ((quiet, silent), (sourced, KNOWN)):
        brief = brief_of(terms, text, found, Counts(), image=b"image", known=known)
        assert brief.reply is Reply.UNKNOWN


def test_an_image_is_not_normal_where_its_neighbours_would_be_expected_to_be(terms):
    class Counts:
        """Half of the records of a clinic are normal studies."""

        def prevalence(self, question, groups):
            return dict.fromkeys(groups, Prevalence(45, 45, 90))

    ill = [replace(c, source="clinic") for c in cases(*["Pneumothorax."] * 4)]
    tried = Absence(0.3, 0.96, nearest=0.4)
    no = brief_of(
        terms, "Is this normal?", ill, Counts(), b"image", replace(KNOWN, abnormality=tried)
    )
    assert (no.reply, "50% of the records" in no.reason) == (Reply.NO, True)
    one = [*ill, replace(ill[0], id="n", patient_id="n", text="", labels=("normal",))]
    far = replace(tried, nearest=0.6)
    for found, rule in ((one, tried), (ill, far)):
        known = replace(KNOWN, abnormality=rule)
        brief = brief_of(terms, "Is this normal?", found, Counts(), b"image", known)
        assert brief.reply is not Reply.NO


def test_what_similar_cases_speak_against_is_said_of_known_images_alone(terms):
    class Counts:
        """Half of the records of a clinic are normal studies."""

        def prevalence(self, question, groups):
            return dict.fromkeys(groups, Prevalence(45, 45, 90))

    odds = replace(KNOWN.normality, odds=[Bin(0.0, 1, 30), Bin(0.4, 18, 20)], nearest=0.9)
    measured = replace(KNOWN, normality=odds, known=0.4)
    ill = [replace(c, source="clinic") for c in cases(*["Pneumothorax."] * 4)]
    well = [replace(c, text="", labels=("normal",)) for c in ill]
    for found, known, words in (
        (ill, measured, "3% of 30 images held out were normal, which speaks against it"),
        (ill, replace(measured, known=0.6), "of images so unlike all cases nothing was measured"),
        (well, measured, "was right only of images that have one at 0.90 or above"),
    ):
        brief = brief_of(terms, "Is this normal?", found, Counts(), b"image", known)
        assert brief.reply is Reply.UNKNOWN
        assert words in brief.reason


def test_yes_is_never_said_where_more_cases_rule_it_out():
    support = dict.fromkeys((*PRESENCE, "nearest"), 0.0) | {"affirm": 0.4, "rule out": 0.5}
    eager = replace(JUDGE, weights=(5.0, *JUDGE.weights[1:]))
    assert eager.probability(support) > eager.yes
    assert eager.reply(support) is Reply.UNKNOWN


def test_below_that_the_odds_are_said(terms):
    found = [*cases(*["Pneumothorax."] * 4), *cases(*["Clear."] * 8)]
    unsure = brief_of(terms, "Is there a pneumothorax?", found, image=b"image", known=KNOWN)
    assert unsure.reply is Reply.UNKNOWN
    assert "30% of 30 images held out" in unsure.reason


def test_where_nothing_is_said_the_reason_is_what_is_missing(terms):
    class Counts:
        """One record in fifty of a clinic affirms anything."""

        def prevalence(self, question, groups):
            return dict.fromkeys(groups, Prevalence(2, 0, 100))

    measured = replace(KNOWN, absence=Absence(0.1, 0.9))
    silent = [replace(c, source="clinic") for c in cases(*["Clear."] * 8)]
    few = [*silent[1:], replace(silent[0], text="Pneumothorax.")]
    for found, words in (
        (silent, "only 2% of the records of their sources affirm it"),
        (few, "too few of the nearest cases affirm it for a yes, and too many for a no"),
    ):
        brief = brief_of(terms, "Is there a pneumothorax?", found, Counts(), b"image", measured)
        assert brief.reply is Reply.UNKNOWN
        assert words in brief.reason


def test_a_lead_is_clear_only_where_such_leads_were_right():
    sure = dict.fromkeys(LEAD, 1.0)
    assert KNOWN.lead(sure, IMAGE) == (
        Reply.YES,
        "such a lead was right for 90% of images held out",
    )
    reply, reason = KNOWN.lead(sure | {"weight": 0.2}, IMAGE)
    assert (reply, "25% of 12 images" in reason) == (Reply.MIXED, True)
    reply, reason = KNOWN.lead(sure, BOTH)
    assert (reply, "too few" in reason) == (Reply.MIXED, True)


def test_a_side_of_an_image_stands_out_where_such_sides_were_right(terms):
    text = "Which side is the pneumothorax on?"
    left = cases(*["Left pneumothorax."] * 4)
    brief = brief_of(terms, text, left, image=b"image", known=KNOWN)
    assert (brief.reply, "94%" in brief.reason) == (Reply.YES, True)
    both = [*cases(*["Left pneumothorax."] * 2), *cases(*["Right pneumothorax."] * 2)]
    named = [replace(c, id=f"{i}") for i, c in enumerate(both)]
    assert brief_of(terms, text, named, image=b"image", known=KNOWN).reply is Reply.MIXED
    none = brief_of(terms, text, cases("Clear."), image=b"image", known=KNOWN)
    assert (none.reply, none.reason) == (Reply.UNKNOWN, "the cases give no side")


def test_each_thing_asked_about_an_image_has_its_own_verdict(terms):
    found = cases(*["Pneumothorax. No fracture."] * 4)
    text = "Is there a pneumothorax and a fracture?"
    brief = brief_of(terms, text, found, image=b"image", known=KNOWN)
    assert [v.reply for v in brief.verdicts] == [Reply.YES, Reply.NO]
    assert brief.reply is Reply.MIXED


def test_one_of_two_is_chosen_for_an_image_where_yes_is_said_of_it_alone(terms):
    found = cases(*["Pneumothorax."] * 4)
    text = "Is it pneumothorax or consolidation?"
    brief = brief_of(terms, text, found, image=b"image", known=KNOWN)
    assert (brief.reply, brief.reason[:13]) == (Reply.YES, "pneumothorax:")
    neither = brief_of(terms, text, cases("Clear."), image=b"image", known=KNOWN)
    assert neither.reply is Reply.UNKNOWN


def test_a_grade_is_not_its_own_opposite(terms):
    found = cases("Moderate non proliferative diabetic retinopathy.",
                  "Proliferative diabetic retinopathy.",
                  "Mild nonproliferative diabetic retinopathy.")  # fmt: skip
    brief = brief_of(terms, "How severe is the diabetic retinopathy?", found)
    grades = {c.grade: c.keys for c in brief.claims if c.grade}
    assert grades == {"moderate": ("C1",), "proliferative": ("C2",), "mild": ("C3",)}
    coarse = brief_of(terms, "How severe is the diabetic retinopathy?",
                      cases("Nonproliferative diabetic retinopathy."))  # fmt: skip
    assert [c.grade for c in coarse.claims if c.grade] == ["non-proliferative"]


def test_of_a_text_the_cases_that_share_its_findings_count_more(terms):
    found = cases("A mass.", "A mass with ring enhancement and oedema.",
                  diagnoses=["glioma", "abscess"])  # fmt: skip
    text = "Ring enhancement and oedema. What is the diagnosis?"
    assert brief_of(terms, text, found).differential[0].diagnosis == "abscess"


def test_a_remark_on_one_structure_makes_no_normal_study(terms):
    found = cases("Consolidation. The bones are normal.", "The bones are normal.")
    brief = brief_of(terms, "Show me cases with consolidation", found)
    assert [c.keys for c in brief.claims if c.concept == NORMAL] == [("C2",)]
    assert not any(c.term == "normal bones" for c in brief.claims)


def test_a_kind_in_the_same_cases_is_not_said_twice(terms):
    found = cases("A lung mass.", "No mass.")
    names = {c.term for c in brief_of(terms, "Is there a mass?", found).claims}
    assert names == {"mass"}
    others = {c.term for c in brief_of(terms, "cough", found).claims}
    assert "lung mass" in others
    assert "mass" not in others


def test_a_normal_study_is_no_clear_lead_of_an_image(terms):
    found = [replace(c, labels=("normal fundus",)) for c in cases("", "", "")]
    brief = brief_of(terms, "What does this show?", found, image=b"image", known=KNOWN)
    assert brief.differential[0].diagnosis == "normal fundus"
    assert brief.reply is Reply.MIXED


def test_an_agreement_survives_json():
    assert agreement.of_json(agreement.to_json(KNOWN)) == KNOWN
    silent = ("absence", "abnormality")
    before = {k: v for k, v in agreement.to_json(KNOWN).items() if k not in silent}
    assert agreement.of_json(before).absence.expected > 1
    assert agreement.of_json(before).abnormality.expected > 1


def test_what_ships_can_be_read():
    shipped = agreement.shipped()
    assert shipped is not None
    assert {*shipped.leads} == {*agreement.LEADS}
    assert agreement.measured(shipped.encoder) == shipped


def test_of_an_encoder_that_was_not_measured_nothing_is_claimed(terms):
    unmeasured = agreement.measured("another encoder")
    alike = cases(*["Pneumothorax."] * 4)
    brief = brief_of(terms, "Is there a pneumothorax?", alike, image=b"image", known=unmeasured)
    assert (brief.reply, "not measured" in brief.reason) == (Reply.UNKNOWN, True)
    for kind in agreement.LEADS:
        assert unmeasured.lead(dict.fromkeys(LEAD, 1.0), kind)[0] is Reply.MIXED


@given(st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5))
def test_probabilities_are_probabilities(values):
    assert 0.0 <= JUDGE.probability(dict(zip(PRESENCE, values, strict=True))) <= 1.0


def test_base_rates_in_words():
    assert base_rate(Prevalence(84, 3, 1638)) == "84 of 1,638 in the searched corpus, 5%"
    assert base_rate(Prevalence(2, 0, 1000)) == "2 of 1,000 in the searched corpus, under 1%"
    assert base_rate(None) == base_rate(Prevalence(0, 0, 0)) == ""


def test_a_candidate_without_a_concept_is_known_by_its_words():
    assert code_of(Candidate("Zebra Syndromes", "", (), 1)) == code_of(
        Candidate("zebra syndrome", "", (), 1)
    )
    assert code_of(Candidate("gout", "X:1", (), 1)) == "X:1"
    assert Claim("c", "t", A, ("C1",), 1).side == ""


def test_a_side_of_nothing_in_particular_is_answered_by_what_the_cases_have(terms):
    found = cases("Large mass on the left.", "Left mass.", diagnoses=["Lymphoma", "Lymphoma"])
    brief = brief_of(terms, "Which side is abnormal?", found)
    assert [c.diagnosis for c in brief.differential] == ["lymphoma"]
    assert not any(c.concept.startswith("text:") for c in brief.claims)
