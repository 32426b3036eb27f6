"""Questions that cases and dictionaries cannot answer, and what can be asked instead.

Similar cases say what was seen and what it was. They do not say what to do: dose, treatment,
guideline, outcome and advice are declined, and so is what is no medical question, and a finding
that cannot be in the image that came with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mmedrag.answers.answerable import unanswerable
from mmedrag.answers.passages import instruction_like
from mmedrag.answers.romance import DECLINING, plain_letters
from mmedrag.answers.scope_rules import (
    COMPILED,
    ELSEWHERE,
    HARM,
    HISTORY,
    MEDICAL,
    OBJECT,
    POINTING,
    SENTENCES,
    TERM,
    TREATS,
)
from mmedrag.types import Domain, Question, QuestionKind

Domains: TypeAlias = Callable[[str], Sequence[Domain]]
"""The corpora whose reports use a concept; empty where nobody knows."""

INSTEAD = "Ask what a finding is, whether it is there, what it may be, or for similar cases."


@dataclass(frozen=True, slots=True)
class OutOfScope:
    """Why a question is declined: the rule's name, and the sentence that the reader sees."""

    rule: str
    sentence: str


_UNFORESEEN = "This asks something that similar cases and dictionaries of images do not tell"

OF_A_COLLECTION = (
    "What the collection holds is listed by domain, kind of image and finding on its page and by "
    "mmedrag info. Ask how many cases have a finding, or for cases of it."
)
NO_MEDICINE = "is no medical question"
PROGRAM = "speaks to a program"
_OF_MEDICINE = frozenset({"asks for general knowledge", "asks for work"})

_WORD = re.compile(r"\w")

_READ = 2000
"""Characters of a text in which a medical word is looked for."""

_ABOUT_AN_IMAGE = frozenset({
    QuestionKind.DESCRIPTION, QuestionKind.DIFFERENTIAL, QuestionKind.NORMALITY,
    QuestionKind.COMPARISON,
})  # fmt: skip
"""What this shows, what it is, whether it is normal: nobody asks that of Paris."""


_YES_OR_NO = frozenset({QuestionKind.PRESENCE, QuestionKind.CHOICE})


def declined(rule: str) -> OutOfScope:
    """Why a question that asks for what the rule names is declined."""
    if rule == PROGRAM:
        return OutOfScope(PROGRAM, f"This speaks to a program and asks nothing medical. {INSTEAD}")
    return OutOfScope(rule, f"{SENTENCES[rule]}. {INSTEAD}")


_COLLECTION = re.compile(
    r"\b(?:what|which) (?:\w+ )?(?:diagnos[ie]s|findings|labels|modalities|domains|diseases|images"
    r"|cases|data|datasets?|corpora|reports|patients|sources)\b.*\b(?:do you have|you have"
    r"|are (?:in|there|available|stored|included|covered)|(?:in|of) (?:the|this|your) (?:casebase"
    r"|collection|corpus|database|index|archive))\b"
    r"|\bmost (?:common|frequent) (?:findings?|diagnos[ie]s|diseases?|labels?|abnormalit(?:y|ies))"
    r"(?: (?:here|overall|of all|in (?:the|this|your) \w+))?\W*$"
    r"|^\W*(?:list|show)(?: me)? all (?:the )?(?:diagnos[ie]s|findings|labels|patients|diseases"
    r"|cases|reports|images|modalities)\W*$",
    re.IGNORECASE,
)


def certainly_declined(question: Question, request: str) -> OutOfScope | None:
    """What is declined whatever else is in it.

    Words to a program, animals, machines, no word; and what a collection holds, which is listed.
    """
    if request and instruction_like(request):
        return declined(PROGRAM)
    findings = any(m.kind.is_finding for m in question.mentions)
    if request and not findings and question.query.image is None and _COLLECTION.search(request):
        return OutOfScope("asks what the collection holds", OF_A_COLLECTION)
    wordless = question.query.image is None and not _WORD.search(question.query.text)
    if wordless or ELSEWHERE.search(question.query.text[:_READ]):
        return declined(NO_MEDICINE)
    return None


