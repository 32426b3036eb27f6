"""Marks such as ``[C1]`` or ``[C1, D2]``: the one place where they are read, checked and removed.

Whatever wrote the answer, a mark reaches the reader only if it names evidence that was supplied.
No evidence, or no mark that holds: no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from mmedrag.text.bare_references import BareReferences
from mmedrag.text.citation_markers import CLOSE, INSIDE, MARK, OPEN, folded, is_anatomy, keys_of
from mmedrag.text.markup import plainly
from mmedrag.text.reasoning import RETRACTED, answer_only
from mmedrag.text.reference_lists import ReferenceLists
from mmedrag.types import Answer, Context, Evidence, Piece

DISCLAIMER = (
    "Not a medical device. MMedRAG shows what similar cases and dictionaries say, for research and "
    "teaching; it does not diagnose, and must not be used to decide on a patient's care."
)
"""Shown wherever an answer is shown."""

NO_EVIDENCE = "No adequate evidence to answer from: {why}."
"""The text of an answer that abstains."""

_LEAD = r"[,;:]?[ \t]{0,4}"
_JOINT = r"[ \t]{0,4}(?:[,;&]|and\b)?[ \t]{0,4}"
_RUN = re.compile(
    rf"(?P<lead>{_LEAD})(?P<open>\([ \t]?)?(?P<markers>{MARK}(?:{_JOINT}{MARK})*)"
    rf"(?(open)[ \t]?\))(?=(?P<next>[\s\S]?))"
)
# Every beginning of what _RUN may still match once more text has come.
_HELD = re.compile(
    rf"{_LEAD}(?:\([ \t]?)?(?:{MARK}[ \t]{{0,4}}(?:[,;&]|a|an|and)?[ \t]{{0,4}})*"
    rf"(?:\[?{OPEN}{INSIDE}{{0,290}}(?:{CLOSE}{{1,2}}(?:\([^()\s]{{0,205}})?)?|\([^()\n]{{0,290}}"
    rf"|[<«‹`][\w .#:-]{{0,40}})?\)?\Z"
)
_CUT = re.compile(
    rf"{_LEAD}\(?{OPEN}\s*(?i:(?:[a-z]{{2,}}[\s.:#]+){{0,9}})[CDcd\d\s,;&–-]{{0,280}}\Z"
)
_FIRST = re.compile(MARK)
_CITED = r"\[[CD]\d+(?:, [CD]\d+)*\]"
"""A mark as it is left in an answer."""


def resolve(pieces: Iterable[str], evidence: Sequence[Evidence]) -> Iterator[Piece]:
    """Check the marks of a text while it is being written.

    Sentences are let through as they come. Whatever a reader would take for a reference
    (:mod:`mmedrag.text.citation_markers`, :mod:`mmedrag.text.bare_references`) is rewritten as a
    mark: neighbours become one list (``[C1][D2]`` → ``[C1, D2]``, ``[C1-C3]`` →
    ``[C1, C2, C3]``), keys that are not in ``evidence`` are taken out, and with the last of them
    the bracket and the space before it. Reasoning (:mod:`mmedrag.text.reasoning`) and invented
    lists of references are left out. How the text is cut into pieces makes no difference.
    """
    reader = _Reader(evidence)
    for text in plainly(answer_only(pieces)):
        if text == RETRACTED:
            reader = _Reader(evidence)
            yield Piece("", retracts=True)
        else:
            yield from reader.feed(text)
    yield from reader.close()


class _Reader:
    """The part of the text that may still turn out to be a mark, and what went before it."""

    def __init__(self, evidence: Sequence[Evidence]) -> None:
        self._keys = frozenset(e.key for e in evidence)
        self._lines = ReferenceLists(self._keys)
        texts = [f"{e.name} {e.text} {e.item.source}" for e in evidence]
        self._bare = BareReferences(self._keys, texts)
        self._buffer = ""
        self._line = ""
        self._skip_spaces = False

    def feed(self, text: str) -> Iterator[Piece]:
        yield from self._read(self._bare.feed(self._lines.feed(text)))

    def close(self) -> Iterator[Piece]:
        yield from self._read(self._bare.feed(self._lines.close()) + self._bare.close())
        text, at = folded(self._buffer)
        cut = _CUT.search(text)
        yield from self._release(text, at, cut.start() if cut else len(text))
        if cut:
            unfinished = cut.group().strip(" \t,;:(")
            yield Piece("", (), (unfinished,) if len(unfinished) > 1 else ())

    def _read(self, text: str) -> Iterator[Piece]:
        self._buffer += text
        text, at = folded(self._buffer)
        held = _HELD.search(text)
        waits = held is not None and len(text) - held.start() < _LONGEST
        yield from self._release(text, at, held.start() if held and waits else len(text))

    def _release(self, text: str, at: Sequence[int], end: int) -> Iterator[Piece]:
        """Let the buffer through up to ``end``; a mark that begins before it ends before it.

        ``text`` is the folded buffer, ``at`` where each of its letters stands in the buffer.
        """
        done = begin = 0
        while (run := _RUN.search(text, begin)) and run.start() < end:
            first = _FIRST.match(text, run.start("markers"))
            if first and is_anatomy(first[0], self._before(text, first.start()), self._keys):
                begin = first.end()
                continue
            yield from self._plain(self._buffer[done : at[run.start()]])
            yield self._mark(run)
            begin, done = run.end(), at[run.end() - 1] + 1
        stop = at[end] if end < len(at) else len(self._buffer)
        yield from self._plain(self._buffer[done:stop])
        self._buffer = self._buffer[max(done, stop) :]

    def _before(self, text: str, start: int) -> str:
        """What stands before a letter of the buffer on its line."""
        if start < _LINE:
            return (self._line + text[:start]).rpartition("\n")[2]
        return text[start - _LINE : start].rpartition("\n")[2]

    def _plain(self, text: str) -> Iterator[Piece]:
        if self._skip_spaces:
            text = text.lstrip(" \t")
        if text:
            self._skip_spaces = False
            self._remember(text)
            yield Piece(text)

    def _remember(self, text: str) -> None:
        """Keep what stands on the line so far, for what comes next is read in its light."""
        self._line = (self._line + folded(text)[0]).rpartition("\n")[2][-_LINE:]

    def _mark(self, run: re.Match[str]) -> Piece:
        cited, removed = _sort(run["markers"], self._keys)
        at_line_start = not self._line.strip(" \t")
        text = _kept(run, cited) if cited else _gap(run, at_line_start)
        if self._skip_spaces:
            text = text.lstrip(" \t")
        if text:
            self._skip_spaces = False
            self._remember(text)
        elif at_line_start:
            self._skip_spaces = True
        else:
            self._remember("]")  # words that only a mark stood between are two words
        return Piece(text, cited, removed)


_LINE = 1200
"""Letters of a line that are remembered."""

_LONGEST = 2000
"""Letters that a run of marks may have before it is let through unfinished."""


def _gap(run: re.Match[str], at_line_start: bool) -> str:
    """What stays of a mark that named nothing: the stop before it, the space between words."""
    lead, following = run["lead"], run["next"]
    stop = lead.rstrip(" \t")
    if not following or following in ".,;:!?\n":
        return ""
    if at_line_start:
        return stop
    return stop + (" " if lead[len(stop) :] and not following.isspace() else "")


def _kept(run: re.Match[str], cited: Sequence[str]) -> str:
    closing = ")" if run["open"] else ""
    return f"{run['lead']}{run['open'] or ''}[{', '.join(cited)}]{closing}"


def _sort(markers: str, keys: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys of neighbouring marks, each once: those that are known, and those that are not."""
    named = dict.fromkeys(keys_of(markers))
    return tuple(k for k in named if k in keys), tuple(k for k in named if k not in keys)


