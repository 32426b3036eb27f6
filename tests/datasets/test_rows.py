"""Texts beside pictures are read in whatever encoding they were saved."""

from __future__ import annotations

import pytest

from mmedrag.datasets.rows import decoded

TEXT = "Ödem der Lunge.\nKein Erguss.\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
def test_encodings(encoding):
    assert decoded(TEXT.encode(encoding)) == TEXT


def test_one_bad_byte_garbles_one_line():
    assert decoded("Müller\n".encode() + b"S\xf6hne\n" + "Bär".encode()) == "Müller\nSöhne\nBär"


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"\xfe\xffx", b"\0" * 30])
def test_odd_bytes_are_some_text(data):
    assert isinstance(decoded(data), str)
