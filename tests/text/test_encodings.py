"""Encodings are told by what a file holds."""

from __future__ import annotations

import pytest

from mmedrag.text.encodings import line_of, utf16_of

TEXT = "Erguß;Röntgenbild\n" * 4


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (TEXT.encode("utf-16"), "utf-16"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode(), ""),
        (TEXT.encode("cp1252"), ""),
        (b"", ""),
        (b"a\0b", ""),
    ],
)
def test_which_utf16(data: bytes, kind: str) -> None:
    assert utf16_of(data) == kind


def test_a_line_that_is_not_utf8_is_windows_1252() -> None:
    assert line_of("Erguß".encode()) == ("Erguß", True)
    assert line_of("Erguß".encode("cp1252")) == ("Erguß", False)
