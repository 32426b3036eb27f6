"""The direct reply in words: counts with their marks, and the base rate beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mmedrag.answers.analysis import base_rate, percent
from mmedrag.answers.answerable import findings_to_explain, is_bare
from mmedrag.answers.associations import ASSOCIATED
from mmedrag.answers.comparison import comparison_lines
from mmedrag.answers.differential import code_of
from mmedrag.answers.features import FEATURE
from mmedrag.answers.kinds import KIND_OF
from mmedrag.answers.question_rules import ABNORMAL
from mmedrag.answers.support import is_whole
from mmedrag.entailment import NORMAL
from mmedrag.text.laterality import sides
from mmedrag.text.quotations import label
from mmedrag.types import (
    Assertion,
    Brief,
    Candidate,
    Claim,
    Count,
    Domain,
    Evidence,
    Prevalence,
    Question,
    QuestionKind,
    Reply,
)

LEADS = 3
_YES_OR_NO = frozenset({QuestionKind.PRESENCE, QuestionKind.NORMALITY, QuestionKind.CHOICE})


def direct_reply(
    question: Question,
    brief: Brief,
    cases: Sequence[Evidence],
    definitions: Sequence[Evidence],
) -> list[str]:
    """The first lines of an answer."""
    if brief.declined:
        return [brief.declined]
    if brief.counts:
        return counts_in_words(question, brief)
    if not cases:
        keys = cited([d.key for d in definitions])
        return [f"No similar case was adequate; a dictionary explains the terms {keys}."]
    if question.intent is not None and question.intent.detail == FEATURE:
        return [_of_feature(question, brief, cases)]
    if question.intent is not None and question.intent.detail == ABNORMAL:
        return _judged(question, brief, NORMAL)
    match brief.kind:
        case QuestionKind.DEFINITION:
            return _of_definition(question, brief, cases)
        case QuestionKind.NORMALITY:
            return [*_judged(question, brief, NORMAL), *_of_nobody(question, brief)]
        case QuestionKind.COMPARISON:
            return _of_comparison(question, brief, cases)
    lines = [
        line for c in queried_concepts(question, brief) for line in _judged(question, brief, c)
    ]
    if lines and brief.kind is QuestionKind.SEARCH and _describes_patient(question):
        return _of_history(question, brief, cases)
    if lines:
        return [*lines, *_narrowed(question, brief), *_of_nobody(question, brief)]
    names_nothing = question.intent is not None and bool(question.intent.detail)
    if brief.kind in (QuestionKind.PRESENCE, QuestionKind.CHOICE) and not names_nothing:
        return [_unknown(question, cases)]
    return [_lead(question, brief, cases)]


def counts_in_words(question: Question, brief: Brief) -> list[str]:
    """What was counted over the searched corpus, a line each, with the marks of cases shown."""
    domain = question.routing.decision
    if not brief.counts[0].prevalence.of:
        filtered = " that the filter lets in" if question.query.where else ""
        return [
            f"Nothing can be counted: no report of {_searched(domain)}{filtered} was read by the "
            "present rules and dictionaries. Let them be read: mmedrag rebuild."
        ]
    if question.intent is not None and question.intent.detail == ASSOCIATED:
        return _associated(brief, domain)
    searched = _searched(domain)
    counts = (c for c in brief.counts if c.prevalence.of)
    return [f"{_number(brief, c, searched)}." for c in counts]


def _here(brief: Brief, count: Count) -> str:
    """Which of the cases shown say so."""
    said = {c.assertion: c for c in _claims(brief, count.concept)}
    normal = count.concept == NORMAL
    for assertion, words in (
        (Assertion.AFFIRMED, "are normal" if normal else "affirm it"),
        (Assertion.NEGATED, "affirm one" if normal else "rule it out"),
    ):
        if claim := said.get(assertion):
            here = f"of the {claim.of} cases here {len(claim.keys)} {words}"
            return f"; {here} {cited(claim.keys)}"
    return ""


def _associated(brief: Brief, domain: Domain | None) -> list[str]:
    """What the reports that affirm a finding affirm besides, and how often all reports do."""
    first = brief.counts[0]
    everywhere = {c.concept: c.prevalence for c in brief.claims}
    shares = [
        f"{c.prevalence.affirmed:,} {'' if number else 'affirm '}{c.term} "
        f"({percent(c.prevalence.affirmed, c.prevalence.of)}; "
        f"{_of_all(everywhere.get(c.concept))} of all) {_affirming(brief, c.concept)}".rstrip()
        for number, c in enumerate(brief.counts)
    ]
    among = f"Of the {first.prevalence.of:,} reports of {_searched(domain)} that {_within(first)}"
    counted = "Only what the cases below affirm was counted."
    return [f"{among}, {listed(shares)}. {counted}"]


def _affirming(brief: Brief, concept: str) -> str:
    keys = [k for c in _claims(brief, concept) if c.assertion is Assertion.AFFIRMED for k in c.keys]
    return cited(keys) if keys else ""


def _of_all(rate: Prevalence | None) -> str:
    return percent(rate.affirmed, rate.of) if rate is not None and rate.of else "an unknown share"


def _searched(domain: Domain | None) -> str:
    return f"the searched corpus ({domain})" if domain else "the searched corpus"


def _within(count: Count) -> str:
    """``affirm cardiomegaly and rule out pneumothorax``."""
    verbs = {Assertion.AFFIRMED: "affirm", Assertion.NEGATED: "rule out"}
    return " and ".join(f"{verbs[w.assertion]} {w.term}" for w in count.within)


def _meeting(brief: Brief, count: Count) -> str:
    """The marks of the cases shown that meet what a count is within."""
    met = [
        {key for c in _claims(brief, w.concept) if c.assertion is w.assertion for key in c.keys}
        for w in count.within
    ]
    shown = [key for c in brief.claims for key in c.keys if all(key in keys for keys in met)]
    return f" {cited([*dict.fromkeys(shown)])}" if shown else ""


def _number(brief: Brief, count: Count, searched: str) -> str:
    yes, no, of = count.prevalence.affirmed, count.prevalence.negated, count.prevalence.of
    share = percent(yes, of)
    if count.within:
        return (
            f"Of the {of:,} reports there that {_within(count)}{_meeting(brief, count)}, {yes:,} "
            f"affirm {count.term} ({share}) and {no:,} rule it out"
        )
    if count.concept == NORMAL:
        return (
            f"Of {of:,} cases of {searched}, {yes:,} are normal studies, {share}, and {no:,} "
            f"affirm a finding or disease{_here(brief, count)}"
        )
    return _capital(
        f"{count.term} is affirmed in {yes:,} of {of:,} cases of {searched}, {share}, and ruled "
        f"out in {no:,}{_here(brief, count)}"
    )


def _unknown(question: Question, cases: Sequence[Evidence]) -> str:
    """Why nothing was counted: no known word in the question, or none that a case can have."""
    keys = cited([c.key for c in cases])
    concepts = question.intent.concepts if question.intent is not None else ()
    names = dict.fromkeys(label(m.term) for m in question.mentions if m.concept in concepts)
    if names:
        return (
            f"The question names {listed([*names])} and no finding that a dictionary here knows; "
            f"what reports call the finding may be known {keys}."
        )
    return (
        "No dictionary here knows what is asked about, and the reports do not use those words; "
        f"another name for it may be known {keys}."
    )


def joined(sections: Sequence[str]) -> Iterator[str]:
    """The sections with an empty line between them."""
    for i, section in enumerate(sections):
        yield f"\n\n{section}" if i else section


def cited(keys: Sequence[str]) -> str:
    """``[C1, C2]``."""
    return f"[{', '.join(keys)}]"


def listed(items: Sequence[str]) -> str:
    """``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def queried_concepts(question: Question, brief: Brief) -> list[str]:
    """The concepts that the question asks about and the claims count, in order."""
    intent = question.intent
    if intent is None or brief.kind in (QuestionKind.DIFFERENTIAL, QuestionKind.DESCRIPTION):
        return []
    wanted = dict.fromkeys([*intent.concepts, *(f"text:{p}" for p in intent.phrases)])
    counted = {c.concept for c in brief.claims}
    return [c for c in wanted if c in counted]


