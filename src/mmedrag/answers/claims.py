"""What an answer claims of which finding, with which marks; and whether the marked evidence agrees.

A claim is a finding with an assertion ("no effusion [C2]"). Support is judged by code, on the level
of finding and assertion: side, size and place are not looked at, and what the dictionary does not
know is no claim.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mmedrag.answers.findings import statements
from mmedrag.protocols import DefinitionSource
from mmedrag.types import Assertion, Definition, Evidence, Mention

_MARK = re.compile(r"\[([CD]\d+(?:, [CD]\d+)*)\]")
_QUOTED = re.compile(r"“[^”\n]*”|\"[^\"\n]*\"")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_WORDS = {
    **{a.value: a for a in Assertion},
    "ruled out": Assertion.NEGATED,
    "in doubt": Assertion.UNCERTAIN,
}
# "effusion: affirmed [C1]; negated [C2]", "ruled out in 2 [C3]": the words before the mark tell.
_STATED = re.compile(rf"\b({'|'.join(map(re.escape, _WORDS))})(?: in(?: \d+)?)?\s*$")
_YES = re.compile(r"\byes, [^.;:]*$")
_UNMENTIONED = re.compile(r"none of the cases mentions\s*$|\bnot mentioned in \d+\s*$")
_RULED_OUT = re.compile(
    r"\b(?:and|that) rules? out\b|^the .{0,40}cases? rules? out\b", re.IGNORECASE
)

Assertions = Mapping[str, frozenset[Assertion]]
"""What is known of a piece of evidence, by concept. A concept that is not in it is not known."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A finding and what is said of it: ``None`` where it is said not to be mentioned.

    ``keys`` are the marks behind it; ``sentence`` numbers the sentence of the answer.
    """

    concept: str
    assertion: Assertion | None
    keys: tuple[str, ...]
    sentence: int


def claims(text: str, source: DefinitionSource) -> list[Claim]:
    """The claims of an answer whose marks have been checked, in order."""
    made: list[Claim] = []
    sentence = 0
    lines = text.splitlines()
    plain = [_MARK.sub(_spaces, line) for line in lines]
    for line, words, mentions in zip(lines, plain, _recognised(plain, source), strict=True):
        for start, end in _sentences(line):
            inside = [m for m in mentions if start <= m.start < end and m.kind.is_finding]
            made.extend(_in_sentence(line, words, inside, (start, end), sentence))
            sentence += 1
    return made


def _spaces(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _recognised(lines: Sequence[str], source: DefinitionSource) -> list[list[Mention]]:
    """The mentions of each line; a quotation is read by itself, as the report that it is from."""
    quotes = [[m.span() for m in _QUOTED.finditer(line)] for line in lines]
    around = source.recognise([_QUOTED.sub(_spaces, line) for line in lines])
    texts = [lines[i][a + 1 : b - 1] for i, spans in enumerate(quotes) for a, b in spans]
    inside = iter(source.recognise(texts) if texts else ())
    mentioned = []
    for spans, mentions in zip(quotes, around, strict=True):
        quoted = [
            replace(m, start=m.start + a + 1, end=m.end + a + 1)
            for a, _ in spans
            for m in next(inside)
        ]
        mentioned.append(sorted([*mentions, *quoted], key=lambda m: m.start))
    return mentioned


def _sentences(line: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence with the marks behind its full stop; quotes are not cut."""
    masked = _QUOTED.sub(lambda m: re.sub(r"[.!?]", "·", m[0]), line)
    start = 0
    for stop in _SENTENCE_END.finditer(masked):
        behind = re.compile(r"(?:\s*\[[CD]\d+(?:, [CD]\d+)*\])*").match(masked, stop.end())
        end = behind.end() if behind else stop.end()
        if end > start:
            yield start, end
            start = end
    if line[start:].strip():
        yield start, len(line)


def _in_sentence(
    line: str, plain: str, mentions: Sequence[Mention], span: tuple[int, int], number: int
) -> Iterator[Claim]:
    """Each mention with the first mark behind it.

    A mark without mention repeats the last ones ("; ruled out in 2 [C3]"), unless other words stand
    before it ("; they describe swelling [C3]"), which say something that no dictionary knows.
    """
    at, carried = span[0], list[Mention]()
    for mark in _MARK.finditer(line, *span):
        here = [m for m in mentions if at <= m.start < mark.start()]
        before = plain[at : mark.start()]
        carried = here or (carried if _goes_on(before) else [])
        keys = tuple(mark[1].split(", "))
        yield from (
            Claim(m.concept, _assertion(before, plain[span[0] : m.start], m), keys, number)
            for m in carried
        )
        at = mark.end()
    yield from (Claim(m.concept, m.assertion, (), number) for m in mentions if m.start >= at)


