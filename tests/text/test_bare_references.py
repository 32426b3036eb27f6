"""References without brackets get them; what becomes of them then, tests/test_citations.py says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.text.bare_references import BareReferences

SUPPLIED = frozenset({"C1", "C2", "D1"})


def read(*pieces: str) -> str:
    references = BareReferences(SUPPLIED, ["A report, see https://x.org/a."])
    return "".join([*map(references.feed, pieces), references.close()])


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("As C99 shows, fluid.", "[C99] fluid."),
        ("Seen in case C7, C8 and C9.", "[C7, C8 and C9]"),
        ("Fluid. See C9. Air", "Fluid. [C9] Air"),
        ("As C1 shows, see https://x.org/a.", "As C1 shows, see https://x.org/a."),
        ("At https://y.org/b, fluid.", "At [https://y.org/b] fluid."),
        ("Narrow at C5 and C6, as shown in C7.", "Narrow at C5 and C6, [C7]."),
        ("The vertebra C3, as shown in C5.", "The vertebra C3, as shown in C5."),
        ('He wrote "see C99" there.', 'He wrote "see C99" there.'),
    ],
)
def test_what_is_put_into_brackets(written: str, text: str) -> None:
    assert read(written) == text


PARTS = [
    "As C9 shows, ",
    "see ",
    "C99",
    ". ",
    "et al. (2019)",
    " Smith ",
    "\n",
    "PMID 12345",
    "x" * 90,
]


@given(st.lists(st.sampled_from(PARTS), max_size=30).map("".join), st.integers(1, 40))
def test_how_the_text_is_cut_makes_no_difference(text: str, size: int) -> None:
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert read(*pieces) == read(text)
