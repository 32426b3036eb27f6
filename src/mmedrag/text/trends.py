"""Words of change: what a report says became of a finding since an earlier study.

"Interval increase of the effusion", "the consolidation has resolved", "no longer seen". A finding
has the change that is named in its own words or beside it in its clause, as it has its side
(:mod:`mmedrag.text.laterality`), or in a sentence without a subject of its own behind it ("Worsened
compared with the earlier examination."). English, Spanish and Portuguese.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mmedrag.text.sentences import spans
from mmedrag.types import Assertion, Mention, Trend

# What is merely dense or low ("increased density") has not changed; "interval" says that it has.
_LOOK = (
    r"(?!\s+(?:in\s+)?(?:density|densities|opacity|opacities|opacification|attenuation|markings"
    r"|signal|echogenicity|uptake|thickness|vascularity|lung volumes?|volume|caliber|calibre"
    r"|cup|risk|sensitivity|numbers? of))"
)
_COMPLETE = r"(?:complete|full|entire|total)"
_PARTLY = (
    r"(?:part(?:ial|ly|ially)?|incomplete(?:ly)?|near(?:ly)?|some|slow(?:ly)?|mild(?:ly)?"
    r"|slight(?:ly)?|almost|mostly|gradual(?:ly)?|large(?:ly)?|virtual(?:ly)?|substantial(?:ly)?"
    rf"|not(?: yet)?(?= {_COMPLETE}))(?:[- ]{_COMPLETE}(?:ly)?)?"
)
_GOES_ON = r"(?:increas|enlarg|grow|progress|worse|expand|improv|bett|decreas|larg|small|bigg)\w*"
_MORE = r"(?:worse|larger|greater|bigger|smaller|better|denser|(?:more|less) \w+)"
_OTHER = r"(?:left|right|other|opposite|contralateral)"
_BEFORE = r"(?:before|previously|on the (?:prior|previous|last))"
_ANTES = (
    r"(?:que|do que|al|ao) (?:(?:en|no|na|el|la|o|a) ){0,2}"
    r"(?:previ[oa]|anterior|estudio|exame)"
)
_RULES: tuple[tuple[Trend | None, str], ...] = (
    (None, r"(?:no|without|rather than)(?: evidence of)?(?: any)? (?:new|newly|sign of (?:new|"
     r"progress\w+))|(?:new|progressive)(?=\s+(?:york|born))|sin nuev\w+|sem nov\w+"
     r"|new(?:ly)?[- ]diagnos\w+"
     r"|(?:more|less) \w+ (?:in|on|at|than) (?:the|its) (?:left|right|upper|lower|other|opposite)"
     rf"|{_MORE} than (?:(?:in|on|at|that of) )?(?:the |its )?{_OTHER}"
     rf"|{_MORE} (?:in|on|at) the {_OTHER}(?: \w+)? (?:than|compared (?:to|with) the {_OTHER})"
     r"|volumes? (?:(?:is|are|remains?) )?(?:\w+ly )?(?:decreas|reduc|diminish|increas)\w*"
     r"|better (?:evaluat|seen|visuali|characteri|assess|appreciat|delineat|demonstrat|defin)\w*"
     r"|if (?:[\w']+ ){1,4}(?:(?:does|do|has|have|is|are) not \w+|persist\w*|worsen\w*|progress\w*)"
     r"|not (?:an? |definitely |clearly )?new|(?:well|fully|normally|adequately|poorly)[- ]expanded"
     r"|lungs? (?:(?:is|are|has|have)(?: \w+)? )?(?:re-?)?expan(?:d\w*|sion)|expansion of the"
     r"(?: \w+)? lungs?|(?:ha?emodynamically|clinically|neurologically) stable"
     r"|(?:(?:ensure|document|confirm|verify|assess|evaluate|monitor|check|allow|await(?:ing)?|pending"
     r"|until)(?: for)?|follow(?:ed|ing)?(?:[- ]?up)?(?: \w+){0,3}? (?:for|to|until)(?: exclude)?)"
     r"(?: (?:complete|interval|full|any|further))?"
     r" (?:resolution|clear(?:ing|ance)|improvement|progression|stability|growth|change|worsening"
     r"|regression|increase|decrease)s?"
     r"|(?:until|till)(?: (?:it|this|they|these) (?:has|have|is|are))?(?: \w+ly)?"
     r" (?:resolved|cleared|gone|disappeared)"
     r"|(?:high|low|spatial|image)[- ]resolution|alta resolu(?:ci[oó]n|[cç][aã]o)"),
    (
        Trend.UNCHANGED,
        r"unchanged|stable|not (?:significantly |substantially |appreciably )?(?:changed|increased"
        r"|decreased|improved|worsened|progressed|resolved)|(?:no|not)(?: any)? (?:worse"
        r"|better|larger|smaller|bigger)"
        rf"|no longer (?=\w+ing){_GOES_ON}|neither {_GOES_ON} n?or \w+"
        r"|non-?resolving|unresolved|(?:no|without)"
        r"(?: (?:sign|evidence|suggestion|indication)s? of)?(?: significant"
        r"| appreciable| substantial| definite| relevant)?(?: interval)? (?:change|increase"
        r"|decrease|progression|regression|improvement|worsening|growth|resolution)s?"
        r"|(?:has|have|did|does) not (?:yet )?(?:changed?|increased?|improved?|worsen(?:ed)?"
        r"|progress(?:ed)?|resolved?|cleared?|enlarged?)"
        r"|not (?:significantly |appreciably )different|similar in (?:appearance|size|extent)"
        r"|persist(?:s|ed|ent|ing|ently)?|remain(?:s|ed)?(?! (?:of|no))|similar to (?:the )?"
        r"(?:prior|previous)|as before|constant in size"
        r"|estables?|sin cambios?|persistente|est[aá]vel|inalterad[oa]s?|sem altera\w+",
    ),
    (
        Trend.BETTER,
        rf"{_PARTLY} (?:interval )?(?:resolution|resolved?|clear(?:ed|ing)|resolving|regression"
        r"|disappear\w*)|resolving|clearing|improv(?:es|ed|ing|ement)|better"
        rf"|(?:interval|has|have|had|is|are)(?: also| since)? (?:decreas|reduc)\w*"
        rf"|(?:decreas(?:ed|ing|e)|diminish(?:ed|ing)|reduced)\b{_LOOK}|smaller|reduction in"
        r"|regress(?:ed|ing|ion)|reced(?:ed|ing)|shrunk(?:en)?|shrinking|(?:less|not as)"
        r" (?:extensive|dense|large|prominent|pronounced|marked|severe|conspicuous)"
        rf"|less than {_BEFORE}|halved|absorption|absorbed"
        r"|(?:casi|parcialmente|quase)(?: \w+mente)? (?:resuelt|resolvid|desaparec)\w*"
        rf"|e[nm] (?:v[ií]as? de )?resolu(?:ci[oó]n|[cç][aã]o)|menor {_ANTES}"
        r"|mejor(?:[ií]a|[oó]|ad[oa])|disminu\w+|melhor(?:a|ou|ad[oa])|diminu\w+|reduziu",
    ),
    (
        Trend.RESOLVED,
        rf"resolved|{_COMPLETE}(?:ly)? (?:interval )?(?:clear(?:ing|ance)"
        r"|regression)|(?:interval |complete(?:ly)? |full |total )?resolution|no longer(?: \w+)?"
        r"|cleared|disappear(?:ed|ance)|(?:has|have) gone|vanished|completely absorbed"
        r"|resuelt[oa]s?|resoluci[oó]n|desapareci\w+|resolvid[oa]s?|resolu[cç][aã]o|desaparec\w+",
    ),
    (
        Trend.WORSE,
        r"worse(?:n(?:s|ed|ing))?|progress(?:es|ed|ing|ive(?:ly)?|ion)|enlarging"
        r"|(?:interval|has|have|had|is|are)(?: also| since)? (?:increas|enlarg|grow|grew)\w*"
        r"|(?:interval|has|have|had)(?: also| since)? expan\w+"
        rf"|grew|bigger|doubled|tripled|greater than {_BEFORE}|ma[iy]or {_ANTES}"
        rf"|increas(?:ed|ing|e)\b{_LOOK}|larger|grown|denser|more (?:extensive|dense"
        r"|prominent|pronounced|marked|severe|conspicuous|confluent|diffuse)|deteriorat(?:ed|ing|ion)"
        r"|aument(?:o|ó|ou|ad[oa]s?)\b|empeor\w+|progres(?:i[oó]n|iv[oa]s?|s[aã]o)|pior(?:a|ou)",
    ),
    (
        Trend.NEW,
        r"now (?:evident|seen|visible|present|apparent|identified|demonstrated)"
        r"|new(?:ly)?|(?:interval )?development of|has developed|have developed|(?:newly|recently) "
        r"(?:appeared|developed)|(?:has|have) appeared|de novo|not (?:seen|present) (?:before|"
        r"previously)|nuev[oa]s?|apareci[oóeu]\w*|nov[oa]s?|surgi(?:u|ram|mento)",
    ),
)  # fmt: skip
_WORDS = "|".join(f"(?P<r{i}>{p})" for i, (_, p) in enumerate(_RULES))
_CHANGE = re.compile(rf"(?<![^\W_])(?:{_WORDS})(?![^\W_])", re.IGNORECASE)
_JUDGES = re.compile(
    r"wors|deteriorat|improv|better|regress|resol|clear|disappear|new|appear|now|unchanged|stable"
    r"|no |without|not |persist|remain|mejor|empeor|melhor|pior|estable|est[aá]vel|sin |sem |nuev"
    r"|nov",
    re.IGNORECASE,
)
"""Words of change that say good or bad of anything; an increase may be either."""
_PICTURE = re.compile(
    r"\b(?:appearances?|radio(?:graph|log)\w*|films?|images?|imaging|x-?rays?|scans?|lungs?|picture"
    r"|pattern|changes|alterations?|abnormalit\w+|lesions?|disease|infiltrat\w+|findings|extent"
    r"|imagen|im[aá]gen(?:es)?|lesion(?:es)?|les[aã]o|les[oõ]es|cambios|altera\w+|hallazgos|achados)\b",
    re.IGNORECASE,
)
"""What is seen, or its extent: more of it is worse."""
_DEGREE = (
    r"(?:(?:now|since|also|again|slightly|mildly|markedly|much|significantly|somewhat|further"
    r"|clearly|minimally) )*"
)
_WITHOUT_SUBJECT = re.compile(
    rf"\W*(?:(?:it|this|that|these|they)(?: (?:is|are|was|were|has|have|had))? )?{_DEGREE}"
    rf"(?:{_WORDS})(?![^\W_])(?: in (?:size|extent|number|appearance|the interval))?"
    r"(?:,? (?:(?:when|as) )?(?:compared|in comparison|relative|since|than|from|over|with respect"
    r"|desde|respecto|em rela[cç][aã]o|en comparaci[oó]n|comparad[oa])\b[^\n]*)?\W*",
    re.IGNORECASE,
)
"""A sentence that says a change and, but for a pronoun, not of what."""
_COMMA = re.compile(r",\s+(?!(?:and|or|y|e)\b)")
_CLAUSE_END = re.compile(r"[.;:()\n]|\b(?:but|while|whereas|although|"
                         r"however|with|pero|mas|com)\b", re.IGNORECASE)  # fmt: skip
_LISTED = re.compile(r"\s*(?:,|and|or|,\s*and|y|e)\s+", re.IGNORECASE)
"""Between two findings of one list, which share the words of change beside it."""
_NEAR = 70
"""Characters before and after a finding in which its change is looked for."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A change and the words that say it."""

    trend: Trend
    words: str


