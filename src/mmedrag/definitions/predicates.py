"""Findings that a sentence predicates: "the heart is not enlarged" mentions an enlarged heart.

A dictionary lists names ("enlarged heart", "optic disc swelling"), a report says the same in a
sentence. For each subject and predicate here are the names that they would be; which of them is
one, the dictionary knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Span = tuple[int, int]

_COPULAS = frozenset(
    """
    is are was were be been being remains remain appears appear looks look seems seem stays
    becomes became : -
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_BETWEEN = frozenset(
    """
    not neither nor now again also still very quite rather somewhat slightly more most less
    no longer to be been does do did has have had may might could again too well as noted
    seen felt found borderline minimally mild moderate
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_FOLLOWING = frozenset(
    """
    and or nor but with without in on at by to from for as compared since again today now
    which measuring but however due because secondary over of bilaterally slightly mildly
    markedly moderately severely diffusely focally centrally laterally further
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_LIGHT = frozenset(
    """
    size shadow silhouette contour contours outline calibre caliber diameter volume width
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
"""Nouns that a subject may end with beside what it is about: "the heart size is enlarged"."""

_NOUNS = {
    "blunted": "blunting", "calcified": "calcification", "collapsed": "collapse",
    "compressed": "compression", "congested": "congestion", "consolidated": "consolidation",
    "cupped": "cupping", "detached": "detachment", "deviated": "deviation",
    "dilated": "dilatation", "dislocated": "dislocation", "displaced": "displacement",
    "effaced": "effacement", "elevated": "elevation", "enlarged": "enlargement",
    "fibrotic": "fibrosis", "flattened": "flattening", "fractured": "fracture",
    "herniated": "herniation", "hypertrophied": "hypertrophy", "inflamed": "inflammation",
    "infarcted": "infarct", "narrowed": "narrowing", "necrotic": "necrosis",
    "obliterated": "obliteration", "obstructed": "obstruction", "occluded": "occlusion",
    "oedematous": "oedema", "edematous": "oedema", "opacified": "opacification",
    "perforated": "perforation", "ruptured": "rupture", "shifted": "shift",
    "stenosed": "stenosis", "stenotic": "stenosis", "swollen": "swelling",
    "thickened": "thickening", "thinned": "thinning", "thrombosed": "thrombosis",
    "torn": "tear", "tortuous": "tortuosity", "ulcerated": "ulcer", "widened": "widening",
    "atrophic": "atrophy", "ischaemic": "ischaemia", "ischemic": "ischaemia",
    "hyperinflated": "hyperinflation", "prominent": "prominence", "distended": "distension",
    "raised": "elevation", "depressed": "depression", "fused": "fusion", "cloudy": "cloudiness",
    "hazy": "haze", "pale": "pallor", "cystic": "cyst", "nodular": "nodularity",
    "bulky": "enlargement", "engorged": "engorgement", "dysplastic": "dysplasia",
    "fatty": "fat", "cirrhotic": "cirrhosis", "emphysematous": "emphysema",
    "osteopenic": "osteopenia", "osteoporotic": "osteoporosis", "diseased": "disease",
    "injected": "injection", "inverted": "inversion", "absent": "absence", "gone": "absence",
}  # fmt: skip
"""Predicates, and the nouns for what they say."""
_PREDICATES = {noun: predicate for predicate, noun in reversed(_NOUNS.items())}
"""What the nouns say: "enlargement of the heart" is an enlarged heart."""
_ADJECTIVES = {
    "aorta": "aortic", "bowel": "intestinal", "brain": "cerebral", "cornea": "corneal",
    "heart": "cardiac", "hilum": "hilar", "kidney": "renal", "liver": "hepatic",
    "lung": "pulmonary", "macula": "macular", "mediastinum": "mediastinal",
    "meninges": "meningeal", "meniscus": "meniscal", "pleura": "pleural", "retina": "retinal",
    "spine": "spinal", "spleen": "splenic", "ventricles": "ventricular", "vitreous": "vitreous",
}  # fmt: skip
"""What a name may have for the subject: "the retina is detached" is a retinal detachment."""
_DETERMINERS = frozenset(
    ("the", "a", "an", "his", "her", "its", "both", "this", "that", "left", "right")
)
_LONGEST_SUBJECT = 3


@dataclass(frozen=True, slots=True)
class Predicate:
    """Names that subject and predicate may be, in words; where they stand, and the predicate."""

    names: tuple[tuple[str, ...], ...]
    span: Span
    anchor: Span


def predicates(text: str, tokens: Sequence[Span]) -> Iterator[Predicate]:
    """What the sentences of ``text``, split into ``tokens``, say of their subjects."""
    words = [text[start:end].lower() for start, end in tokens]
    for i, word in enumerate(words):
        if word in _PREDICATES and words[i + 1 : i + 2] == ["of"]:
            yield from _of_a_subject(words, tokens, i)
        noun = _NOUNS.get(word)
        if noun is None:
            continue
        last = _subject_end(words, i)
        if last < 0 or not _ends_phrase(words, i + 1):
            continue
        for first in range(last, max(-1, last - _LONGEST_SUBJECT), -1):
            if not words[first].isalpha():
                break
            subject = tuple(words[first : last + 1])
            span = (tokens[first][0], tokens[i][1])
            yield Predicate(tuple(_names(subject, word, noun)), span, tokens[i])


def _of_a_subject(words: Sequence[str], tokens: Sequence[Span], at: int) -> Iterator[Predicate]:
    """Word ``at`` is a noun with a subject after it: "thickening of the pleura"."""
    first = at + 2
    while first < len(words) and words[first] in _DETERMINERS:
        first += 1
    for last in range(first, min(first + _LONGEST_SUBJECT, len(words))):
        if not words[last].isalpha():
            break
        names = tuple(_names(tuple(words[first : last + 1]), _PREDICATES[words[at]], words[at]))
        yield Predicate(names, (tokens[at][0], tokens[last][1]), tokens[at])


def _subject_end(words: Sequence[str], predicate: int) -> int:
    """The last word of the subject; −1 if there is none."""
    at = predicate - 1
    while at >= 0 and (words[at] in _BETWEEN or words[at].endswith("ly") or words[at] in _COPULAS):
        at -= 1
    return at


def _ends_phrase(words: Sequence[str], at: int) -> bool:
    """Whether no noun follows that the predicate would belong to ("heart: enlarged nodes")."""
    if at >= len(words) or not words[at].isalpha():
        return True
    return words[at] in _FOLLOWING or words[at].endswith("ly")


def _names(subject: tuple[str, ...], predicate: str, noun: str) -> Iterator[tuple[str, ...]]:
    yield (predicate, *subject)
    yield (*subject, noun)
    if subject[-1] in _ADJECTIVES:
        yield (*subject[:-1], _ADJECTIVES[subject[-1]], noun)
    if len(subject) > 1 and subject[-1] in _LIGHT:
        yield (predicate, *subject[:-1])
        yield (*subject[:-1], noun)
