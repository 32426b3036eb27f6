"""What a model writes for itself is no answer: reasoning is taken out while the text streams.

Reasoning models mark their deliberation, ``<think>…</think>`` and its many spellings, and servers
pass it on unless they were told to parse it. It is neither evidence nor answer: it is not shown,
and what it cites is not cited.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

RETRACTED = "</think>"
"""Stands for an end of reasoning whose beginning was not written (chat templates that begin it in
the prompt): everything that came before it was reasoning."""

_NAME = (
    r"(?:[a-z]{1,12}:)?(?:ant)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis"
    r"|scratch_?pad|deliberation|(?:inner|internal)_(?:thoughts?|monologue))"
)
_OPENING = (
    rf"<{_NAME}(?:\s[^<>\n]{{0,80}})?>|<\|(?:begin_of_)?{_NAME}\|>|\[think(?:ing)?\]|◁{_NAME}▷"
    r"|<\|channel\|>[ \t]{0,4}(?:analysis|commentary)|<unused94>"  # MedGemma
)
_CLOSING = (
    rf"</{_NAME}\s{{0,4}}>|<\|(?:end_of_|/){_NAME}\|>|\[/think(?:ing)?\]|◁/{_NAME}▷"
    r"|<\|channel\|>[ \t]{0,4}final|<unused95>"
)
_OTHER = (
    r"</?(?:final_)?(?:answer|response|output)\s{0,4}>"
    r"|<\|(?:im_start|im_end|end|message|return|eot_id|end_of_text)\|>|<\|start\|>assistant"
)
_TAG = re.compile(
    rf"(?P<opening>{_OPENING})|(?P<closing>{_CLOSING})|(?P<other>{_OTHER})", re.IGNORECASE
)
_END = re.compile(rf"{_CLOSING}|<\|end\|>", re.IGNORECASE)
# Every beginning of a tag that more text may complete.
_HELD = re.compile(
    r"(?:<(?![\s\d])[^<>\n]{0,160}|<\|(?:channel|start)\|>[ \t]{0,4}[a-z]{0,10}|\[/?[a-z]{0,8}"
    r"|◁[^▷\n]{0,40})\Z",
    re.IGNORECASE,
)


def answer_only(pieces: Iterable[str]) -> Iterator[str]:
    """The text without reasoning, as it comes; how it is cut into pieces makes no difference.

    Reasoning that is not closed lasts to the end. An end of reasoning without a beginning gives
    :data:`RETRACTED` as a piece of its own.
    """
    reader = _Reader()
    for piece in pieces:
        yield from reader.feed(piece)
    yield from reader.close()


class _Reader:
    """The text that may still turn out to be a tag, and whether it stands in reasoning."""

    def __init__(self) -> None:
        self._buffer = ""
        self._reasoning = False

    def feed(self, text: str) -> Iterator[str]:
        self._buffer += text
        while tag := (_END if self._reasoning else _TAG).search(self._buffer):
            yield from self._shown(self._buffer[: tag.start()])
            self._buffer = self._buffer[tag.end() :]
            if self._reasoning:
                self._reasoning = False
            elif tag["closing"]:
                yield RETRACTED
            else:
                self._reasoning = bool(tag["opening"])
        held = _HELD.search(self._buffer)
        end = held.start() if held else len(self._buffer)
        yield from self._shown(self._buffer[:end])
        self._buffer = self._buffer[end:]

    def close(self) -> Iterator[str]:
        yield from self._shown(self._buffer)

    def _shown(self, text: str) -> Iterator[str]:
        if text and not self._reasoning:
            yield text
