"""Marks such as ``[C1]`` or ``[C1, D2]``: the one place where they are read, checked and removed.

Whatever wrote the answer, a mark reaches the reader only if it names evidence that was supplied.
No evidence, or no mark that holds: no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from mmedrag.types import Answer, Context, Evidence, Piece

DISCLAIMER = (
    "Not a medical device. MMedRAG shows what similar cases and dictionaries say, for research and "
    "teaching; it does not diagnose, and must not be used to decide on a patient's care."
)
"""Shown wherever an answer is shown."""

NO_EVIDENCE = "No adequate evidence to answer from: {why}."
"""The text of an answer that abstains."""

_OPEN, _CLOSE, _INSIDE = r"[\[【［]", r"[\]】］]", r"[^\[\]【】［］\n]"
_KEY = re.compile(r"\b([CDcd])(\d{1,4})\b(?:\s*(?:[-–—]|\bto\b)\s*([CDcd])?(\d{1,4})\b)?")
_WORDS = r"(?:(?:cases?|definitions?|evidence|sources?|refs?|see|cf|also|and|key|id)\b[\s.:#]*)*"
# A bracket is a mark where it begins with a key, or holds bare numbers that a reader would take
# for references; "[sic]", "[3 cm]" and "[vitamin D3]" are text.
_LIST = (
    rf"(?:\s*(?i:{_WORDS})[CDcd]\d{{1,4}}\b{_INSIDE}{{0,200}}|\s*\d{{1,3}}(?:\s*,\s*\d{{1,3}})*\s*)"
)
_MARK = rf"{_OPEN}(?={_INSIDE}{{1,280}}{_CLOSE}){_LIST}{_CLOSE}"
_LEAD = r"[,;:]?[ \t]{0,4}"
_RUN = re.compile(
    rf"(?P<lead>{_LEAD})(?P<open>\([ \t]?)?"
    rf"(?P<marks>{_MARK}(?:[ \t]{{0,4}}(?:[,;&]|and\b)?[ \t]{{0,4}}{_MARK})*)"
    rf"(?(open)[ \t]?\))(?=(?P<next>[\s\S]?))"
)
# Every beginning of what _RUN may still match once more text has come.
_HELD = re.compile(
    rf"{_LEAD}(?:\([ \t]?)?(?:{_MARK}[ \t]{{0,4}}(?:[,;&]|a|an|and)?[ \t]{{0,4}})*"
    rf"(?:{_OPEN}{_INSIDE}{{0,280}})?\)?\Z"
)
_CUT = re.compile(rf"{_LEAD}\(?{_OPEN}\s*(?i:{_WORDS})(?:[CDcd]?\d{{0,4}}[\s,;&–-]*)*\Z")


def resolve(pieces: Iterable[str], evidence: Sequence[Evidence]) -> Iterator[Piece]:
    """Check the marks of a text while it is being written.

    Text is let through as it comes; from what may become a mark on, it waits until the mark is
    complete. Neighbouring marks become one list (``[C1][D2]`` → ``[C1, D2]``, ``[C1-C3]`` →
    ``[C1, C2, C3]``), keys that are not in ``evidence`` are taken out, and with the last of them
    the bracket and the space before it. How the text is cut into pieces makes no difference.
    """
    reader = _Reader(frozenset(e.key for e in evidence))
    for piece in pieces:
        yield from reader.feed(piece)
    yield from reader.close()


class _Reader:
    """The part of the text that may still turn out to be a mark, and what went before it."""

    def __init__(self, known: AbstractSet[str]) -> None:
        self._known = known
        self._buffer = ""
        self._at_line_start = True
        self._skip_spaces = False

    def feed(self, text: str) -> Iterator[Piece]:
        self._buffer += text
        held = _HELD.search(self._buffer)
        yield from self._release(held.start() if held else len(self._buffer))

    def close(self) -> Iterator[Piece]:
        cut = _CUT.search(self._buffer)
        yield from self._release(cut.start() if cut else len(self._buffer))
        if cut:
            unfinished = cut.group().strip(" \t,;:(")
            yield Piece("", (), (unfinished,) if len(unfinished) > 1 else ())

    def _release(self, end: int) -> Iterator[Piece]:
        """Let the buffer through up to ``end``; a mark that begins before it ends before it."""
        done = 0
        for run in _RUN.finditer(self._buffer):
            if run.start() >= end:
                break
            yield from self._plain(self._buffer[done : run.start()])
            yield self._mark(run)
            done = run.end()
        yield from self._plain(self._buffer[done:end])
        self._buffer = self._buffer[max(done, end) :]

    def _plain(self, text: str) -> Iterator[Piece]:
        if self._skip_spaces:
            text = text.lstrip(" \t")
        if text:
            self._skip_spaces = False
            line = text.rstrip(" \t")
            self._at_line_start = line.endswith("\n") if line else self._at_line_start
            yield Piece(text)

    def _mark(self, run: re.Match[str]) -> Piece:
        cited, removed = _sort(run["marks"], self._known)
        text = _kept(run, cited) if cited else self._gap(run)
        if self._skip_spaces:
            text = text.lstrip(" \t")
        if text:
            self._at_line_start, self._skip_spaces = False, False
        elif self._at_line_start:
            self._skip_spaces = True
        return Piece(text, cited, removed)

    def _gap(self, run: re.Match[str]) -> str:
        """What stays of a mark that named nothing: the stop before it, the space between words."""
        lead, following = run["lead"], run["next"]
        stop = lead.rstrip(" \t")
        if not following or following in ".,;:!?\n":
            return ""
        if self._at_line_start:
            return stop
        return stop + (" " if lead[len(stop) :] and not following.isspace() else "")


def _kept(run: re.Match[str], cited: Sequence[str]) -> str:
    closing = ")" if run["open"] else ""
    return f"{run['lead']}{run['open'] or ''}[{', '.join(cited)}]{closing}"


def _sort(marks: str, known: AbstractSet[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys of neighbouring marks, each once: those that are known, and those that are not."""
    named = dict.fromkeys(_keys(marks))
    return tuple(k for k in named if k in known), tuple(k for k in named if k not in known)