def _claims(brief: Brief, concept: str) -> list[Claim]:
    return [c for c in brief.claims if c.concept == concept and is_whole(c) and not c.asked]


def _counted(claims: Sequence[Claim]) -> str:
    """Who affirms, rules out, doubts and does not mention one finding."""
    if not claims:
        return ""
    by_assertion = {c.assertion: c for c in claims}
    term, of = claims[0].term, claims[0].of
    the_cases = "the one similar case" if of == 1 else f"the {of} most similar cases"
    normal = claims[0].concept == NORMAL
    rest = [
        f"{words} {len(by_assertion[a].keys)}{_citations(a, by_assertion[a].keys)}"
        for a, words in _REST.items()
        if a in by_assertion and not (normal and a in (Assertion.NEGATED, None))
    ]
    if normal and Assertion.NEGATED in by_assertion:
        keys = by_assertion[Assertion.NEGATED].keys
        rest.append(f"a finding or disease is affirmed in {len(keys)} {cited(keys)}")
    if normal and None in by_assertion:
        rest.append(f"neither in {len(by_assertion[None].keys)} {cited(by_assertion[None].keys)}")
    rate = base_rate(claims[0].prevalence)
    ending = f" (base rate: {rate})." if rate else "."
    yes = by_assertion.get(Assertion.AFFIRMED)
    if yes is not None:
        share = the_cases if of == 1 else f"{len(yes.keys)} of {the_cases}"
        first = f"in {share}: yes, {term} {cited(yes.keys)}"
        return _capital("; ".join([first, *rest]) + ending)
    none = "not affirmed in" if of == 1 else "affirmed in none of"
    return _capital(f"{term} is {none} {the_cases}: " + "; ".join(rest) + ending)


