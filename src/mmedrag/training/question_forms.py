"""Questions by what they ask for, written from forms: what the reader of questions learns from.

``question_forms.txt`` has the forms by label, of our own wording, and what fills them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FORMS = Path(__file__).with_name("question_forms.txt")
_CHOICE = re.compile(r"\(([^()]*)\)")
_GAP = re.compile(r"\{(\w+)\}")
_BEFORE = (
    "please ", "hi, ", "quick question: ", "so ", "hang on, ", "right, ", "sorry, ", "ok, ",
    "quick one - ", "honestly, ", "just wondering: ", "for the students: ", "one more thing: ",
    "doctor, ", "hello again, ", "now ", "and ", "but ", "well, ", "excuse me, ", "to be clear, ",
    "before I forget: ", "my question is: ", "can you tell me, ", "I'd like to ask: ", "hey, ",
)  # fmt: skip
_AFTER = (
    " please", " thanks", " thank you", " - any help appreciated", ", thanks in advance", " pls",
    " asap", "!", " ?", "...", ", doctor", " if you can",
)  # fmt: skip
"""What people write around any question, and says nothing of what is asked."""


@dataclass(frozen=True, slots=True)
class Form:
    """A wording with choices ``(a|b)`` and gaps ``{name}``, and the label of what it asks for."""

    label: str
    wording: str


def read_forms(path: Path = FORMS) -> tuple[list[Form], dict[str, list[str]]]:
    """The forms and the fillings by the name of their gap."""
    forms: list[Form] = []
    fillings: dict[str, list[str]] = {}
    heading = ""
    for line in path.read_text("utf-8").splitlines():
        if line[:2] in ("= ", "@ "):
            heading = line
        elif line and not line.startswith("#"):
            name = heading[2:]
            if heading.startswith("="):
                forms.append(Form(name, line))
            else:
                fillings.setdefault(name, []).extend(line.split("; "))
    return forms, fillings


def expanded(form: Form, fillings: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """One question of a form; choices and fillings are drawn."""
    text = form.wording
    while match := _CHOICE.search(text):
        text = text[: match.start()] + rng.choice(match[1].split("|")) + text[match.end() :]
    text = _GAP.sub(lambda gap: rng.choice(fillings[gap[1]]), text)
    return " ".join(text.split())


def questions(
    number: int, terms: Sequence[str], seed: int = 0, forms: Sequence[Form] | None = None
) -> Iterator[tuple[Form, str]]:
    """So many questions of each form, some as people type them.

    Args:
        number: of each form.
        terms: names of findings and diseases, beside those of the file.
        seed: the same questions for the same seed.
        forms: only these.
    """
    rng = random.Random(seed)  # noqa: S311 - a sample, no secret
    every, fillings = read_forms()
    fillings["f"] += rng.sample(list(terms), min(len(terms), 4 * len(fillings["f"])))
    for form in every if forms is None else forms:
        drawn = {typed(expanded(form, fillings, rng), rng) for _ in range(number)}
        yield from ((form, text) for text in sorted(drawn))


def typed(text: str, rng: random.Random) -> str:
    """The text as somebody types it: often without capitals or marks, at times with a slip."""
    text = text[:1].upper() + text[1:] if rng.random() < 0.5 else text
    if rng.random() < 0.2:
        text = text.rstrip("?.")
    if rng.random() < 0.15:
        text = text.lower()
    if rng.random() < 0.12 and len(text) > 12:
        place = rng.randrange(2, len(text) - 2)
        swapped = text[place + 1] + text[place]
        text = text[:place] + rng.choice([swapped, text[place], ""]) + text[place + 2 :]
    if rng.random() < 0.3:
        text = rng.choice(_BEFORE) + text
    if rng.random() < 0.15:
        text = text + rng.choice(_AFTER)
    return text
