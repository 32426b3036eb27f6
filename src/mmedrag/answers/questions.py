"""What a question asks for: rules find the sentence that asks, a small model reads it.

:mod:`mmedrag.answers.question_model` is the model. Without it, the first rule that fits decides:
:mod:`mmedrag.answers.question_rules` and :mod:`mmedrag.answers.romance` have the rules,
:mod:`mmedrag.answers.scope` those that decline.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

from mmedrag.answers import romance
from mmedrag.answers.answerable import IMPERATIVE
from mmedrag.answers.associations import ASSOCIATED, asks_what_goes_with, is_general
from mmedrag.answers.counting import COUNT, asks_how_many, counts_all
from mmedrag.answers.features import FEATURE, Feature, asked_feature
from mmedrag.answers.foreign import SENTENCE, UNREAD, is_unread
from mmedrag.answers.histories import asks_in_history, is_history
from mmedrag.answers.kinds import KIND_OF, asked_for_kinds
from mmedrag.answers.nouns import NOUNS, said_of
from mmedrag.answers.question_model import LABELS, verdict
from mmedrag.answers.question_rules import (
    ABNORMAL,
    ALL_NORMAL,
    APART,
    BY_MARK,
    BY_NOTHING,
    HELD,
    NOT_NORMAL,
    OF_A_NUMBER,
    OF_ABNORMAL,
    OF_ASSOCIATIONS,
    OF_NORMAL,
    OF_RECORDS,
    RULES,
)
from mmedrag.answers.scope import (
    Domains,
    OutOfScope,
    against_image,
    certainly_declined,
    declined,
    out_of_scope,
)
from mmedrag.answers.scope_rules import HISTORY
from mmedrag.answers.shorthand import spelled_out
from mmedrag.text.language import OTHER, language
from mmedrag.text.quotations import clean
from mmedrag.types import Assertion, Intent, Kind, Mention, Question, QuestionKind

_K = QuestionKind
_SHORT = 6
"""Words of a text up to which it is a request, and no description of a case."""

_LONGEST = 400
"""Characters of a sentence that are looked at, from its end."""

_MOST_REQUESTS = 10
"""Sentences of a text that are read as what it asks: the last."""

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
    r"|walk|talk|confirm|pull|top|possible|likely|draft|book|exclude|glossary|dictate|got|no"
    r"|without"
    r"|follow[- ]?up|fleischner|recommendations?|put|treatment|management|recurrence"
    r"|complications?|make|create|prepare|order|send"
    r"|call|antibiotics?|drugs?|dose|prognosis|side effects|grade|verify|choose|pick|point|go over"
    r"|teach"
    r"|hay|existe|que|qué|cu[aá]l|qual|o que|busca|mostre|muestra|describe|descreva"
    r"|diagn[oó]stico)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"(?<=[.?!;])(?<!vs\.)\s+(?!or\b)|:\s+(?=(?:what|is|are|which|how|does|do|can|could)\b)"
    r"|(?<!\s)\s++[-–]\s++(?=\w+ (?:is|are|was|does|do)\b)(?!which)|\n+"
)
_CLAUSE = re.compile(
    r",? (?:and|but|then|also|or)(?: also| then| if so,?)? (?=(?:should|shall|what|which|how|when"
    r"|why"
    r"|where|who|is|are|do|does|can|could|will|would|must|may|has|have|tell|give|write|describe"
    r"|show|explain)\b)|, (?=(?:what|how|should)\b)",
    re.IGNORECASE,
)
_POINTS = re.compile(
    r"^(?:if (?:not|so|yes|no),? |and |so |then )?what(?:'s|’s| is| are) (?:it|that|this"
    r"|those)\W*$",
    re.IGNORECASE,
)


_ASKS_NOTHING = "gives an image and asks nothing in words"
_ABOUT_AN_IMAGE = frozenset({_K.PRESENCE, _K.NORMALITY, _K.CHOICE, _K.DESCRIPTION, _K.COMPARISON})
"""Who asks of an image whether it shows pneumonia has not said that it does."""


_TERM_BEFORE, _CASE_BEFORE = "asks what the term before it is", "asks what the case before it is"
_FIXED = frozenset({_TERM_BEFORE, _CASE_BEFORE})
_PLAIN = frozenset(LABELS) - {"side", "grade"}
"""Labels that say no more than their kind, so that a rule of the kind keeps its name."""

_OPEN = frozenset({_K.DIFFERENTIAL, _K.DESCRIPTION, _K.NORMALITY})

_OF_A_PATIENT = re.compile(r"\d|,|\b(?:man|woman|boy|girl|patient|child|infant)\b", re.IGNORECASE)

_TERM_WORDS = 5
"""A term that is pointed at ("Bull's eye maculopathy - what is that?") has no more words."""


_SIGNS = re.compile(r"^(?:is|are) there (?:any |some )?(?:signs?|evidence) of\b", re.IGNORECASE)
"""Asks for what can be seen, whatever it is a sign of."""

_STATEMENT = 25
"""Words up to which a text that does not look as if it asked is read by the model too."""

Shares: TypeAlias = Mapping[str, float]
"""Probabilities by label."""

Learned: TypeAlias = Callable[[Sequence[str], Sequence[Mention]], Sequence[Shares]]
"""What a model reads in each sentence that asks, given the terms of the question."""

Reading: TypeAlias = Callable[[str], Shares]
"""What it reads in one of them."""


@dataclass(frozen=True, slots=True)
class RuleReader:
    """A :class:`~mmedrag.protocols.QuestionReader` by rules, and by a model where there is one.

    ``domains`` says which corpora use a concept (as ``Concepts.domains`` of a dictionary does);
    with it, a question that does not fit its image is declined. ``learned`` reads the sentence that
    asks (:class:`~mmedrag.answers.question_model.QuestionModel`). ``find`` gives the concept of a
    name, so that who asks whether something is malignant asks for a malignancy.
    """

    domains: Domains | None = None
    learned: Learned | None = None
    find: Callable[[str], str] | None = None

    def read(self, question: Question) -> Intent:
        """The kind of the question, what it asks about, and whether it is one for us.

        Where it asks for two things and one of them is not for us, the other is answered.
        """
        text = clean(question.query.text)
        question = replace(question, mentions=_as_cleaned(question, text))
        pieces = _pieces(text)
        asking = _asking(pieces)
        image_alone = not text and question.query.image is not None
        if not asking and (image_alone or is_history(pieces)):
            return self._of_history(question, text)
        asking = asking or [text[-_LONGEST:]]
        reading = self._reading(asking, question.mentions)
        judged = [self._judged(question, text, sentence, reading) for sentence in reversed(asking)]
        intent = _together([i for i in judged if i.kind is not _K.OUT_OF_SCOPE]) or judged[0]
        if intent.kind is _K.OUT_OF_SCOPE:
            return self._of_a_clause(question, text, asking[-1]) or intent
        for sentence, other in zip(reversed(asking), judged, strict=True):
            if other.kind is _K.OUT_OF_SCOPE:
                described = " ".join(intent.described.replace(sentence, " ").split())
                intent = replace(intent, unanswered=other.reason, described=described)
        return intent

    def _of_history(self, question: Question, text: str) -> Intent:
        """The intent of a history or image alone: what the image shows, or cases like it."""
        has_image = question.query.image is not None
        kind, rule = (_K.DESCRIPTION, _ASKS_NOTHING) if has_image else (_K.SEARCH, BY_NOTHING)
        concepts = _concepts_of(text, text, question.mentions)
        if reason := against_image(question, kind, self.domains):
            kind, rule = _K.OUT_OF_SCOPE, reason.rule
        return Intent(
            kind, rule, concepts, reason=reason.sentence if reason else "", described=text
        )

    def _reading(self, sentences: Sequence[str], mentions: Sequence[Mention]) -> Reading:
        """Reads all of these sentences at once where one is first to be read.

        The network's weights, which are more than the processor keeps, are gone through once.
        """

        @cache
        def shares() -> Mapping[str, Shares]:
            assert self.learned is not None  # who reads a sentence has asked
            read = (s for s in sentences if _is_read(s))
            texts = list(dict.fromkeys(t for s in read for t in (s, _without_treatments(s))))
            return dict(zip(texts, self.learned(texts, mentions), strict=True))

        return lambda text: shares()[text]

    def _judged(
        self, question: Question, text: str, asking: str, reading: Reading, within: str = ""
    ) -> Intent:
        """The intent of one sentence that asks, or of a clause ``within`` one."""
        spelled = spelled_out(asking)
        has_image = question.query.image is not None
        concepts = _concepts_of(text, asking, question.mentions)
        if is_unread(asking, asks=asking.endswith("?")):
            return _of_a_foreign(concepts, text, has_image=has_image)
        kind, rule = kind_of(spelled, has_image=has_image)
        if _is_term(asking, question.mentions, has_image=has_image):
            return Intent(_K.DEFINITION, "asks for a meaning", concepts, described=text)
        if _POINTS.search(spelled) and (before := text.replace(asking, " ").split()):
            term = len(before) <= _TERM_WORDS and not _OF_A_PATIENT.search(" ".join(before))
            if term and concepts and not has_image:
                kind, rule = _K.DEFINITION, _TERM_BEFORE
            else:
                kind, rule = _K.DIFFERENTIAL, _CASE_BEFORE
        kinds = asked_for_kinds(asking, question.mentions)
        feature = None if has_image else asked_feature(asking, question.mentions)
        if feature is not None and not certainly_declined(question, spelled):
            return _of_feature(feature, self._found((feature.words,)), text)
        if not kinds:
            kind, rule, reason = self._scoped(question, asking, spelled, kind, rule, reading)
        else:
            reason = certainly_declined(question, spelled)
        if reason:
            return Intent(
                _K.OUT_OF_SCOPE, reason.rule, concepts, reason=reason.sentence, described=text
            )
        if kinds:
            return Intent(
                _K.DIFFERENTIAL, "asks for the kind", kinds, detail=KIND_OF, described=text
            )
        if (
            kind is _K.DEFINITION
            and has_image
            and not any(m.text in asking for m in question.mentions)
        ):  # "¿Qué es esto?"
            kind, rule = LABELS["differential"]
        if kind is _K.DESCRIPTION and not has_image and _names_finding(question.mentions, asking):
            kind, rule = _K.SEARCH, "asks what a finding looks like"
        if rule == OF_ASSOCIATIONS:
            general = {m.concept for m in question.mentions if is_general(m.text)}
            concepts = tuple(c for c in concepts if c not in general) or concepts
        phrases = () if concepts or _detail(rule) else phrases_of(spelled, kind)
        if not has_image and _asks_nature(spelled, question.mentions):
            return Intent(_K.DEFINITION, "asks what a disease is", concepts, described=text)
        if kind in (_K.PRESENCE, _K.CHOICE) and not _detail(rule):
            said = _unnamed(said_of(spelled), question.mentions)
            concepts = self._found(said) or concepts
            phrases = () if concepts else phrases
        of_image = kind in _ABOUT_AN_IMAGE or _only_asks(kind, asking, question.mentions)
        about_image = has_image and of_image and rule != _ASKS_NOTHING
        beside = _GREETING.sub("", f"{text.replace(within or asking, ' ').strip()} ").strip()
        described = text
        if about_image:
            described = _stated(beside, question.mentions)
        elif not has_image and kind in _OPEN and not _names_finding(question.mentions, asking):
            described = beside or text
        return Intent(kind, rule, concepts, _detail(rule), phrases=phrases, described=described)

    def _found(self, nouns: Sequence[str]) -> tuple[str, ...]:
        """The concepts of names that the dictionary has."""
        return tuple(filter(None, map(self.find, nouns))) if self.find is not None else ()

    def _scoped(
        self,
        question: Question,
        asking: str,
        spelled: str,
        kind: QuestionKind,
        rule: str,
        reading: Reading,
    ) -> tuple[QuestionKind, str, OutOfScope | None]:
        """The kind, what decided, and why it is declined; by the model where it decides."""
        asks = _asks(asking)
        request = spelled if asks else ""
        reason = out_of_scope(question, request, kind, self.domains, rule)
        if language(asking) == OTHER:  # of what is not read nothing is declined
            return kind, rule, None
        looked_up = _looked_up(question, asking, spelled)
        if looked_up is not None and not certainly_declined(question, request):
            return *looked_up, None
        if self.learned is None or not _is_read(asking):
            return kind, rule, reason
        if certain := certainly_declined(question, request):
            return kind, rule, certain
        plain = _without_treatments(asking) if reason is None else asking
        has_image = question.query.image is not None
        label = verdict(
            reading(plain),
            suspected=reason is not None,
            has_image=has_image,
            asks=_worded(asking) if has_image else asks,
        )
        if label is None or (reason is None and _SIGNS.search(asking)):
            return kind, rule, reason
        if (
            reason is None
            and LABELS[label][0] is _K.OUT_OF_SCOPE
            and _only_terms(question.mentions, asking)
        ):
            return kind, rule, None
        read, name = LABELS[label]
        if read is _K.OUT_OF_SCOPE:
            return kind, rule, declined(name)
        if not has_image and _names_what_is_sought(read, asking, question.mentions):
            label, (read, name) = "search", LABELS["search"]
        if rule not in _FIXED and not (read is kind and label in _PLAIN):
            kind, rule = (
                (kind, rule) if label == "search" and rule == _ASKS_NOTHING else (read, name)
            )
        return kind, rule, against_image(question, kind, self.domains)

    def _of_a_clause(self, question: Question, text: str, sentence: str) -> Intent | None:
        """The intent of the clause that is for us, in a sentence that as a whole is not."""
        clauses = _CLAUSE.split(sentence)
        if len(clauses) == 1:
            return None
        reading = self._reading(clauses, question.mentions)
        judged = [self._judged(question, text, clause, reading, sentence) for clause in clauses]
        declined = next((i for i in judged if i.kind is _K.OUT_OF_SCOPE), None)
        for clause, intent in zip(clauses, judged, strict=True):
            names = any(m.text in clause for m in question.mentions) or intent.kind in _OPEN
            if declined is not None and names and intent.kind not in (_K.OUT_OF_SCOPE, _K.SEARCH):
                return replace(intent, unanswered=declined.reason)
        return None


def _as_cleaned(question: Question, text: str) -> tuple[Mention, ...]:
    """The mentions as they stand in the cleaned text, which is read."""
    raw, at, last = question.query.text, 0, 0
    if raw == text:
        return tuple(question.mentions)
    mentions = []
    for mention in question.mentions:
        words = clean(mention.text)
        at = max(at, text.find(words, at + len(clean(raw[last : mention.start]))))
        mentions.append(replace(mention, text=words, start=at, end=at + len(words)))
        at, last = at + len(words), mention.end
    return tuple(mentions)


def _asks_nature(request: str, mentions: Sequence[Mention]) -> bool:
    """Whether it asks if a named disease is benign or malignant, which its definition says."""
    either = {*said_of(request)} >= {"benign lesion", "malignancy"}
    return either and any(m.kind is Kind.DISEASE and m.text in request for m in mentions)


def _unnamed(nouns: Sequence[str], mentions: Sequence[Mention]) -> tuple[str, ...]:
    """Those whose words are in no term of the question: a "dilated aorta" is one already."""
    return tuple(
        noun
        for noun in nouns
        if not any(re.search(rf"\b{NOUNS[noun]}\b", m.text, re.IGNORECASE) for m in mentions)
    )


def _only_terms(mentions: Sequence[Mention], asking: str) -> bool:
    """Whether it is findings or devices by name and nothing else: "DVT on ultrasound"."""
    rest, named = asking, False
    for mention in sorted(mentions, key=lambda m: -len(m.text)):
        named |= mention.kind in _COUNTED and mention.text in rest
        rest = rest.replace(mention.text, " ")
    return named and _NOTHING_ELSE.fullmatch(rest) is not None


_NOTHING_ELSE = re.compile(
    r"(?:[\W_]|\b(?:an?|the|on|in|of|at|with|and|by|left|right|bilateral|O[DSU]|el|la|los|las|en|de|del|con|y"
    r"|o|a|os|as|em|no|na|do|da|com|e)\b)*",
    re.IGNORECASE,
)


def _names_what_is_sought(read: QuestionKind, asking: str, mentions: Sequence[Mention]) -> bool:
    """Whether words that a model reads as a question only name findings, and ask nothing.

    "Pneumothorax", "no pneumothorax", "all normal except scoliosis", "NPDR with CSME".
    """
    if asking.endswith("?"):
        return False
    named = {m.concept for m in mentions if m.kind.is_finding and m.text in asking}
    rules_out = bool(named) and _RULING_OUT.match(asking) is not None
    if _worded(asking) and not rules_out:
        return False
    if read is _K.PRESENCE:
        return True
    if read is _K.NORMALITY:
        return any(m.kind in _COUNTED and m.text in asking for m in mentions)
    several = len(named) > 1 and _only_terms(mentions, asking)
    return rules_out if read is _K.CHOICE else read is _K.DEFINITION and (rules_out or several)


_RULING_OUT = re.compile(
    r"^\W*(?:no|without|neither|negative for|absence of|sin|sem|ning\w+|nenhum\w*)\b",
    re.IGNORECASE,
)


def _of_a_foreign(concepts: tuple[str, ...], text: str, *, has_image: bool) -> Intent:
    """What such a question asks is not known: cases like it, or what its image shows, are."""
    if has_image:
        return Intent(_K.DESCRIPTION, UNREAD, concepts, described="", unanswered=SENTENCE)
    return Intent(_K.SEARCH, UNREAD, concepts, described=text, unanswered=SENTENCE)


def _of_feature(feature: Feature, found: Sequence[str], text: str) -> Intent:
    """Asks whether a finding goes with a disease: the disease first."""
    concepts = (feature.disease, *filter(None, (feature.finding, *found)))
    return Intent(
        _K.PRESENCE, "asks what goes with a disease", concepts, FEATURE,
        phrases=() if len(concepts) > 1 else (feature.words,), described=text,
    )  # fmt: skip


def _together(intents: Sequence[Intent]) -> Intent | None:
    """The last of several intents; where all ask whether something is there, all that they name."""
    if not intents:
        return None
    last = intents[0]
    if len(intents) == 1 or any(i.kind is not _K.PRESENCE or i.detail for i in intents):
        return last
    in_order = list(reversed(intents))
    concepts = tuple(dict.fromkeys(c for i in in_order for c in i.concepts))
    phrases = tuple(dict.fromkeys(p for i in in_order for p in i.phrases))
    return replace(last, concepts=concepts, phrases=phrases)


def _only_asks(kind: QuestionKind, asking: str, mentions: Sequence[Mention]) -> bool:
    """Whether a sentence names nothing to search for: "What is this?", "Find cases like this."."""
    likens = kind is _K.SEARCH and _LIKE_THIS.search(asking) is not None
    asks = kind is _K.DIFFERENTIAL or likens
    return asks and not any(m.text in asking for m in mentions)


_LIKE_THIS = re.compile(
    r"\b(?:like|to|with|as|resembl(?:e|es|ing)|match(?:es|ing)?)"
    r" (?:this|these|that|it|est[ae]s?|es[ae]s?)\b"
    r"|\b(?:similar|like|comparable|matching|parecid[oa]s|similares|semelhantes)"
    r" (?:cases?|images?|ones?|pictures?|studies|scans?|films?|slides?|casos|im[aá]genes|imagens)\b"
    r"|\b(?:casos|im[aá]genes|imagens) (?:parecid[oa]s|similares|semelhantes)\b",
    re.IGNORECASE,
)


def _stated(beside: str, mentions: Sequence[Mention]) -> str:
    """What stands beside a question about an image; nothing where it only rules findings out.

    Searched for, "no effusion" would find effusions first: an embedding hardly sees the "no".
    """
    findings = [m for m in mentions if m.kind.is_finding and m.text in beside]
    only_ruled_out = all(m.assertion is Assertion.NEGATED for m in findings)
    return "" if findings and only_ruled_out else beside


def _is_term(asking: str, mentions: Sequence[Mention], *, has_image: bool) -> bool:
    """Whether it asks what a known term is: "What is radiotherapy?", "Is a hamartoma benign?"."""
    match = _WHAT_IS.match(asking)
    named = match and (match["term"] or match["word"] or ("" if has_image else match["nature"]))
    term = named.lower() if named else ""
    return any(m.text.lower() == term for m in mentions)


def _looked_up(question: Question, asking: str, spelled: str) -> tuple[QuestionKind, str] | None:
    """The kind of a question on findings that the records or their definitions tell."""
    named = {m.concept for m in question.mentions if m.kind.is_finding and m.text in asking}
    letters = romance.plain_letters(spelled)
    special = [m for m in question.mentions if m.kind in _COUNTED and m.text in asking]
    counts = asks_how_many(letters) and not _LIKE_THIS.search(spelled)  # those are shown by it
    if special and counts:
        return _K.SEARCH, OF_A_NUMBER
    if named and HELD.search(letters):
        return _K.SEARCH, OF_RECORDS
    if named and question.query.image is None and asks_what_goes_with(letters):
        return _K.SEARCH, OF_ASSOCIATIONS
    if not special and counts and counts_all(letters):
        return _K.NORMALITY, OF_A_NUMBER
    unnamed = all(NOT_NORMAL.search(romance.plain_letters(m.text)) for m in special)
    if unnamed and question.query.image is None and _wants_abnormal(asking, letters):
        return _K.SEARCH, OF_ABNORMAL
    request = question.query.image is None and not asking.endswith("?")
    if not special and request and ALL_NORMAL.match(letters):
        return _K.NORMALITY, OF_NORMAL
    apart = len(named) > 1 and question.query.image is None and APART.search(spelled)
    if apart and not RULES[0].words.search(spelled):  # no comparison with an earlier study
        return LABELS["choice"]
    return None


_COUNTED = frozenset({Kind.FINDING, Kind.DISEASE, Kind.DEVICE})


def _wants_abnormal(asking: str, letters: str) -> bool:
    """Whether it is a request for cases that are not normal, and does not ask if one is."""
    whether = asking.endswith("?") and _WHETHER.match(letters) is not None
    return NOT_NORMAL.search(letters) is not None and not whether


_WHETHER = re.compile(
    r"^\W*(?:is|are|was|were|does|do|can|could|es|esta|son|estan|e|sao)\b(?! there\b)"
)


def _names_finding(mentions: Sequence[Mention], asking: str) -> bool:
    return any(m.kind.is_finding and m.text in asking for m in mentions)


_WHAT_IS = re.compile(
    r"^(?:what(?:'s|’s| is| are)|define|the meaning of|meaning of) (?:an? "
    r"|the )?(?P<term>.+?)[?.! ]*$"
    r"|^what (?:does|do) (?:an? |the )?(?:term |word )?(?P<word>.+?) (?:mean|stand for)[?.! ]*$"
    r"|^(?:is|are) (?:an? )?(?P<nature>.+?) (?:always |usually |ever )?"
    r"(?:malignant|benign|an? (?:tumou?r|cancer|disease|infection|kind of .+))[?.! ]*$",
    re.IGNORECASE,
)


def kind_of(text: str, *, has_image: bool) -> tuple[QuestionKind, str]:
    """The kind of a question that is in scope, and the name of the rule that decided."""
    letters = romance.plain_letters(text)
    for rule in romance.RULES:
        if rule.words.search(letters):
            return rule.kind, rule.name
    for rule in RULES:
        if rule.words.search(text):
            return rule.kind, rule.name
    if text.endswith("?"):
        return _K.PRESENCE, BY_MARK
    if has_image:
        return _K.DESCRIPTION, _ASKS_NOTHING
    return _K.SEARCH, BY_NOTHING


def requests(text: str) -> list[str]:
    """The sentences of a text that ask, in order; all of it where none does; without greetings.

    A history may come first ("45-year-old woman with seizures. What is it likely to be?").
    """
    return _asking(_pieces(text)) or [text[-_LONGEST:]]


def _asking(pieces: Sequence[str]) -> list[str]:
    """The sentences that ask, of many the last; those with a question mark, where there are any."""
    asking = list(filter(asks_in_history if is_history(pieces) else _asks, pieces))
    marked = [p for p in asking if p.endswith("?")]
    return list(dict.fromkeys(marked or asking))[-_MOST_REQUESTS:]


def _pieces(text: str) -> list[str]:
    """The sentences of a text without greetings, of long ones the end."""
    pieces = [p.strip() for p in _SENTENCE.split(text) if p.strip()]
    return [p for p in (_GREETING.sub("", piece[-_LONGEST:]) for piece in pieces) if p]


def last_request(text: str) -> str:
    """The last sentence of a text that asks."""
    return requests(text)[-1]


def _asks(sentence: str) -> bool:
    return len(sentence.split()) <= _SHORT or _worded(sentence)


def _is_read(sentence: str) -> bool:
    """Whether the model, where there is one, reads it."""
    return _asks(sentence) or len(sentence.split()) <= _STATEMENT


def _without_treatments(sentence: str) -> str:
    """Without what was done before, which nobody asks for."""
    return HISTORY.sub(" ", sentence)


def _worded(sentence: str) -> bool:
    """Whether it has a word or a mark that asks; of a bare finding, cases are searched."""
    asks = _ASKING.search(sentence) or _ASKING.search(spelled_out(sentence))
    return bool(asks or IMPERATIVE.match(sentence))


def _concepts_of(text: str, asking: str, mentions: Sequence[Mention]) -> tuple[str, ...]:
    """The concepts of the asking sentence; where it names none, those of the whole text."""
    start = text.find(asking)
    inside = [m for m in mentions if start <= m.start < start + len(asking)]
    return tuple(dict.fromkeys(m.concept for m in inside or mentions))


_REQUEST = re.compile(
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


def phrases_of(question: str, kind: QuestionKind) -> tuple[str, ...]:
    """What a question asks about in words that no dictionary has; at most four words each."""
    if kind not in (_K.PRESENCE, _K.CHOICE):
        return ()
    match = _REQUEST.match(question)
    whole = match["what"] if match else ""
    options = re.split(r"\s+(?:or|vs\.?|versus)\s+", whole) if kind is _K.CHOICE else [whole]
    cleaned = (re.sub(r"^(?:an?|the|any)\s+", "", p.strip(), flags=re.IGNORECASE) for p in options)
    return tuple(p for p in cleaned if 0 < len(p.split()) <= 4)


def _detail(rule: str) -> str:
    return _DETAILS.get(rule, "")


_DETAILS = {
    "asks for a side": "side",
    "asks for a grade": "grade",
    OF_A_NUMBER: COUNT,
    OF_ABNORMAL: ABNORMAL,
    OF_NORMAL: "normal",
    OF_ASSOCIATIONS: ASSOCIATED,
}