def _citations(assertion: Assertion | None, keys: Sequence[str]) -> str:
    """All the marks of what is said; where many say nothing of it, they are all the others."""
    return "" if assertion is None and len(keys) > _MANY else f" {cited(keys)}"


_MANY = 5
_REST = {
    Assertion.NEGATED: "ruled out in",
    Assertion.UNCERTAIN: "in doubt in",
    Assertion.HISTORICAL: "historical in",
    None: "not mentioned in",
}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _describes_patient(question: Question) -> bool:
    """Whether it tells of somebody: at length, or with an age or a sex."""
    return not is_bare(question) or _PATIENT.search(question.query.text) is not None


_PATIENT = re.compile(
    r"\b\d{1,3}[ -]?(?:f|m|y|yo|mo|years?|months?|weeks?|days?|a[nñ]os|anos)\b"
    r"|\b(?:man|woman|boy|girl|child|infant|newborn|neonate|patient|hombre|mujer|paciente|homem"
    r"|mulher)\b",
    re.IGNORECASE,
)


def _less_exactly(brief: Brief, concept: str) -> list[str]:
    """What cases that do not mention a finding affirm that it is a kind of."""
    wider = [
        f"{c.term} in {len(c.keys)} {cited(c.keys)}" for c in brief.claims if c.asked == concept
    ]
    return [f"Less exactly, they affirm {listed(wider)}."] if wider else []


def _of_history(question: Question, brief: Brief, cases: Sequence[Evidence]) -> list[str]:
    """What the cases like a described one turned out to be, and what they share with it."""
    shared = [
        f"{c.term} in {len(c.keys)} {cited(c.keys)}"
        for concept in queried_concepts(question, brief)
        for c in _claims(brief, concept)
        if c.assertion is Assertion.AFFIRMED
    ]
    described = "Of what is described they affirm " + (
        f"{listed(shared)}."
        if shared
        else f"nothing that the dictionary knows {cited([c.key for c in cases])}."
    )
    return [_lead(question, brief, cases), described]


def _judged(question: Question, brief: Brief, concept: str) -> list[str]:
    """What the cases say of one finding, and of an image how far that may be trusted."""
    counted = " ".join([_counted(_claims(brief, concept)), *_less_exactly(brief, concept)]).strip()
    verdict = next((v for v in brief.verdicts if v.concept == concept), None)
    if question.query.image is None or verdict is None:
        return [counted]
    if verdict.reply in (Reply.YES, Reply.NO):
        start = f"{_capital(verdict.reply)}, going by images that look alike ({verdict.reason})"
        return [f"{start}: {counted[:1].lower()}{counted[1:]}" if counted else f"{start}."]
    return [*([counted] if counted else []), f"No verdict on this image: {verdict.reason}."]


