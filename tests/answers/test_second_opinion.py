"""A second opinion on the self-check, by what does not share the recogniser's rules.

Reports are written from templates whose truth is set down beside them; what an answer claims is
read from its words by a few expressions of this file; and contradictions are written by hand.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.answers.questions import RuleReader
from mmedrag.answers.verification import ClaimChecker
from mmedrag.citations import resolve
from mmedrag.definitions import Dictionary
from mmedrag.types import Case, Evidence, Query, Question, Routing
from proofs import examples

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent / "contradictions.jsonl").read_text("utf-8").splitlines()
]
VECTOR = np.zeros(2, np.float32)
CONTEXTS = examples(1500)
FINDINGS = (
    "pneumothorax", "cardiomegaly", "hydronephrosis", "appendicitis", "meningioma", "glaucoma",
    "ascites", "emphysema", "splenomegaly", "cholecystitis",
)  # fmt: skip
TEMPLATES = {
    "affirmed": (
        "There is {}.", "{} is present.", "Findings consistent with {}.", "Marked {} is seen.",
        "The study shows {}.", "{}, unchanged in extent.",
    ),
    "negated": (
        "No {}.", "There is no evidence of {}.", "Negative for {}.", "Without {}.",
        "{} is absent.", "No sign of {} or other disease.", "{} has been ruled out.",
        "The study is free of {}.", "- {}: none",
    ),
    "uncertain": (
        "Possible {}.", "{} cannot be excluded.", "Suspicious for {}.", "Questionable {}.",
    ),
}  # fmt: skip
OTHER = ("The image is of good quality.", "The patient is 54 years old.", "Two views were taken.")


def report(rng: random.Random, finding: str) -> tuple[str, str]:
    """A report, and what it says of the finding by the template that was chosen."""
    truth = rng.choice([*TEMPLATES, "not mentioned"])
    lines = [rng.choice(OTHER)]
    if truth != "not mentioned":
        line = rng.choice(TEMPLATES[truth]).format(finding)
        lines.append(line[:1].upper() + line[1:])
    another = rng.choice([f for f in FINDINGS if f != finding])
    lines.append(rng.choice(TEMPLATES[rng.choice(["affirmed", "negated"])]).format(another))
    rng.shuffle(lines)
    return "\n".join(line[:1].upper() + line[1:] for line in lines), truth


def evidence(texts: list[str], terms: Dictionary) -> list[Evidence]:
    return [
        Evidence(f"C{i}", Case(id=str(i), text=text), VECTOR, 0.5, 0.5, mentions)
        for i, (text, mentions) in enumerate(zip(texts, terms.recognise(texts), strict=True), 1)
    ]


CLAIMED = {
    "affirmed": r"yes, [^\[]*\[([^\]]*)\]",
    "negated": r"ruled out in \d+ \[([^\]]*)\]",
    "uncertain": r"in doubt in \d+ \[([^\]]*)\]",
    "not mentioned": r"not mentioned in \d+ \[([^\]]*)\]",
}


def claimed(answer: str) -> dict[str, set[str]]:
    """The keys behind each word of the direct reply, read without the recogniser."""
    first = answer.split("\n\n")[0]
    found = {name: re.search(pattern, first, re.IGNORECASE) for name, pattern in CLAIMED.items()}
    return {name: set(m[1].split(", ")) for name, m in found.items() if m}


def test_answers_say_of_each_case_what_its_template_says(terms):
    rng = random.Random(11)
    analyst = CaseAnalyst(terms, terms.concepts)
    writer, reader = ExtractiveGenerator(analyst), RuleReader()
    wrong = []
    for _ in range(CONTEXTS):
        finding = rng.choice(FINDINGS)
        reports = [report(rng, finding) for _ in range(rng.randint(2, 5))]
        truth: dict[str, set[str]] = {}
        for i, (_, state) in enumerate(reports, 1):
            truth.setdefault(state, set()).add(f"C{i}")
        if {*truth} == {"not mentioned"}:
            continue
        cases = evidence([text for text, _ in reports], terms)
        text = f"Is there {finding}?"
        question = Question(Query(text), Routing({}, None), VECTOR, terms.recognise([text])[0])
        question = replace(question, intent=reader.read(question))
        answer = "".join(writer.generate(question, cases))
        if claimed(answer) != truth:
            wrong.append((finding, truth, claimed(answer), [t for t, _ in reports]))
    assert not wrong, (len(wrong), wrong[:3])


def test_a_false_sentence_about_a_template_is_struck_and_a_true_one_is_not(terms):
    rng = random.Random(12)
    checker = ClaimChecker(terms, terms.concepts)
    for _ in range(CONTEXTS // 2):
        finding = rng.choice(FINDINGS)
        text, truth = report(rng, finding)
        if truth not in ("affirmed", "negated"):
            continue
        written = rng.choice(("affirmed", "negated"))
        sentence = {"affirmed": f"The case has {finding} [C1].", "negated": f"No {finding} [C1]."}
        cases = evidence([text], terms)
        pieces = list(checker.check(resolve([sentence[written]], cases), cases))
        assert any(p.struck for p in pieces) == (written != truth), (text, written)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r["sentence"][:40])
def test_contradictions_written_by_hand(terms, row):
    cases = evidence([row["report"]], terms)
    checker = ClaimChecker(terms, terms.concepts)
    pieces = list(checker.check(resolve([row["sentence"]], cases), cases))
    assert any(p.struck for p in pieces) == row["struck"]


def test_there_are_enough_by_hand():
    assert sum(row["struck"] for row in ROWS) >= 20
    assert sum(not row["struck"] for row in ROWS) >= 12
