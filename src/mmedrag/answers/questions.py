"""What a question asks for: a list of rules, the first that fits decides, its name is in the trace.

The rules look at the words that ask ("is there", "what is", "or"), never at the findings, so that a
term that nobody foresaw changes nothing. :mod:`mmedrag.answers.scope` has those that decline.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mmedrag.answers.passages import clean
from mmedrag.answers.scope import Domains, out_of_scope
from mmedrag.types import Intent, Mention, Question, QuestionKind

_IT = r"(?:it|this|that|these|those|here|he|she|they|the|his|her|their|my|our|an?|any|some)"
_BE = r"(?:is|are|was|were)"
_MODAL = r"(?:can|could|may|might|would|will|do|does|did|has|have|had)"
_CASES = (
    r"(?:cases?|examples?|images?|pictures?|films?|studies|patients?|scans?|slides?|reports?"
    r"|photographs?|radiographs?|x-?rays?|others?|mris?|cts?|something)"
)
_DISEASE = (
    r"(?:diagnos[ie]s|disease|diseases|condition|conditions|pathology|pathologies|disorders?"
    r"|entity|entities|syndrome|(?:tumou?r|cancer|neoplasm|malignancy|infection|lymphoma)s?)"
)
_PICTURE = (
    r"(?:image|picture|film|scan|slide|section|study|photograph|photo|radiograph|x-?ray|ct|mri|mr"
    r"|ultrasound|fundus|oct|biopsy|specimen|smear|mammogram|micrograph|retina|exam(?:ination)?)"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """Words that ask for one kind of answer. ``name`` is what the trace shows."""

    name: str
    kind: QuestionKind
    words: re.Pattern[str]


def _rule(name: str, kind: QuestionKind, *patterns: str) -> Rule:
    return Rule(name, kind, re.compile("|".join(f"(?:{p})" for p in patterns), re.IGNORECASE))


_K = QuestionKind
RULES: tuple[Rule, ...] = (
    _rule(
        "compares with an earlier study",
        _K.COMPARISON,
        r"\bcompar(?:e|es|ed|ing|ison)\b.*\b(?:before|previous|prior|earlier|last|old|former"
        r"|baseline"
        r"|first|yesterday|19\d\d|20\d\d|ago)\b",
        r"\b(?:interval|any) (?:change|progression|growth|improvement)s?\b.*(?:\?|since|from|\.|$)",
        r"\b(?:changed?|progress(?:ed|ion)?|improv(?:ed|ing|ement)|worsen(?:ed|ing)|resolved?"
        r"|grown|increased?|decreased?|larger|smaller|bigger|better|worse|new|stable|regressed"
        r"|evolv\w+|different)\b.*"
        r"\b(?:relative to|than (?:before|on|at|in|last)|since|over time|over the (?:last|past)"
        r"|yesterday"
        r"|(?:from|to|with|than) (?:the |a |his |her )?(?:last|previous|prior|earlier|old|first"
        r"|baseline)|compared)\b",
        r"\b(?:getting|become|gotten|got) (?:any )?(?:better|worse|larger|smaller|bigger)\b",
        r"\bcompare (?:both|the two|these two|them|the studies)\b|\bwhat(?:'s| has"
        r"| is)? (?:changed|new)\b",
        r"^(?:has|have|did)\b.*\b(?:smaller|larger|bigger|better|worse|progressed|improved"
        r"|worsened|resolved?|grown|regressed|changed"
        r"|increased|decreased|shrunk)\b",
        r"^(?:is|are)\b(?!.*\bor\b).*\b(?:new|unchanged|stable|progressing|improving|worsening"
        r"|growing)\s*\?",
    ),
    _rule(
        "asks for one of two",
        _K.CHOICE,
        r"\b(?:vs\.?|versus)(?=\s)",
        r"\b(?:distinguish|differentiate|tell|decide|choose)\b.*\b(?:between|from)\b.*",
        r"\bwhich (?:is|of|one|fits|seems|looks|would|diagnosis)\b.*\bor\b",
        rf"^(?:{_BE}(?! there\b)|{_MODAL}(?! (?:you|i|we) (?:see|find)\b)|should)\b"
        r"(?!.*\b(?:yes or no|and/or|right or left|left or right"
        r"|left or the right|or not|normal or abnormal|abnormal or normal)\b)[^.?!]*\bor\b",
        r"^(?!(?:any|is there|are there|evidence|signs?)\b)(?!.*\b(?:yes or no|and/or|or not"
        r"|right or left|left or right|with or without|normal or abnormal|one or more)\b)"
        r"(?:[\w'’/-]+ ){0,5}[\w'’/-]+,? or [\w'’/-]+(?: [\w'’/-]+){0,5} ?\?$",
    ),
    _rule(
        "asks for a meaning",
        _K.DEFINITION,
        r"\bdefin(?:e|ed|ition|itions)\b|^(?:glossary|dictionary|meaning|term)\b",
        r"\bmeant by\b|\bmeaning of\b|\bmean by\b",
        r"\bwhat (?:does|do)\b.*\b(?:mean|stand for|call)\b|\bwhat is called\b",
        r"(?<!might )(?<!could )(?<!may )(?<!would )(?<!can )\bexplain\b"
        r"(?! (?:this|the (?:image|findings?|picture|scan|appearance))\b)",
        r"^(?:in (?:simple|plain|lay|short) \w+,? )?(?:please )?(?:what(?:'s|’s|s| is| are)"
        r"|what exactly (?:is|are)) (?!(?:wrong|the|in (?:the|this)|this|that|these|those|it|here"
        r"|going on|new|seen|shown|visible|present|abnormal|your|my|his|her|he|she|we|depicted"
        r"|displayed|illustrated|pictured|possible|likely|probable|common|typical|main|top)\b)"
        r"[^?]{2,80}\??$",
        r"\btell me what\b.*\b(?:is|are|means?)\b",
        r"\b(?:qu[eé] es|qu[eé] significa|o que [eé]|qu'est-ce que?|was ist|che cos'[eè]"
        r"|cos'[eè])\b",
    ),
    _rule(
        "asks whether all is normal",
        _K.NORMALITY,
        rf"^(?:{_BE}|does|do|would|could|can)\b[^.?!]*\b(?:normal|healthy|unremarkable|ok|okay"
        r"|all right|fine|alright|clear|abnormal)\s*(?:$|[?,.]|(?:to|or|in|for|at)\b|(?:chest"
        r"|x-?ray|film|study|image|scan|fundus|retina"
        r"|slide|tissue|section|exam\w*|ct|mri|eye|lung|heart|brain|appearance|finding|report"
        r"|radiograph|smear)\b)",
        r"^no (?:abnormalit(?:y|ies)|patholog(?:y|ies)|findings?)\b[^.]*\?",
        r"\b(?:anything|something|everything|nothing) (?:is |be |at all )?(?:wrong|abnormal|normal"
        r"|unusual|ok|fine|suspicious)\b|\ball (?:clear|normal|fine|good|ok)\b",
        r"\b(?:any|some) (?:obvious |other |visible |significant )?(?:abnormalit(?:y|ies)"
        r"|abnormal findings?|patholog(?:y|ies)|problems?|issues?)\b",
        rf"^(?:{_BE}|does|do)\b[^.?!]*\b(?:of normal \w+|normal (?:by|to|under))\b",
        r"^normal\b[^.]*\?$|\bnormal or (?:abnormal|not|pathological)\b|\babnormal or normal\b",
        r"\bwithin normal limits\?",
    ),
    _rule(
        "asks for cases",
        _K.SEARCH,
        rf"\b(?:find|show|list|give|search|retrieve|display|need|get|fetch|look|see|have|pull up)\b"
        rf"(?: \w+){{0,3}}? (?:for |of )?(?:\w+ ){{0,3}}{_CASES} (?:like|of|with|similar|where|that"
        r"|which|in|from|without|showing|resembling|having|as)\b",
        rf"\b(?:similar|comparable|other|more|such) (?:\w+ )?{_CASES}\b",
        rf"^{_CASES} (?:that|like|similar|with|of|resembling|showing|where)\b",
        r"\b(?:more|any(?:thing)?|others?) (?:like|similar)\b",
        r"^(?:please )?(?:find|search|retrieve|list|look up|pull up|browse"
        r"|looking for (?:\w+ )?(?:cases|examples|images))\b",
        r"^(?:please )?show (?:me )?(?!\bme\b|what\b|whether|if\b|where)\w+",
        rf"\bwhich (?:\w+ )?{_CASES} (?:show|have|contain|with|are|had|depict)\b",
        rf"\bhow many (?:\w+ )?{_CASES}\b",
        r"\bare there (?:any |other )?(?:cases|patients|examples)\b",
    ),
    _rule(
        "asks for diagnoses",
        _K.DIFFERENTIAL,
        r"\b(?:differentials?|ddx|d/dx|dd|[ae]{1,2}tiolog(?:y|ies))\b|\bdiagnos(?:is|es|e)\b",
        r"\b(?:what|which|name|suggest|likely|likeliest|possible|probable|best|give|list|final"
        rf"|working|top)\b[^.?!]*\b{_DISEASE}\b",
        rf"^{_DISEASE}\??$|\bcauses? of\b|\bpossible (?:causes?|reasons?|explanations?)\b"
        rf"|\btop of (?:your|the) list\b",
        r"\b(?:what|which)\b[^.?!]*\b(?:cause[sd]?|causing|explain|produce|responsible|reasons?"
        r"|underl(?:ie|ies|ying)|behind)\b",
        r"\bwhat (?:else )?(?:could|may|might|would|can) (?:it|this|that|these|they|he|she)\b[^?]*"
        r"\b(?:be|have|represent|indicate|mean|suggest)\b",
        r"\bwhat (?:is|are) (?:it|this|that|these|they|we) (?:likely|probably|most likely"
        r"|dealing)\b",
        r"\b(?:what|which\b.*) should (?:be|i|we|one) (?:considere?d?|thought of|think of"
        r"|suspect(?:ed)?)\b"
        r"|\bwhat to (?:consider|think of)\b",
        r"\bwhat would (?:you|one|i|we) (?:consider|suspect|think|diagnose)\b|\bwhat happened\b",
        r"\b(?:what|any idea what)\b[^.?!]* (?:could|might|may) (?:be|this be)\b",
        r"\bwhat(?:'s|’s| is) (?:wrong|the matter)\b|^why (?:is|are|does|do)\b",
        r"\bwhat (?:does|do|has|might|could) (?:he|she|the (?:\w+ )?patient|this (?:\w+ )?patient"
        r"|they)"
        r" (?:have|has|got|suffer)\b",
        rf"\bwhat (?:type|kind|sort|subtype|class) of (?:\w+ )?(?:{_DISEASE}|lesion|mass|growth)\b",
        r"^(?:impression|your impression|dx|assessment|conclusion)\s*[?:.]?$",
    ),
    _rule(
        "asks for a description",
        _K.DESCRIPTION,
        r"\bwhat (?:else )?(?:do|does|did|can|could|would|is|are|am|changes?|abnormalit(?:y|ies)"
        r"|findings?|signs?|features?|you|i)\b[^.?!]*\b(?:see|seen|show|shows|shown|visible|depict"
        r"|depicted|looking at|present|observe|observed|find|findings?|demonstrate|demonstrated"
        r"|reveal|revealed|noted|depicted|displayed|illustrated|pictured|going on|notice)\b",
        r"\b(?:which|what) (?:\w+ ){0,2}(?:abnormalit(?:y|ies)|findings?|changes?|signs?"
        r"|features?)\b",
        r"\bdescri(?:be|ption)\b|\binterpret(?:ation)?\b|\bsummari[sz]e\b|\b(?:walk|talk"
        r"|take) me through\b",
        r"\b(?:report|read|comment(?:s)?(?: on)?|analy[sz]e|assess|review|evaluate|go through)\b "
        rf"(?:on )?(?:this|the|my|these)\b[^.?!]*\b{_PICTURE}s?\b",
        r"\b(?:write|generate|draft|produce|create|make|give)\b[^.?!]*\b(?:report|findings?"
        r"|impression)\b",
        rf"^what(?:'s|’s|s| is| are)? (?:is )?(?:in |on |about )?(?:this|that|it|these"
        rf"|the (?:\w+ )?{_PICTURE})\b[^.?!]{{0,40}}\??$",
        rf"\b(?:tell me (?:more )?about|explain) (?:this|the|these) (?:{_PICTURE}|findings?"
        rf"|appearances?)",
        r"^(?:please )?report(?: please| this)?\W*$|\bwhat (?:is|looks) abnormal\b"
        r"|\bwhat do we have\b"
        r"|\bwhat (?:structures?|cells?|organ|tissue)\b",
        r"^(?:findings?|description|report)\s*[?:.]?$",
    ),
    _rule(
        "asks for a side",
        _K.PRESENCE,
        r"\b(?:which|what) (?:side|eye|lung|kidney|breast|hemisphere|lobe)\b|\bon which\b",
        r"\b(?:left or (?:the )?right|right or (?:the )?left|unilateral or bilateral|laterality)\b",
        r"^where (?:is|are|'s)\b",
    ),
    _rule(
        "asks for a grade",
        _K.PRESENCE,
        r"\b(?:what|which|give|state|determine)\b[^.?!]*\b(?:grade|stage|severity|degree|score)\b",
        r"\bhow (?:severe|bad|advanced|large|big|marked|extensive|well[- ]differentiated"
        r"|differentiated|small)\b|\bgrade of\b",
    ),
    _rule(
        "asks what something is",
        _K.DEFINITION,
        r"^(?:please )?what(?:'s|’s|s| is| are) the (?!.*\b(?:of|in|on|for|to"
        r"|with)\b)[^?]{2,60}\??$",
    ),
    _rule(
        "asks whether something is there",
        _K.PRESENCE,
        rf"^(?:and |so |or |but |also |then |please )?(?:{_BE}|{_MODAL}|isn't|aren't|doesn't"
        rf"|don't)\b",
        r"\b(?:rule out|r/o|exclude|check for|look(?:ing)? for|screen for|evaluate for|assess for"
        r"|confirm|whether|if there (?:is|are))\b",
        r"^(?:any|evidence of|signs? of|no)\b|\byes or no\b|\bpresent\?$|\b(?:is|are) there\b",
    ),
)
"""Every rule, in the order in which they are tried."""

_LONGEST = 400
"""Characters of a sentence that are looked at, from its end."""

_GREETING = re.compile(
    r"^(?:(?:hi|hello|hey|dear \w+|good (?:morning|evening|afternoon)|please|ok|okay|so|well|doctor"
    r"|thanks?|kindly|can you (?:please )?(?=tell|explain|describe|find|show|list|give|define|write"
    r"|report|summari|interpret|compare)|could you (?:please )?(?=tell|explain|describe|find|show"
    r"|list"
    r"|give|define|write|report|summari|interpret|compare)"
    r"|i (?:would like|want|need) (?:you )?to (?:know|see) (?=what|whether|if|which))[,!. ]+)+",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"\?|^\W*(?:what|which|who|where|when|why|how|is|are|was|were|do|does|did|can|could|would"
    r"|should"
    r"|may|might|has|have|will|find|show|list|give|describe|explain|define|tell|compare|suggest"
    r"|search|retrieve|please|rule out|r/o|check|look|write|name|provide|recommend|interpret|any"
    r"|summari[sz]e|report|read|distinguish|differentiate|translate|diagnosis|differential|ddx?"
    r"|findings?|impression|ignore|meaning|definition|evidence|i need|need|more like|help|generate"
    r"|walk|talk|confirm|pull|top|possible|likely|draft|book|exclude|glossary)\b",
    re.IGNORECASE,
)
_POINTS = re.compile(r"^what(?:'s|’s| is| are) (?:it|that|this|those)\W*$", re.IGNORECASE)


_ASKS_NOTHING = "gives an image and asks nothing in words"
_ABOUT_AN_IMAGE = frozenset({_K.PRESENCE, _K.NORMALITY, _K.CHOICE, _K.DESCRIPTION, _K.COMPARISON})
"""Who asks of an image whether it shows pneumonia has not said that it does."""


_TERM_WORDS = 5
"""A term that is pointed at ("Bull's eye maculopathy - what is that?") has no more words."""


@dataclass(frozen=True, slots=True)
class RuleReader:
    """A :class:`~mmedrag.protocols.QuestionReader` by rules.

    ``domains`` says which corpora use a concept (as ``Concepts.domains`` of a dictionary does);
    with it, a question that does not fit its image is declined.
    """

    domains: Domains | None = None

    def read(self, question: Question) -> Intent:
        """The kind of the question, what it asks about, and whether it is one for us."""
        text = clean(question.query.text)
        asked = asking_part(text)
        concepts = _asked_about(text, asked, question.mentions)
        kind, rule = kind_of(asked, has_image=question.query.image is not None)
        if _POINTS.search(asked) and (told := text.replace(asked, " ").split()):
            if len(told) <= _TERM_WORDS and concepts and question.query.image is None:
                kind, rule = _K.DEFINITION, "asks what the term before it is"
            else:
                kind, rule = _K.DIFFERENTIAL, "asks what the case before it is"
        plain = asked if _ASKING.search(asked) else ""
        if reason := out_of_scope(question, plain, kind, self.domains):
            why = reason.sentence
            return Intent(_K.OUT_OF_SCOPE, reason.rule, concepts, reason=why, described=text)
        phrases = () if concepts else phrases_of(asked, kind)
        about_image = (
            question.query.image is not None and kind in _ABOUT_AN_IMAGE and rule != _ASKS_NOTHING
        )
        described = text.replace(asked, " ").strip() if about_image else text
        return Intent(kind, rule, concepts, _detail(rule), phrases=phrases, described=described)


def kind_of(text: str, *, has_image: bool) -> tuple[QuestionKind, str]:
    """The kind of a question that is in scope, and the name of the rule that decided."""
    for rule in RULES:
        if rule.words.search(text):
            return rule.kind, rule.name
    if text.endswith("?"):
        return _K.PRESENCE, "names a finding and a question mark"
    if has_image:
        return _K.DESCRIPTION, _ASKS_NOTHING
    return _K.SEARCH, "describes a case and asks nothing"


def asking_part(text: str) -> str:
    """The sentence of a text that asks; all of it where none does. Greetings are left out.

    A history may come first ("45-year-old woman with seizures. What is it likely to be?").
    """
    pieces = [
        p.strip()
        for p in re.split(
            r"(?<=[.?!;])\s+|:\s+(?=(?:what|is|are|which|how|does|do|can|could)\b)"
            r"|(?<!\s)\s++[-–]\s++(?=\w+ (?:is|are|was|does|do)\b)(?!which)|\n+",
            text,
        )
        if p.strip()
    ]
    pieces = [p for p in (_GREETING.sub("", piece[-_LONGEST:]) for piece in pieces) if p]
    asking = [p for p in pieces if _ASKING.search(p)]
    marked = [p for p in asking if p.endswith("?")]
    return (marked or asking or [text])[-1][-_LONGEST:]


def _asked_about(text: str, asked: str, mentions: Sequence[Mention]) -> tuple[str, ...]:
    """The concepts of the asking sentence; where it names none, those of the whole text."""
    start = text.find(asked)
    inside = [m for m in mentions if start <= m.start < start + len(asked)]
    return tuple(dict.fromkeys(m.concept for m in inside or mentions))


_ASKED = re.compile(
    r"^(?:is|are|was|were|any|do|does|did|can|could|has|have|evidence of|signs? of|rule out|r/o"
    r"|exclude|check for|look for"
    r"|which is more likely)?\s*(?:you |we |i |he |she |it |they |this |these |that "
    r"|the (?:patient|image|slide|biopsy|film|scan|section) )?"
    r"(?:there |see |seen |have |had |show |shows |contain |a case of |signs? of |evidence of "
    r"|be |been )*(?:any |an? |the |some )*"
    r"(?P<what>[^?.!,;]+?)(?: (?:present|visible|seen|here|noted|identified|found|(?:in|on"
    r"|of) (?:this|the|these|my|his|her)\b.*))?[?.! ]*$",
    re.IGNORECASE,
)


def phrases_of(asked: str, kind: QuestionKind) -> tuple[str, ...]:
    """What a question asks about in words that no dictionary has; at most four words each."""
    if kind not in (_K.PRESENCE, _K.CHOICE):
        return ()
    match = _ASKED.match(asked)
    whole = match["what"] if match else ""
    parts = re.split(r"\s+(?:or|vs\.?|versus)\s+", whole) if kind is _K.CHOICE else [whole]
    cleaned = (re.sub(r"^(?:an?|the|any)\s+", "", p.strip(), flags=re.IGNORECASE) for p in parts)
    return tuple(p for p in cleaned if 0 < len(p.split()) <= 4)


def _detail(rule: str) -> str:
    return {"asks for a side": "side", "asks for a grade": "grade"}.get(rule, "")