def _of_feature(question: Question, brief: Brief, found: Sequence[Evidence]) -> str:
    """What the cases with a disease say of a finding, here and in the searched corpus."""
    assert question.intent is not None
    having = next((c for c in brief.claims if c.concept == question.intent.concepts[0]), None)
    if having is None or len(brief.claims) == 1:
        everyone = cited([c.key for c in found])
        return f"{_capital(brief.reason)}, so what goes with it was not counted {everyone}."
    said = [c for c in brief.claims[1:] if c.concept == brief.claims[1].concept]
    counts = {c.assertion: c for c in said}
    term, of = said[0].term, said[0].of
    yes = counts.pop(Assertion.AFFIRMED, None)
    here = f"{len(yes.keys)} {cited(yes.keys)}" if yes else "none"
    rest = [
        f"{words} {len(counts[a].keys)}{_citations(a, counts[a].keys)}"
        for a, words in _REST.items()
        if a in counts
    ]
    rate = said[0].prevalence
    cases = f"the {of} cases" if of > 1 else "the one case"
    among = f"affirmed in {here} of {cases} here with {having.term}"
    if rate is not None and rate.of:
        among = (
            f"affirmed in {rate.affirmed:,} and ruled out in {rate.negated:,} of the {rate.of:,} "
            f"reports of the searched corpus that affirm {having.term}; of {cases} shown here "
            f"affirmed in {here}"
        )
    wider = [
        f"{c.term} in {c.prevalence.affirmed:,} of these reports, here in {len(c.keys)} "
        f"{cited(c.keys)}"
        for c in brief.claims
        if c.asked == said[0].concept and c.prevalence is not None
    ]
    less = f" Less exactly, they affirm {listed(wider)}." if wider else ""
    return _capital("; ".join([f"{term} is {among}", *rest]) + f".{less}")


def _narrowed(question: Question, brief: Brief) -> list[str]:
    """Sides and grades, where they are asked for."""
    intent = question.intent
    lines = []
    sided = [c for c in brief.claims if c.side]
    asks_side = intent is not None and intent.detail == "side"
    if sided and (asks_side or sides(question.query.text)):
        words = "; ".join(
            f"{c.term} on the {c.side} in {len(c.keys)} {cited(c.keys)}"
            for c in sorted(sided, key=lambda c: -len(c.keys))
        )
        lines.append(f"Side: {words}{_measured(question, brief, 'side')}.")
    graded = [c for c in brief.claims if c.grade]
    if graded:
        most = sorted(graded, key=lambda c: -len(c.keys))
        words = "; ".join(f"{c.term}, {c.grade}, in {len(c.keys)} {cited(c.keys)}" for c in most)
        lines.append(f"Grade: {words}{_measured(question, brief, 'grade')}.")
    asked = intent.detail if intent is not None else ""
    if (asked == "side" and not sided) or (asked == "grade" and not graded):
        affirmed = any(c.assertion is Assertion.AFFIRMED for c in brief.claims if not c.asked
                       and c.concept in queried_concepts(question, brief))  # fmt: skip
        why = "the cases that affirm it give none" if affirmed else "no case here affirms it"
        lines.append(f"No {asked} can be said: {why}.")
    return lines


def _of_nobody(question: Question, brief: Brief) -> list[str]:
    """Who asks "is there an effusion?" and shows nothing hears what reports say, and of whom."""
    judged = brief.verdicts or brief.kind is QuestionKind.CHOICE
    if not (brief.kind in _YES_OR_NO and judged and is_bare(question)):
        return []
    given = "No image and no case was given to look at"
    if brief.kind is QuestionKind.CHOICE and len(queried_concepts(question, brief)) > 1:
        return [f"{given}: cases of each were looked up, whose numbers say nothing of a patient."]
    return [f"{given}: this is what reports say of other patients."]


def _measured(question: Question, brief: Brief, detail: str) -> str:
    """How often such a side or grade was right, where it is asked of an image."""
    of_detail = question.intent is not None and question.intent.detail == detail
    if not of_detail or question.query.image is None or not brief.reason:
        return ""
    clear = "the first: " if brief.reply is Reply.YES else "not clear: "
    return f" ({clear}{brief.reason})"