def _keys(marks: str) -> Iterator[str]:
    for content in re.findall(rf"{_OPEN}({_INSIDE}+){_CLOSE}", marks):
        if re.fullmatch(r"[\s\d,]+", content):
            yield from re.findall(r"\d+", content)
        for letter, first, last_letter, last in _KEY.findall(content):
            yield from _span(letter.upper(), int(first), last_letter.upper(), last)


def _span(letter: str, first: int, last_letter: str, last: str) -> Iterator[str]:
    """``C1`` alone, or the keys from C1 to C3. A range of over 100 is no citation of anything."""
    yield f"{letter}{first}"
    if not last:
        return
    if last_letter in ("", letter) and first < int(last) <= first + 100:
        yield from (f"{letter}{n}" for n in range(first + 1, int(last) + 1))
    else:
        yield f"{last_letter or letter}{int(last)}"


def attribute(pieces: Sequence[Piece], context: Context, timings: Mapping[str, float]) -> Answer:
    """Join checked pieces to an answer, with the evidence cited by first mention.

    Where nothing was kept, or nothing is cited, the answer abstains and says why.
    """
    context = replace(context, timings=dict(timings))
    brief = context.question.brief
    by_key = {e.key: e for e in context.kept}
    keys = dict.fromkeys(k for piece in pieces for k in piece.cited)
    cited = [by_key[k] for k in keys if k in by_key]
    removed = list(dict.fromkeys(k for piece in pieces for k in piece.removed))
    struck = [piece.struck for piece in pieces if piece.struck]
    if not cited:
        text = (brief and brief.declined) or NO_EVIDENCE.format(why=_why(context))
        return Answer(text, [], removed, True, context, brief, struck)
    text = "".join(p.text for p in pieces).strip()
    return Answer(text, cited, removed, False, context, brief, struck)


def _why(context: Context) -> str:
    routing, query = context.question.routing, context.question.query
    if not routing.medical:
        return "the image was not recognised as a medical one" + (
            f" ({routing.reason})" if routing.reason else ""
        )
    if not context.gathered:
        place = f" in {routing.decision}" if routing.decision else ""
        return f"nothing was found{place}" + (f" where {query.where}" if query.where else "")
    if not context.kept:
        one = len(context.gathered) == 1
        found = "the one item" if one else f"none of the {len(context.gathered)} items"
        return f"{found} found {'did not pass' if one else 'passed'} the relevance filter"
    return "the generator cited none of what it was given, so its text is withheld"


_QUOTED = re.compile(r"“[^”\n]*”|\"[^\"\n]*\"")
_BOUNDARY = re.compile(rf"(?<=[.!?])(?:\s*{_MARK})*\s+(?=\S)(?!{_OPEN})|\n+")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|vs|cf|approx|no|fig|dr|ca|resp)\.$", re.IGNORECASE)


def unsupported_sentences(answer: Answer) -> list[str]:
    """The sentences of an answer that carry no mark.

    Headings and lead-ins ending in ":" are left out, and so is what says why nothing is answered.
    """
    if answer.abstained:
        return []
    has_mark = re.compile(_MARK)
    text = answer.text
    if answer.brief is not None and answer.brief.declined:
        text = text.replace(answer.brief.declined, "", 1)
    return [s for s in _sentences(text) if not has_mark.search(s)]


def _sentences(text: str) -> Iterator[str]:
    """Sentences with the marks that follow their full stop; quotations are not cut."""
    masked = _QUOTED.sub(lambda m: re.sub(r"[.!?]", "·", m.group()), text)
    start = 0
    for boundary in [*(m.span() for m in _BOUNDARY.finditer(masked)), (len(text), len(text))]:
        marks_end = boundary[1]
        if _ABBREVIATION.search(masked[start : boundary[0]]):
            continue
        sentence = text[start:marks_end].strip(" \t\n-*•")
        start = marks_end
        if re.search(r"\w", sentence) and not sentence.endswith(":") and sentence[0] != "#":
            yield sentence