def trends_of_findings(text: str, mentions: Sequence[Mention]) -> dict[str, Wording]:
    """What the text says became of each concept; those of which it says nothing are left out.

    The words nearest to a mention count; where a text says two things of one finding, the last.

    Args:
        text: that was read.
        mentions: of the text, in its order (:meth:`DefinitionSource.recognise`).
    """
    wordings = _without_subject(text, mentions)
    findings = [m for m in mentions if m.kind.is_finding]
    for mention in findings:
        before = bisect_left(findings, mention.start, key=lambda m: m.start) - 1
        after = bisect_right(findings, mention.start, key=lambda m: m.start)
        last = findings[before].end if before >= 0 else 0
        following = findings[after].start if after < len(findings) else len(text)
        if wording := _beside(text, mention, last, following):
            wordings[mention.concept] = wording
    for one, other in (*pairwise(findings), *(pair[::-1] for pair in pairwise(findings))):
        between = text[min(one.end, other.end) : max(one.start, other.start)]
        alike = one.assertion is other.assertion
        if alike and one.concept in wordings and _LISTED.fullmatch(between):
            wordings.setdefault(other.concept, wordings[one.concept])
    return wordings


def other_changes(text: str, mentions: Sequence[Mention]) -> list[tuple[int, int, Wording]]:
    """Clauses that say a change of something that is no finding of the dictionary.

    "Remarkable improvement in appearances since the last radiograph." What has merely increased or
    decreased is left out where it is not the picture: more ventilated lung is not worse.

    Args:
        text: that was read.
        mentions: of the text, in its order (:meth:`DefinitionSource.recognise`).

    Returns:
        Where each clause starts and ends, with its change, in the order of the text.
    """
    starts = [m.start for m in mentions if m.kind.is_finding]
    changes = []
    affirmed = False  # a finding that a sentence without a subject speaks of
    for first, last in spans(text):
        own = starts[bisect_left(starts, first) : bisect_left(starts, last)]
        if own or not (affirmed and _WITHOUT_SUBJECT.fullmatch(text, first, last)):
            for start, end in _clauses(text, first, last):
                alone = bisect_left(own, start) == bisect_left(own, end)
                if alone and (wording := _of_anything(text, start, end)):
                    changes.append((start, end, wording))
        affirmed = affirmed or bool(own)
    return changes


