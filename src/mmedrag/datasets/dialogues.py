"""Questions with their answers, and conversations, as the texts of pictures.

``question`` and ``answer``, as sets of visual question answering have them, become a line: "Is
there an effusion? No." is read as a report that rules one out. So do the ``conversations`` of sets
of instructions; what they ask for without a question mark ("Describe the image.") is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmedrag.datasets.rows import text_of

_CONVERSATIONS = ("conversations", "conversatons")  # the second is how LLaVA-Med spells it
_ASKED = ("question", "answer")
_MARK = "<image>"  # where a conversation has the picture
_MOST = 500  # rows of one picture


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The columns of a conversation, or of a question and its answer."""

    columns: tuple[str, ...]

    def text(self, cells: Mapping[str, Any]) -> str:
        """What a row says: a question with its answer a line."""
        values = [cells.get(column) for column in self.columns]
        pairs = _pair(*values) if len(values) == len(_ASKED) else _turns(*values)
        return "\n".join(
            f"{asked} {said}" if asked.endswith("?") else said for asked, said in pairs if said
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What rows that follow each other say of one picture, by the line of the first."""

    line: int
    cells: Mapping[str, Any]
    texts: tuple[str, ...]

    def with_row(self, cells: Mapping[str, Any], text: str, own: str) -> Asked:
        """This with another row: of the cells those that both have, and the first one's ``own``."""
        both = {n: cell for n, cell in self.cells.items() if n == own or cells.get(n) == cell}
        return Asked(self.line, both, (*self.texts, text))

    def is_about(self, cells: Mapping[str, Any], shared: Sequence[str]) -> bool:
        """Whether a row has the same in these columns, and is not one too many."""
        alike = all(cells.get(name) == self.cells.get(name) for name in shared)
        return alike and len(self.texts) < _MOST


def dialogue_of(plain: Mapping[str, str]) -> Dialogue | None:
    """The dialogue that a table's columns hold, where they do, by their plain names."""
    for name in _CONVERSATIONS:
        if name in plain:
            return Dialogue((plain[name],))
    return Dialogue(tuple(plain[name] for name in _ASKED)) if plain.keys() >= {*_ASKED} else None


def _pair(question: object, answer: object) -> Iterator[tuple[str, str]]:
    asked = _line(question).rstrip(" .?")
    yield f"{asked}?" if asked else "", _line(answer)


def _turns(value: object) -> Iterator[tuple[str, str]]:
    """What was said in a conversation, each with what was said to it before."""
    asked = ""
    for turn in value if isinstance(value, list) else ():
        said = _line(turn.get("value")) if isinstance(turn, Mapping) else ""
        if isinstance(turn, Mapping) and turn.get("from") == "human":
            asked = said
        else:
            yield asked, said
            asked = ""


def _line(value: object) -> str:
    return " ".join(text_of(value).replace(_MARK, " ").split())