def _names_finding(question: Question, asking: str) -> bool:
    """Whether it asks for something that a treatment may have done."""
    named = any(m.kind.is_finding and m.text in asking for m in question.mentions)
    return named or bool(HARM.search(asking))


def out_of_scope(
    question: Question,
    request: str,
    kind: QuestionKind,
    domains: Domains | None,
    rule: str = "",
) -> OutOfScope | None:
    """Why a question is declined, or ``None`` where it is one for us.

    Args:
        question: routed, its terms recognised.
        request: the sentence that asks; empty where the text only describes a case.
        kind: what it would be, were it in scope.
        domains: where concepts belong.
        rule: that gave its kind.
    """
    if request and instruction_like(request):
        return declined(PROGRAM)
    plain = HISTORY.sub(" ", request)
    letters = plain_letters(plain)
    for name, words in DECLINING.items():
        if words.search(letters):
            return declined(name)
    for name, _, words in COMPILED:
        if words.search(plain):
            other = name in _OF_MEDICINE and not _medical(question)
            return declined(NO_MEDICINE if other else name)
    if kind in _YES_OR_NO and TREATS.search(plain) and not _names_finding(question, plain):
        return declined("asks for a treatment")
    if ELSEWHERE.search(question.query.text[:_READ]) or _of_no_medicine(question, request):
        return declined(NO_MEDICINE)
    if kind not in _ABOUT_AN_IMAGE and not _medical(question):
        return declined(NO_MEDICINE)
    findings = any(m.kind.is_finding and m.text in request for m in question.mentions)
    if unanswerable(plain, rule, names_finding=findings):
        return OutOfScope("asks what cannot be seen", f"{_UNFORESEEN}. {INSTEAD}")
    return against_image(question, kind, domains)


def _medical(question: Question) -> bool:
    """Whether there is an image, a known term, or a word that may be a medical one."""
    if question.query.image is not None or question.mentions:
        return True
    text = question.query.text[:_READ]
    if MEDICAL.search(text) or TREATS.search(text):
        return True
    return bool(TERM.search(text.strip()) or POINTING.search(text))


def _of_no_medicine(question: Question, request: str) -> bool:
    """Whether what it asks to describe or explain is nothing medical: the Krebs cycle."""
    match = OBJECT.search(request)
    if match is None or question.query.image is not None or question.mentions:
        return False
    return not (MEDICAL.search(match["object"]) or POINTING.search(match["object"]))


_CERTAIN = 0.9
"""How sure the classifier must be of an image before a question is held to contradict it."""


def against_image(
    question: Question, kind: QuestionKind, domains: Domains | None
) -> OutOfScope | None:
    """A finding that is none of the image's domain: pneumothorax, and a photograph of a retina.

    Only what belongs to one domain alone contradicts: a metastasis may be anywhere, and what
    pathology names is asked of radiographs too.
    """
    if domains is None or kind not in _YES_OR_NO:
        return None
    routing = question.routing
    shown = routing.decision
    if question.query.image is None or shown is None or not routing.medical:
        return None
    if routing.scores and routing.scores.get(shown, 0.0) < _CERTAIN:
        return None
    homes = {m.term: tuple(domains(m.concept)) for m in question.mentions}
    named = {term: home for term, home in homes.items() if home}
    foreign = all(len(home) == 1 and home[0] != shown for home in named.values())
    eyes = Domain.OPHTHALMOLOGY in (shown, *(d for home in named.values() for d in home))
    if not named or not foreign or not eyes:
        return None
    term = next(iter(named))
    return OutOfScope(
        "contradicts the image",
        f"The question asks for {term}, which is no finding of an image like this one ({shown}). "
        f"Ask what this image shows, or ask about {term} without the image.",
    )