def _of_anything(text: str, start: int, end: int) -> Wording | None:
    """The first change that a clause without a finding says."""
    picture = _PICTURE.search(text, start, end)
    for match in _CHANGE.finditer(text, start, end):
        wording = _wording(match, match.group())
        if wording and (picture or _JUDGES.search(wording.words)):
            return wording
    return None


def _clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the clauses of a sentence start and end, without blanks around them."""
    cuts = [c for m in _CLAUSE_END.finditer(text, start, end) for c in m.span()]
    for low, high in zip((start, *cuts[1::2]), (*cuts[::2], end), strict=True):
        clause = text[low:high]
        if stripped := clause.strip(" \t\n,"):
            at = low + clause.index(stripped)
            yield at, at + len(stripped)


def _without_subject(text: str, mentions: Sequence[Mention]) -> dict[str, Wording]:
    """What sentences without a subject say, of the findings that the last one before affirms."""
    wordings: dict[str, Wording] = {}
    affirmed: list[str] = []
    for start, end in spans(text):
        own = [m for m in mentions if m.kind.is_finding and start <= m.start < end]
        match = None if own or not affirmed else _WITHOUT_SUBJECT.fullmatch(text, start, end)
        if match and (wording := _wording(match, match[match.lastgroup or "r0"])):
            wordings |= dict.fromkeys(affirmed, wording)
        affirmed = [m.concept for m in own if m.assertion is Assertion.AFFIRMED] or affirmed
    return wordings


_WISHED = re.compile(
    r"\b(?:until|till|once|to (?:ensure|confirm|document|verify|make sure))(?: [\w-]+){0,4}\s*$",
    re.IGNORECASE,
)
"""Before a finding of which it is said what should become of it, not what did."""


def _beside(text: str, mention: Mention, last: int, following: int) -> Wording | None:
    low, high = max(last, mention.start - _NEAR), min(following, mention.end + _NEAR)
    before = _COMMA.split(_CLAUSE_END.split(text[low : mention.start])[-1])[-1]
    after = _CLAUSE_END.split(text[mention.end : high])[0]
    if _WISHED.search(before):
        return None
    if mention.end + len(after) == following:  # behind a comma the next finding is spoken of
        after = _COMMA.split(after)[0]
    near = [(len(before) - m.end(), m) for m in _CHANGE.finditer(before)]
    near += [(m.start(), m) for m in _CHANGE.finditer(after)]
    for _, match in sorted(near, key=lambda pair: pair[0]):
        return _wording(match, match.group())
    return None


def _wording(match: re.Match[str], words: str) -> Wording | None:
    trend = _RULES[int((match.lastgroup or "r0")[1:])][0]
    return None if trend is None else Wording(trend, words.lower())
