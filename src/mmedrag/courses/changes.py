"""What became of each finding from study to study: by words of change, and by assertions.

A finding that the study before denies and this one affirms is new; affirmed before and denied now,
it has resolved. Between two studies that both affirm it, the later report's own words decide, and
where it has none it is unchanged. Where words and assertions differ, the change says how. What a
report says of the picture as a whole ("improvement in appearances") is a change of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten
from typing import TypeAlias

from mmedrag.courses.normality import normal_now
from mmedrag.courses.sides import SIDES, is_bilateral, states_by_side, trends_by_side
from mmedrag.courses.studies import Study, days_between, state_of
from mmedrag.protocols import Ontology
from mmedrag.text.quotations import quotable
from mmedrag.text.sentences import spans
from mmedrag.text.sizes import Size
from mmedrag.text.trends import Wording, other_changes, trends_of_findings
from mmedrag.types import Assertion, Change, Trend

_A, _N = Assertion.AFFIRMED, Assertion.NEGATED
COPIED = 80
"""Characters of a sentence that is not written twice by chance."""

MEASURABLE = 2.0
"""Millimetres by which sizes must differ to tell of growth (MacMahon et al. 2017, Fleischner)."""

LONGEST = 200
"""Characters of a report that are quoted for a change of no finding."""

Compared: TypeAlias = tuple[str, Assertion | None, Assertion, Wording | None]
"""A side, what was and is said of a finding there, and the words of change."""

Words: TypeAlias = Mapping[tuple[str, str], Wording]
"""Words of change by concept and side; by concept and ``""`` as a whole."""

Sentences: TypeAlias = list[tuple[int, int]]
"""Where sentences of a text start and end."""

_THERE_BEFORE = frozenset({Trend.WORSE, Trend.UNCHANGED, Trend.BETTER})


def changes_of(studies: Sequence[Study], ontology: Ontology) -> list[Change]:
    """All changes of a course, by study and then in the order of its report.

    Each study is held against the last study before it that speaks of the finding, is of the same
    part of the body and modality. Studies of unknown time take no part.
    """
    timed = [study for study in studies if study.time is not None]
    return [c for i in range(len(timed)) for c in changes_since(timed[:i], timed[i], ontology)]


def changes_since(earlier: Sequence[Study], study: Study, ontology: Ontology) -> list[Change]:
    """What became of a patient's findings in one study, held against those before it.

    A text that repeats the one before, or a long sentence of an earlier one, as notes on several
    figures of one patient do, says by its words of change nothing of this study; what it asserts
    counts.
    """
    before = [s for s in earlier if s.comparable(study)]
    if before and before[-1].text == study.text:
        return list(_changes(before, study, {}, ontology))
    earlier_texts = "\n".join(s.text for s in before)
    news = [_news(earlier_texts, evidence.text) for evidence in study.evidence]
    return [
        *_changes(before, study, _words(study, news), ontology),
        *_other_changes(before, study, news, ontology),
    ]


def _changes(
    before: Sequence[Study], study: Study, words: Words, ontology: Ontology
) -> Iterator[Change]:
    for concept, state in study.states.items():
        previous = next((s for s in reversed(before) if state_of(s, concept, ontology)), None)
        was = None if previous is None else state_of(previous, concept, ontology)
        whole = ("", was, state, words.get((concept, "")))
        for side, before_it, now, wording in _apart(previous, study, concept, words) or [whole]:
            sizes = () if side else _sizes(previous, study, concept)
            trend = _trend(before_it, now, wording.trend if wording else _growth(sizes))
            if trend is None:
                continue
            yield Change(
                concept=concept,
                term=study.terms[concept],
                trend=trend,
                earlier=previous.key if previous else "",
                later=study.key,
                days=days_between(previous, study),
                words=wording.words if wording and wording.trend is trend else "",
                contradiction=_contradiction(before_it, now, wording),
                side=side,
                measured=" to ".join(f"{size:g} mm" for size in sizes),
            )


def _apart(previous: Study | None, study: Study, concept: str, words: Words) -> list[Compared]:
    """What both studies say of a finding by side; empty where the sides need not be told apart."""
    earlier = states_by_side(previous, concept) if previous else {}
    later = states_by_side(study, concept)
    if not earlier or not later or is_bilateral(study, concept):
        return []
    sides = [
        (side, earlier.get(side), later[side], words.get((concept, side)))
        for side in SIDES if side in later
    ]  # fmt: skip
    ways = {(was, now, wording and wording.trend) for _, was, now, wording in sides}
    return sides if len(ways) > 1 or earlier.keys() != later.keys() else []


def _other_changes(
    before: Sequence[Study], study: Study, news: Sequence[Sentences], ontology: Ontology
) -> Iterator[Change]:
    """What the reports of a study say has changed, or is normal now, and name no finding for."""
    previous = before[-1] if before else None
    quotes: dict[str, Wording] = {}
    for evidence, own in zip(study.evidence, news, strict=True):
        for start, end, wording in other_changes(evidence.text, evidence.mentions):
            if any(a <= start < b for a, b in own):
                quotes.setdefault(_quoted(evidence.text[start:end]), wording)
    for evidence, mention in normal_now(previous, study, ontology) if previous else ():
        start, end = next(s for s in spans(evidence.text) if s[0] <= mention.start < s[1])
        words = evidence.text[mention.start : mention.end].lower()
        quotes.setdefault(_quoted(evidence.text[start:end]), Wording(Trend.RESOLVED, words))
    for quote, wording in quotes.items():
        yield Change("", quote, wording.trend, previous.key if previous else "", study.key,
                     days_between(previous, study), wording.words)  # fmt: skip


def _quoted(text: str) -> str:
    return shorten(quotable(text), LONGEST, placeholder=" …")


def _words(study: Study, news: Sequence[Sentences]) -> Words:
    wordings: dict[tuple[str, str], Wording] = {}
    for evidence, own in zip(study.evidence, news, strict=True):
        mentions = [m for m in evidence.mentions if any(a <= m.start < b for a, b in own)]
        whole = trends_of_findings(evidence.text, mentions)
        wordings.update({(concept, ""): wording for concept, wording in whole.items()})
        wordings.update(trends_by_side(evidence.text, mentions))
    return wordings


def _news(earlier_texts: str, text: str) -> Sentences:
    """Where the sentences of a text are that were not copied from earlier ones."""
    return [
        (start, end)
        for start, end in spans(text)
        if len(sentence := text[start:end].strip()) < COPIED or sentence not in earlier_texts
    ]


def _sizes(previous: Study | None, study: Study, concept: str) -> tuple[float, ...]:
    """The size of a finding before, as either report gives it, and now; empty where unknown."""
    size = study.sizes.get(concept, Size())
    before = size.before
    if before is None and previous is not None and previous.text != study.text:
        before = previous.sizes.get(concept, Size()).now
    return () if before is None or size.now is None else (before, size.now)


def _growth(sizes: Sequence[float]) -> Trend | None:
    if not sizes:
        return None
    before, now = sizes
    if abs(now - before) < MEASURABLE:
        return Trend.UNCHANGED
    return Trend.WORSE if now > before else Trend.BETTER


def _trend(was: Assertion | None, state: Assertion, stated: Trend | None) -> Trend | None:
    """What became of a finding that was and is in these states, with what is said of it."""
    if state is _N:
        return Trend.RESOLVED if was is _A or stated is Trend.RESOLVED else None
    if was is _N:
        return Trend.NEW if state is _A else None
    if stated is not None and state is not _N:
        return stated
    return Trend.UNCHANGED if was is _A and state is _A else None


def _contradiction(was: Assertion | None, state: Assertion, wording: Wording | None) -> str:
    if wording is None or was not in (_A, _N):
        return ""
    if was is _N and wording.trend in _THERE_BEFORE and state is _A:
        return f"the later report says “{wording.words}”, but the earlier one rules it out"
    if was is _N and wording.trend is Trend.RESOLVED:
        return f"the later report says “{wording.words}”, but the earlier one already rules it out"
    if was is _A and wording.trend is Trend.NEW:
        return f"the later report says “{wording.words}”, but the earlier one affirms it"
    if was is _A and state is _N and wording.trend in _THERE_BEFORE:
        return f"the later report says “{wording.words}”, but rules it out"
    return ""
