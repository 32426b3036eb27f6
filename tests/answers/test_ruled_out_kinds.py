"""What a question rules out is never called unaffirmed beside a case that affirms a kind of it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.answers.questions import RuleReader
from mmedrag.definitions import glossary
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Evidence, Query
from proofs import examples

SOURCE = glossary()
ONTOLOGY = SOURCE.concepts
ANALYST = CaseAnalyst(SOURCE, ONTOLOGY)
GENERATOR = ExtractiveGenerator(ANALYST)
KINDS = {
    "effusion": ("pleural effusion", "pericardial effusion", "empyema", "joint effusion"),
    "fracture": ("rib fracture", "hip fracture"),
    "carcinoma": ("adenocarcinoma", "squamous cell carcinoma"),
    "haemorrhage": ("subdural haematoma", "vitreous haemorrhage"),
}
families = st.sampled_from([(wide, kind) for wide, kinds in KINDS.items() for kind in kinds])
REPORTS = ("There is {kind}.", "No {wide}.", "{other}.", "No {kind}.")
ASKED = ("{other} but no {wide}", "{other} without {wide}", "No {wide}. {other}.", "no {wide}")


@settings(deadline=None, max_examples=examples(60))
@given(
    families,
    st.sampled_from(ASKED),
    st.sampled_from(["cardiomegaly", "drusen", "pneumonia"]),
    st.lists(st.sampled_from(REPORTS), min_size=1, max_size=5),
)
def test_a_kind_that_is_affirmed_is_said(family, form, other, reports) -> None:
    wide, kind = family
    names = {"wide": wide, "kind": kind, "other": other}
    texts = [report.format(**names) for report in reports]
    one = np.ones(1, np.float32)
    evidence = [
        Evidence(f"C{i}", Case(id=str(i), text=text), one, 0.5, 0.5, mentions, 0.5, 0.9)
        for i, (text, mentions) in enumerate(zip(texts, SOURCE.recognise(texts), strict=True), 1)
    ]
    text = form.format(**names)
    question = replace(
        question_of(Query(text), np.ones(1, np.float32)), mentions=SOURCE.recognise([text])[0]
    )
    question = replace(question, intent=RuleReader(ONTOLOGY.domains).read(question))
    question = replace(question, brief=ANALYST.brief(question, evidence, None))
    answer = "".join(GENERATOR.generate(question, evidence))
    affirmed = "There is {kind}." in reports
    denied = re.search(
        rf"rules out {wide}, which (?:the cases do not affirm|none of the cases)", answer
    )
    assert not (affirmed and denied), answer