def attribute(pieces: Sequence[Piece], context: Context, timings: Mapping[str, float]) -> Answer:
    """Join checked pieces to an answer, with the evidence cited by first mention.

    Where nothing was kept, or nothing is cited, the answer abstains and says why.
    """
    context = replace(context, timings=dict(timings))
    begins = max((i for i, piece in enumerate(pieces, 1) if piece.retracts), default=0)
    pieces = pieces[begins:]
    brief = context.question.brief
    by_key = {e.key: e for e in context.kept}
    keys = dict.fromkeys(k for piece in pieces for k in piece.cited)
    cited = [by_key[k] for k in keys if k in by_key]
    removed = list(dict.fromkeys(k for piece in pieces for k in piece.removed))
    struck = [piece.struck for piece in pieces if piece.struck]
    text = "".join(p.text for p in pieces).strip()
    if not cited:
        why = _why(context, written=bool(text or removed))
        text = (brief and brief.declined) or NO_EVIDENCE.format(why=why)
        return Answer(text, [], removed, True, context, brief, struck)
    return Answer(text, cited, removed, False, context, brief, struck)


def _why(context: Context, *, written: bool) -> str:
    routing, query = context.question.routing, context.question.query
    if not routing.medical:
        return "the image was not recognised as a medical one" + (
            f" ({routing.reason})" if routing.reason else ""
        )
    if not context.gathered:
        corpus = f" in {routing.decision}" if routing.decision else ""
        whose = f" of patient {query.patient_id}" if query.patient_id else ""
        where = f" where {query.where}" if query.where else ""
        return f"nothing was found{whose}{corpus}{where}"
    if not context.kept:
        one = len(context.gathered) == 1
        subject = "the one item" if one else f"none of the {len(context.gathered)} items"
        return f"{subject} found {'did not pass' if one else 'passed'} the relevance filter"
    if not written:
        return "the generator replied with nothing"
    return "the generator cited none of what it was given, so its text is withheld"