def _goes_on(before_mark: str) -> bool:
    """Whether the words before a mark only say more of what was named before."""
    stated = _STATED.search(before_mark) or _UNMENTIONED.search(before_mark)
    return stated is not None or not re.search(r"[^\W\d_]{4,}", before_mark)


def _assertion(before_mark: str, before_mention: str, mention: Mention) -> Assertion | None:
    if _UNMENTIONED.search(before_mark):
        return None
    if stated := _STATED.search(before_mark):
        return _WORDS[stated[1]]
    if _YES.search(before_mark):
        return Assertion.AFFIRMED
    if _RULED_OUT.search(before_mention):
        return Assertion.NEGATED
    return mention.assertion


def text_assertions(evidence: Evidence, source: DefinitionSource) -> Assertions:
    """What a piece of evidence says of each concept, as the recogniser reads it.

    A definition also affirms the term that it defines.
    """
    item = evidence.item
    texts = [item.term, item.text] if isinstance(item, Definition) else [item.text]
    assertions: dict[str, set[Assertion]] = {}
    for mentions in source.recognise(texts):
        for mention in mentions:
            assertions.setdefault(mention.concept, set()).add(mention.assertion)
        for concept, strongest in statements(mentions).items():
            assertions.setdefault(concept, set()).add(strongest.assertion)
    if isinstance(item, Definition):
        assertions.setdefault(item.concept, set()).add(Assertion.AFFIRMED)
    return {concept: frozenset(every) for concept, every in assertions.items()}


@dataclass(frozen=True, slots=True)
class Judgement:
    """Over answers: how many claims, (claim, mark) pairs and sentences there are, and agree."""

    claims: int = 0
    recalled: int = 0
    pairs: int = 0
    precise: int = 0
    sentences: int = 0
    supported: int = 0
    contradicted: int = 0

    def __add__(self, other: Judgement) -> Judgement:
        mine, theirs = _values(self), _values(other)
        return Judgement(*(a + b for a, b in zip(mine, theirs, strict=True)))

    def figures(self) -> dict[str, float]:
        """Citation precision and recall (as in ALCE, Gao et al. 2023), and the other shares."""
        return {
            "claims": self.claims,
            "citation_precision": _share(self.precise, self.pairs),
            "citation_recall": _share(self.recalled, self.claims),
            "supported_sentences": _share(self.supported, self.sentences),
            "contradicted": _share(self.contradicted, self.claims),
        }


def _values(of: Judgement) -> tuple[int, ...]:
    return (of.claims, of.recalled, of.pairs, of.precise, of.sentences, of.supported,
            of.contradicted)  # fmt: skip


def _share(count: int, whole: int) -> float:
    return count / whole if whole else float("nan")


def judge(made: Sequence[Claim], assertions_of: Callable[[str], Assertions]) -> Judgement:
    """Hold the claims of one answer against the evidence that they cite.

    A (claim, mark) pair is precise where the evidence says the same of the finding. A claim is
    recalled where one of its marks is; contradicted where none is and one says the opposite. A
    sentence is supported where all its claims are recalled; one without claims is not counted.

    Args:
        made: the claims of one answer.
        assertions_of: what the evidence of a key says.
    """
    total = Judgement()
    by_sentence: dict[int, bool] = {}
    for claim in made:
        agree = [_agrees(claim, assertions_of(key)) for key in claim.keys]
        recalled = any(agree)
        against = not recalled and any(_opposes(claim, assertions_of(key)) for key in claim.keys)
        total += Judgement(1, int(recalled), len(agree), sum(agree), contradicted=int(against))
        by_sentence[claim.sentence] = by_sentence.get(claim.sentence, True) and recalled
    return total + Judgement(sentences=len(by_sentence), supported=sum(by_sentence.values()))


def _agrees(claim: Claim, assertions: Assertions) -> bool:
    if claim.assertion is None:
        return claim.concept not in assertions
    return claim.assertion in assertions.get(claim.concept, frozenset())


_OPPOSITE = {
    Assertion.AFFIRMED: Assertion.NEGATED,
    Assertion.UNCERTAIN: Assertion.NEGATED,
    Assertion.NEGATED: Assertion.AFFIRMED,
}


def _opposes(claim: Claim, assertions: Assertions) -> bool:
    if claim.assertion is None:
        return False
    opposite = _OPPOSITE.get(claim.assertion)
    return opposite is not None and opposite in assertions.get(claim.concept, frozenset())
