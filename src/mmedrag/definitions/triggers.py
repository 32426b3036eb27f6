"""The phrases of :mod:`mmedrag.definitions.negation`, and where the reach of each ends.

In a phrase ``...`` stands for up to three words, a space for any white space or hyphen, and ``$``
at its end means that the clause must end there ("pneumonia likely." but not "likely pneumonia").
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from mmedrag.types import Assertion

_STATES = (
    "seen; identified; present; observed; detected; demonstrated; visualized; visualised; visible"
    "; evident; appreciated; noted; found; apparent; shown; established; recognized; recognised"
)


def _listed(text: str) -> list[str]:
    return [" ".join(phrase.split()) for phrase in text.split(";") if phrase.strip()]


def _any(text: str) -> str:
    return "|".join(re.escape(p).replace(r"\ ", r"\s+") for p in _listed(text))


_STATE = _any(_STATES)
_VERB = _any(
    "is; are; was; were; has; have; had; show; shows; showed; demonstrates; reveals; remains"
    "; appears; seems; measures; contains; suggests; confirms; represents; indicates"
    "; makes; point to"
)
_TURN = r";|:(?=\s)|\s[-–—]\s|—|\b(?:{})\b".format(
    _any(
        "but; however; although; though; yet; except; apart from; aside from; other than"
        "; nevertheless; nonetheless; otherwise; whereas; while; which; because; since"
        "; secondary to; due to; despite; instead; still; therefore; given"
        "; in view of; in the setting of"
        "; arguing; diagnostic of; together with; along with; in keeping with"
        "; consistent with; compatible with"
    )
)
_CLAUSE = r",\s*(?:and\s+)?(?:{})\b".format(
    _any(
        "there; the; this; these; it; its; stable; unchanged; now; with; she; he; patient; likely"
        "; possible; possibly; probable; probably; suspected; no; without; not; status post; prior"
        "; so; mother; father; brother; sister; son; daughter"
    )
)
_ITEM = r",\s*(?:and\s+)?(?:{})\b(?![^.;]*\bn?or\b)".format(
    _any("mild; moderate; severe; small; large; minimal; right; left; bilateral; both")
)
# "No haemorrhage at the macula" says nothing of the macula, but a list may go on after the place.
_PLACE = (
    r"\b(?:in|at|within|along|around|under|beneath|behind|over)\s+(?:the|either|both)\b"
    r"(?![^;]*(?:\bn?or\b|,))"
)
_AND_CLAUSE = (
    r"\band\s+(?:there|the|this|is|are|was|were|has|shows?|stable|unchanged|an?"
    r"|possibly|probably|likely|perhaps|possible|probable|suspected)\b"
)
# "No consolidation, lung sliding preserved": a clause of its own that says what is as it should be.
_AS_IT_SHOULD_BE = (
    r",\s*(?:(?!n?or\b)[\w-]+\s+){1,3}(?:preserved|intact|maintained|patent"
    r"|unremarkable|normal|clear|flat|attached|healthy|dry|quiet)\b"
)
_THEN = r"\b(?:after|following)\b"
_STATED = rf"\b(?:{_VERB})\s+(?:{_STATE})\b|\b(?:{_STATE})\s*(?:,|and\b)"


def _compiled(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


AFTER_NEGATION = _compiled(
    _TURN,
    _CLAUSE,
    _ITEM,
    _AND_CLAUSE,
    _STATED,
    _PLACE,
    _AS_IT_SHOULD_BE,
    _THEN,
    r"\bon\b",
    r"\bwith\s+(?:stable|mild|known|small)\b",
)
AFTER_DOUBT = _compiled(_TURN, _CLAUSE, _ITEM, _AND_CLAUSE, _STATED, r"\bwith\b")
AFTER_PAST = _compiled(
    _TURN,
    _CLAUSE,
    r"\b(?:{})\b".format(
        _any(
            "presents; presenting; presented; current; currently; today; now; new; with"
            "; for evaluation"
        )
    ),
    r"\b(?:is|are|has|have|shows?|remains?|appears?|demonstrates)\b",
)
AFTER_RELATIVE = _compiled(r";|\b(?:but|however|whereas|while|patient|she|he|exam|examination)\b")
_BACK = rf"\b(?:there|{_VERB}|with|without|no|not)\b"
BEFORE = _compiled(_TURN, _BACK)
BEFORE_LIST = _compiled(_TURN, _BACK, r",(?![^;]*\b(?:n?or|and)\b)")
BEFORE_SINGULAR = _compiled(_TURN, _BACK, r",(?![^;]*\bn?or\b)", r"\band\b")
SENTENCE = _compiled(r";|\bbut\b|\bhowever\b")


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """What a trigger says, of the mentions on which side, and where its reach ends.

    A ``forward`` trigger acts on mentions after it, up to ``limit`` or ``window`` words; any other
    on mentions before it.
    """

    assertion: Assertion
    forward: bool
    limit: re.Pattern[str]
    window: int


_N, _U = Assertion.NEGATED, Assertion.UNCERTAIN
_H, _O = Assertion.HISTORICAL, Assertion.OTHER_PERSON

_PHRASES: list[tuple[Rule | None, str]] = [
    (
        None,  # pseudo-triggers: they say nothing, and hide the triggers inside them
        """no increase; no interval increase; no significant increase; no decrease; no change
        ; no ... change in; no ... change of; no ... changes in; no ... increase in
        ; no ... decrease in; no ... enlargement of; no ... growth of; no ... improvement in
        ; no ... improvement of; no ... resolution of; no ... progression of; no ... worsening of
        ; no ... change; not ... changed; not only; not just; not merely; not necessarily
        ; without ... change in; without ... change; without difficulty; without complication
        ; without ... increase in; without ... decrease in; gram negative; negative pressure
        ; false negative; no doubt; compared to ... prior; compared with ... prior
        ; comparison to ... prior; comparison with ... prior; since ... prior; since previous
        ; prior study; prior studies; prior exam; prior exams; prior examination; prior film
        ; prior films; prior ct; prior mri; prior radiograph; prior radiographs; prior scan
        ; prior imaging; prior report; prior image; prior images; prior to; previous study
        ; previous examination; previous exam; previous film; previous ct; previous mri
        ; previous scan; previous imaging; previous radiograph; previous report; previously seen
        ; previously noted; previously described; previously demonstrated; previously identified
        ; previously reported; previously shown; previously visualized; previously visualised
        ; seen previously; noted previously; described previously; partial resolution of
        ; partial clearing of; incomplete resolution of; not resolved; not completely resolved
        ; has not resolved; have not resolved; not yet resolved; has not ... resolved
        ; sister mary joseph; sister chromatid; daughter cell; daughter cells; daughter cyst
        ; daughter cysts; natural history of; if clinically indicated; if needed; if necessary
        ; negative margin; negative margins; negative node; negative nodes; negative lymph
        ; negative predictive; not well; not as well; not clearly due; not limited to
        ; not as prominent; no smaller
        ; no larger; not smaller; not larger; if clinically warranted; likely benign
        ; without contrast; without intravenous contrast; without iv contrast; without gadolinium
        ; not ... involve; not ... involving; year old; years old; yr old; month old; months old
        ; week old; weeks old; day old; days old; old study; old studies; old film; old films
        ; old records; earlier study; earlier exam; earlier examination; earlier film; earlier ct
        ; earlier mri; earlier scan; earlier radiograph; earlier imaging; earlier than""",
    ),
    (
        Rule(_N, True, AFTER_NEGATION, 20),
        """no; not; without; nor; neither; none of; never; no ... sign of; no ... signs of
        ; no ... evidence of; no ... evidence for; no ... evidence to suggest; no suggestion of
        ; no ... features of; no ... findings of; no findings to suggest; no suspicion of
        ; no suspicion for; without ... evidence of; without ... sign of; without ... signs of
        ; lack of; lack; lacks; lacking; lacked; absence of; absent; negative for
        ; free of; free from; clear of
        ; devoid of; denies; denied; denying; excludes; fails to reveal; failed to reveal
        ; fails to show; failed to show; rather than; as opposed to; resolution of
        ; complete resolution of; interval resolution of; clearing of; disappearance of
        ; evidence against; argues against; arguing against; argue against; speaks against
        ; not suggestive of; not suspicious for; not consistent with; not compatible with
        ; w/o; nil; no history of; no known history of; no known
        ; no prior; no previous
        ; no family history of; unaccompanied by; no longer; rules out
        ; ruled out a; ruled out any; ruled out the; has ruled out; have ruled out
        ; no suspicious; no possible; no definite; no convincing; no likely; not have; non
        ; nothing to suggest; nothing ... to suggest; nothing to indicate
        ; nothing ... to indicate; nothing suggestive of; no indication of; no support for
        ; no grounds for; no trace of; no hint of; no ... stigmata of; fails to demonstrate
        ; failed to demonstrate; failed to identify; ruled out:; excluded:; not a case of""",
    ),
    (
        Rule(_N, False, BEFORE_SINGULAR, 10),
        "".join(
            f"; is not ... {s}; was not ... {s}; is no longer {s}; was no longer {s}"
            for s in _listed(_STATES)
        )
        + """; is absent; was absent; is now absent; has resolved; has now resolved
        ; has ... resolved; has cleared; has ... cleared; has disappeared; is excluded
        ; was excluded; has been excluded; is ruled out; was ruled out; has been ruled out
        ; is negative; was negative; tests negative; is not confirmed; was not confirmed
        ; is gone; was denied
        ; is no longer; resolved$; negative$; negative x2; negative x3
        ; negative by; negative on
        ; negative in; excluded$; ruled out; is not$; was not$
        ; has been denied; has gone; is not a feature; was not a feature; has not occurred
        ; has not developed; has not recurred; no longer active; is lacking; is missing
        ; looked for and not found; sought and not found; searched for and not found""",
    ),
    (
        Rule(_N, False, BEFORE_LIST, 14),
        "".join(
            f"; not ... {s}; cannot be {s}; could not be {s}; are no longer {s}; no longer {s}"
            for s in _listed(_STATES)
        )
        + """; are absent; were absent; are not$; were not$; are excluded; were excluded
        ; have been excluded
        ; are ruled out; were ruled out; have been ruled out; are negative; were negative
        ; have resolved; have ... resolved; have cleared; have disappeared; were denied; absent$
        ; have gone; are not features; have not occurred; have not developed; are ... lacking
        ; lacking$; are missing; both absent; all absent
        ; not confirmed""",
    ),
    (
        Rule(_N, False, SENTENCE, 6),
        ": no$; : none; : absent; : negative; : nil; : not ... seen; : not ... identified"
        "; : not ... present; : not ... detected; : not ... found; : denied; : no evidence$",
    ),
    (
        Rule(_U, True, AFTER_DOUBT, 14),
        """possible; possibly; probable; probably; likely; most likely; presumed; presumably
        ; perhaps; maybe; suspected; suspect; suspicion of; suspicion for; suspicious for
        ; suspicious of; low suspicion for; low suspicion of; high suspicion for; concern for
        ; concerning for; concern of; concerns for; worrisome for; suggestive of; suggest
        ; suggests; suggesting; suggested; may represent; may be; may reflect; may; might; could
        ; could be; might be
        ; questionable; question of; question; query; ?; equivocal for; equivocal; unclear whether
        ; rule out; r/o; to rule out; evaluate for; evaluation for; evaluation of possible
        ; assess for; assessment for; look for; check for; screen for; screening for; exclude
        ; cannot exclude; cannot ... exclude; can't exclude; can not exclude; not exclude
        ; not ... exclude; difficult to exclude; hard to exclude; not diagnostic of; cannot rule out
        ; cannot ... rule out; can not rule out; can't rule out
        ; not rule out; whether; possibility of; risk of; risk for; risk factors for
        ; differential diagnosis includes; differential diagnosis; differential includes
        ; differential; ddx; consider; considering; consideration of; consideration for; if
        ; versus; vs; favor; favors; favoring; favour; favours; favouring; favored; favoured
        ; less likely; unlikely; potential; potentially; doubtful; borderline for; not clearly
        ; not certain; differential:; differential diagnosis:; ddx:; could be due to; may be due to
        ; might be due to; possibly due to; probably due to; likely due to; could be secondary to
        ; may be secondary to; might be secondary to; likely secondary to; thought to be
        ; thought to represent; felt to represent; felt to be; believed to be
        ; believed to represent; appears to be; appears to represent; looks like; look like
        ; resembles; resembling; would fit; could fit; might fit; may fit; indeterminate for
        ; inconclusive for; cannot distinguish; cannot ... distinguish; cannot differentiate
        ; difficult to distinguish; hard to distinguish; hard to separate from
        ; favoured over; favored over; preferred over; more likely than; less likely than
        ; suspicious of early; worry about; worried about; fear of; for evaluation of
        ; in search of; clinical suspicion""",
    ),
    (
        Rule(_U, False, BEFORE_LIST, 14),
        """cannot be excluded; cannot ... be excluded; can not be excluded; can't be excluded
        ; cannot be ... excluded; cannot be ruled out; can not be ruled out; can't be ruled out
        ; cannot be ... ruled out; not be excluded; not be ... excluded; not be ruled out
        ; not be ... ruled out; not excluded; not ... excluded; not ruled out; not ... ruled out
        ; could not be excluded; could not be ruled out; cannot be confirmed; is suspected
        ; are suspected; was suspected; were suspected; is possible; are possible; is also possible
        ; is probable; are probable; is likely; are likely; is considered; are considered
        ; should be considered; should also be considered; to be considered; may be considered
        ; could be considered; must be considered; is unlikely; are unlikely; thought unlikely
        ; is less likely; are less likely; is thought unlikely; is considered unlikely
        ; is questioned; is a consideration; are considerations; in the differential
        ; is equivocal; are equivocal; is uncertain; is in question; versus; vs; may be present
        ; might be present; could be present; to be excluded
        ; to be ruled out; difficult to exclude; hard to exclude; difficult to rule out
        ; should be excluded; must be excluded; is a possibility; is suggested
        ; are suggested; is favored; is favoured; needs to be excluded; ?$; likely$; possible$
        ; probable$; suspected$; unlikely$; less likely$; equivocal$; questionable$; favored$
        ; favoured$; not certain$; was raised; is favoured over; is favored over
        ; is preferred over; is more likely than; is less likely than; remains a concern
        ; is a concern; is of concern; remains possible; remains likely; remains suspected
        ; remains uncertain; remains unclear; remains in question; remains in the differential
        ; remains a possibility; cannot be dismissed; cannot be discounted; not be dismissed
        ; would explain; could explain; might explain; may explain; would account for
        ; could account for; might account for; may account for; is conceivable; is plausible
        ; is not certain; is not clear; suspected on; suspected because; suspected from
        ; suspected clinically; main consideration; leading consideration; first consideration
        ; primary consideration; to be clarified; to be confirmed; awaiting confirmation""",
    ),
    (
        Rule(_H, True, AFTER_PAST, 9),
        """history of; h/o; hx of; past history of; known history of; remote history of; prior
        ; previous; previously; status post; s/p; previously treated; treated for; formerly
        ; personal history of; history significant for; history notable for; past; in the past
        ; underwent; old treated; previously treated for; has had; previous history of
        ; earlier""",
    ),
    (
        Rule(_H, False, BEFORE, 12),
        """years ago; months ago; weeks ago; decades ago; a year ago; last year; years earlier
        ; in childhood; as a child; in the past; in remission; by history; previously treated
        ; previously resected; treated in; diagnosed in; repaired in; resected in; removed in
        ; operated on in; previously$; status post resection; last winter; last spring; last summer
        ; last autumn; last month; in infancy; in adolescence; in his youth; in her youth
        ; repaired years""",
    ),
    (
        Rule(_O, True, AFTER_RELATIVE, 30),
        """family history of; family history; familial history of; fhx of; fh of; fhx; family hx of
        ; mother; father; sister; brother; sibling; siblings; parents; parent; aunt; uncle; cousin
        ; grandmother; grandfather; grandparent; son; daughter; relative with; relatives with
        ; mother's; father's; sister's; brother's; wife; husband; relatives; half brother
        ; half sister; grandparents; brothers; sisters; aunts; uncles; cousins; sons; daughters
        ; twin; niece; nephew; grandmothers; grandfathers; grandson; granddaughter""",
    ),
    (
        Rule(_O, False, SENTENCE, 20),
        "".join(
            f"; in her {who}; in his {who}; in the {who}; in a {who}; in their {who}"
            for who in _listed(
                "mother; father; sister; brother; sibling; aunt; uncle; cousin; son; daughter"
                "; grandmother; grandfather; parent; family; first degree relative; relative"
            )
        )
        + "; runs in the family; in relatives; in both parents; in siblings",
    ),
]

HEADING = re.compile(
    r"\s*(?:[-*•]\s*)?(?:(?P<family>family\s+history|fhx?|family\s+hx|fam\.?\s+hx)"
    r"|past\s+(?:medical|surgical|ocular|ophthalmic)\s+history|past\s+history|previous\s+history"
    r"|pmhx?|pshx?|poh|surgical\s+history|previous\s+(?:surgery|operations?))\s*[:\-–]\s*",
    re.IGNORECASE,
)
"""Headings whose whole line is of another person (group ``family``) or of the past."""


@dataclass(frozen=True, slots=True, eq=False)
class Phrase:
    """A trigger phrase and its rules; one without rules is a pseudo-trigger."""

    text: str
    rules: tuple[Rule, ...]

    def match(self, sentence: str, at: int) -> re.Match[str] | None:
        """The phrase at character ``at`` of ``sentence``."""
        return _pattern(self.text).match(sentence, at)


HEAD = re.compile(r"[^\W_]+(?:['’/][^\W_]+)*|[?:]")
"""What a phrase may begin with."""


def head(text: str) -> str:
    """The key of :data:`TRIGGERS` for a match of :data:`HEAD`."""
    return text.lower().replace("’", "'")


@cache  # compiled on first use: there are a thousand, and most texts need a few
def _pattern(phrase: str) -> re.Pattern[str]:
    ends_clause, phrase = phrase.endswith("$"), phrase.removesuffix("$")
    written = re.escape(phrase).replace(r"\.\.\.\ ", r"(?:[\w-]+[\s-]+){0,3}?")
    written = written.replace(r"\ ", r"[\s-]+").replace("'", "['’]")
    close = r"(?!\w)" if phrase[-1].isalnum() else ""
    return re.compile(written + close + (r"(?=\s*(?:[.,;:)?!]|$))" if ends_clause else ""), re.I)


def _by_head() -> dict[str, list[Phrase]]:
    rules: dict[str, list[Rule]] = defaultdict(list)
    for rule, phrases in _PHRASES:
        for phrase in _listed(phrases):
            rules[phrase].extend([rule] if rule is not None else [])
    found: dict[str, list[Phrase]] = defaultdict(list)
    # Plain words bind before phrases with a gap of the same length, longer ones before shorter.
    for phrase in sorted(rules, key=lambda p: (-len(p.split()), "..." in p, -len(p))):
        first = HEAD.match(phrase)
        if first is not None:
            found[head(first[0])].append(Phrase(phrase, tuple(rules[phrase])))
    return dict(found)


TRIGGERS = _by_head()
"""All phrases by the word they begin with, the longest first."""