_QUOTED = re.compile(r"“[^”\n]*”|\"[^\"\n]*\"")
_BOUNDARY = re.compile(rf"(?<=[.!?])(?:\s*{_CITED})*\s+(?=\S)(?!{_CITED})|\n+")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|vs|cf|approx|no|fig|dr|ca|resp)\.$", re.IGNORECASE)


_OF_THE_ANSWER = re.compile(
    r"No verdict on this image|No image and no case was given|No clear lead|No earlier study of"
    r"|No (?:side|grade) can be said|Only what the cases below|Nothing can be counted"
)
"""How sentences begin that say what the evidence does not tell."""


def unsupported_sentences(answer: Answer) -> list[str]:
    """The sentences of an answer that carry no mark.

    Headings and lead-ins ending in ":" are left out, and so is what says why nothing is answered,
    or no more than that.
    """
    if answer.abstained:
        return []
    has_mark = re.compile(_CITED)
    text = answer.text
    if answer.brief is not None:
        for statement in filter(None, (answer.brief.declined, answer.brief.unanswered)):
            text = re.sub(re.escape(statement), "", text, count=1, flags=re.IGNORECASE)
    return [s for s in _sentences(text) if not has_mark.search(s) and not _OF_THE_ANSWER.match(s)]


def _sentences(text: str) -> Iterator[str]:
    """Sentences with the marks that follow their full stop; quotations are not cut."""
    masked = _QUOTED.sub(lambda m: re.sub(r"[.!?]", "·", m.group()), text)
    start = 0
    for boundary in [*(m.span() for m in _BOUNDARY.finditer(masked)), (len(text), len(text))]:
        sentence_end = boundary[1]
        if _ABBREVIATION.search(masked[start : boundary[0]]):
            continue
        sentence = text[start:sentence_end].strip(" \t\n-*•")
        start = sentence_end
        if re.search(r"\w", sentence) and not sentence.endswith(":") and sentence[0] != "#":
            yield sentence
