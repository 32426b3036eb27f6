"""The one door to the terminal: what others wrote cannot steer it.

Ids, file names, report texts and the answers of chat models may hold escape sequences that recolour
or overwrite the screen, set its title, or turn the reading direction. Every line that a command
prints, to standard output or standard error, passes :func:`printable`.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from mmedrag.errors import MMedRAGError

if TYPE_CHECKING:
    from tqdm import tqdm

_LINE_ENDS = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
# C0 but tab and line feed, DEL and C1; marks, embeddings and isolates of the reading direction;
# deprecated formatting, interlinear and tag characters, which show nothing.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_JSON_ESCAPED = re.compile(f"{_UNPRINTABLE.pattern}|[\x85\u2028\u2029]|{_LONE_SURROGATE.pattern}")


def printable(text: str) -> str:
    r"""The text without control and direction characters; line ends become ``\n``.

    What a broken file name leaves undecoded is shown as the replacement character.
    """
    text = _LINE_ENDS.sub("\n", text)
    return _LONE_SURROGATE.sub("\ufffd", _UNPRINTABLE.sub("", text))


def one_line(text: str) -> str:
    """Printable text on one line: nobody can add a line of his own to what is printed."""
    return " ".join(printable(text).split())


def json_escaped(document: str) -> str:
    r"""A JSON document in which what a terminal may obey is written as ``\u....``.

    The document still says the same: such characters stand within strings only.
    """
    return _JSON_ESCAPED.sub(lambda match: _escape(match[0]), document)


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def show(text: str = "", *, end: str = "\n") -> None:
    """Print to standard output."""
    _write(sys.stdout, printable(text) + end)


def notify(message: str) -> None:
    """Print one line ``mmedrag: …`` to standard error."""
    _write(sys.stderr, f"mmedrag: {one_line(message)}\n")


def stream(piece: str) -> None:
    """Print a piece of an answer to standard error at once."""
    _write(sys.stderr, printable(piece))


def _write(file: TextIO, text: str) -> None:
    encoding = file.encoding or "utf-8"
    file.write(text.encode(encoding, "backslashreplace").decode(encoding))
    file.flush()


class ProgressLines:
    """Progress where standard error is no terminal: a line now and then, none for short work.

    Args:
        unit: what is counted.
        description: what is done.
        total: how many there are about, where that is known; it may be set later.
        seconds: between two lines.
    """

    def __init__(
        self, unit: str, description: str, total: int | None = None, seconds: float = 30.0
    ) -> None:
        self.total = total
        self.n = 0
        self._unit, self._description, self._seconds = unit, description, seconds
        self._last, self._last_n = monotonic(), 0

    def update(self, finished: int = 1, /) -> None:
        """So many more are finished."""
        self.n += finished
        now = monotonic()
        if now - self._last < self._seconds:
            return
        rate = (self.n - self._last_n) / max(now - self._last, 1e-9)
        self._last, self._last_n = now, self.n
        notify(f"{self._description}: {self._state(rate)}")

    def refresh(self) -> None:
        """Nothing: the next line shows what has changed."""

    def _state(self, rate: float) -> str:
        """How far it is; what is left is said by the rate of late: what is known passes faster."""
        if not self.total or self.total < self.n:
            return f"{self.n:,} {self._unit}s, {rate:,.1f} a second"
        left = int((self.total - self.n) / rate) if rate else 0
        return (
            f"{self.n:,} of about {self.total:,} {self._unit}s ({100 * self.n // self.total} %), "
            f"{rate:,.1f} a second, {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
        )


Counter: TypeAlias = "tqdm[Any] | ProgressLines"


@contextmanager
def progress_bar(unit: str, description: str, total: int | None = None) -> Iterator[tqdm[Any]]:
    """A progress bar on standard error (none where that is no terminal).

    Its ``update`` is a :class:`mmedrag.progress.Progress`.
    """
    from tqdm import tqdm

    bar: tqdm[Any]
    with tqdm(total=total, unit=unit, desc=description, smoothing=0.1, disable=None) as bar:
        yield bar


@contextmanager
def counter(unit: str, description: str) -> Iterator[Counter]:
    """For hours of work: a :func:`progress_bar` on a terminal, else :class:`ProgressLines`."""
    if not sys.stderr.isatty():
        yield ProgressLines(unit, description)
        return
    with progress_bar(unit, description) as bar:
        yield bar


def expect(bar: Counter, count: Callable[[], int | None]) -> None:
    """Give a bar the total that ``count`` finds, without waiting for it."""

    def set_total() -> None:
        try:
            bar.total = count()
        except MMedRAGError:
            return  # whoever reads what is counted says so
        bar.refresh()

    Thread(target=set_total, name="count", daemon=True).start()


class TerminalLog(logging.Handler):
    """Warnings of the package and of Python as lines of standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        notify(record.getMessage())