def _of_definition(question: Question, brief: Brief, cases: Sequence[Evidence]) -> list[str]:
    """How many cases affirm what is explained."""
    targets = queried_concepts(question, brief)
    affirmed = [
        c for c in brief.claims
        if c.assertion is Assertion.AFFIRMED and is_whole(c) and c.concept in targets
    ]  # fmt: skip
    everyone = cited([c.key for c in cases])
    unknown = not brief.definitions
    lines = [f"No dictionary here explains the term; these cases are nearest {everyone}."]
    if not unknown:
        lines = []
    return [*lines, *[_counted(_claims(brief, affirmed[0].concept))]] if affirmed else lines


def _of_comparison(question: Question, brief: Brief, cases: Sequence[Evidence]) -> list[str]:
    if brief.compared:
        return comparison_lines(brief, cases)
    counted = [_counted(_claims(brief, c)) for c in queried_concepts(question, brief)]
    missing = (
        "No earlier study of this patient was named, so a change cannot be read here; name the "
        "patient (--patient P1), or the patient or study in the filter, as \"patient_id = 'P1'\"."
    )
    return [f"{missing} What similar cases say:", *counted] if counted else [missing]


def _lead(question: Question, brief: Brief, cases: Sequence[Evidence]) -> str:
    """The first diagnoses by support, then the findings that the cases share."""
    by_image = question.query.image is not None and not question.query.text.strip()
    start = "going by the image alone, " if by_image else ""
    the_cases = (
        "the one similar case" if len(cases) == 1 else f"the {len(cases)} most similar cases"
    )
    shared = _shared(brief)
    named = brief.differential[:LEADS]
    kinds = _kinds_named(question)
    measured = "held out" in brief.reason
    explained = measured or question.query.image is not None
    clear = brief.reply is Reply.YES or not explained
    if named:
        words = listed([_candidate(c) for c in named])
        among = f"among {the_cases}: {words}"
        if kinds:
            among = f"kinds of {kinds} {among}"
        text = f"{start}{among}"
        why = brief.reason if explained and not kinds else ""
        if why and clear:
            text += f" ({why})"
        if shared:
            text += f"; they describe {shared}"
        unclear = f" No clear lead: {why}." if why and not clear else ""
        return f"{_capital(text)}.{unclear}"
    if unseen := findings_to_explain(question):
        names = " or ".join(unseen.values())
        rest = "what it may be cannot be told from these."
        return f"No case with {names} and another diagnosis was found: {rest}"
    if shared:
        return _capital(f"{start}{the_cases} describe{'s' if len(cases) == 1 else ''} {shared}.")
    absent = [c for c in brief.claims if c.assertion is Assertion.NEGATED][:LEADS]
    if absent:
        words = listed([f"{c.term} {cited(c.keys)}" for c in absent])
        verb = (
            "affirms no finding that the dictionary knows and rules out"
            if len(cases) == 1
            else ("affirm no finding that the dictionary knows and rule out")
        )
        return _capital(f"{start}{the_cases} {verb} {words}.")
    verb = "names" if len(cases) == 1 else "name"
    everyone = cited([c.key for c in cases])
    return _capital(f"{start}{the_cases} {verb} no finding that the dictionary knows {everyone}.")


def _kinds_named(question: Question) -> str:
    """What the question asks the kinds of, in its words."""
    intent = question.intent
    if intent is None or intent.detail != KIND_OF:
        return ""
    words = {m.concept: m.text for m in question.mentions if m.concept in intent.concepts}
    return " or ".join(dict.fromkeys(words.values()))


def _shared(brief: Brief) -> str:
    diagnoses = {code_of(c) for c in brief.differential[:LEADS]}
    affirmed = [
        c for c in brief.claims
        if c.assertion is Assertion.AFFIRMED and is_whole(c)
        and c.concept not in (*diagnoses, NORMAL)
    ]  # fmt: skip
    often = sorted(affirmed, key=lambda c: -len(c.keys))[:LEADS]
    return listed([f"{c.term} {cited(c.keys)}" for c in often]) if often else ""


def named(candidate: Candidate) -> str:
    """The name of a diagnosis; in quotation marks where the words are the source's own."""
    return candidate.diagnosis if candidate.concept else f"“{candidate.diagnosis}”"


def _candidate(candidate: Candidate) -> str:
    return f"{named(candidate)} ({len(candidate.keys)} of {candidate.of}) {cited(candidate.keys)}"
