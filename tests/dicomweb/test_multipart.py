"""Multipart messages, however they are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.dicomweb.multipart import MAX_HEADER, BrokenMultipart, boundary_of, read_parts

BOUNDARY = b"b-1"
# Bytes that a boundary is made of are what a reader may stumble over.
BODIES = st.lists(
    st.lists(
        st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n--b", b"b-", b"1", b"\0", b"DICM"])
        | st.binary(max_size=8)
    ).map(b"".join).filter(lambda body: b"\r\n--b-1" not in b"\r\n" + body + b"\r\n"),
    min_size=1,
    max_size=4,
)  # fmt: skip


def message(bodies: list[bytes], preamble: bytes = b"") -> bytes:
    parts = [b"--b-1\r\nContent-Type: application/dicom\r\n\r\n" + b + b"\r\n" for b in bodies]
    return preamble + b"".join(parts) + b"--b-1--"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(marks)]


@given(bodies=BODIES, places=st.lists(st.integers(0, 10_000), max_size=20))
def test_any_bodies_in_any_chunks(bodies, places):
    read = [
        (part.header, b"".join(part.body))
        for part in read_parts(cut(message(bodies), places), BOUNDARY)
    ]
    assert read == [({"content-type": "application/dicom"}, body) for body in bodies]


@given(bodies=BODIES)
def test_byte_by_byte_behind_a_preamble(bodies):
    data = message(bodies, b"to be passed over\r\n") + b"\r\nepilogue"
    chunks = [data[i : i + 1] for i in range(len(data))]
    assert [b"".join(part.body) for part in read_parts(chunks, BOUNDARY)] == bodies


@given(bodies=BODIES)
def test_bodies_that_nobody_reads_are_passed_over(bodies):
    assert len(list(read_parts([message(bodies)], BOUNDARY))) == len(bodies)


@given(bodies=BODIES, data=st.data())
def test_a_message_that_ends_early_is_noticed(bodies, data):
    whole = message(bodies)
    end = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(BrokenMultipart):
        list(read_parts([whole[:end]], BOUNDARY))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>not here</html>" * 2000,
        b"--b-1garbage\r\n\r\nx\r\n--b-1--",
        b"--b-1\r\n" + b"x" * (MAX_HEADER + 10),
    ],
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(BrokenMultipart):
        list(read_parts([data], BOUNDARY))


def test_no_more_than_a_chunk_and_a_boundary_is_held():
    def chunks():
        yield b"--b-1\r\n\r\n"
        for _ in range(200):
            yield bytes(10_000)
        yield b"\r\n--b-1--"

    (sizes,) = [[len(piece) for piece in part.body] for part in read_parts(chunks(), BOUNDARY)]
    assert sum(sizes) == 2_000_000
    assert max(sizes) <= 10_000 + len(BOUNDARY) + 4


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ('multipart/related; type="application/dicom"; boundary=abc-1', b"abc-1"),
        ('Multipart/Related;boundary="a b"; type=x', b"a b"),
        ("multipart/related; BOUNDARY=x;type=y", b"x"),
    ],
)
def test_boundaries(content_type, boundary):
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize("content_type", ["", "application/dicom", "multipart/related; type=x"])
def test_no_boundary(content_type):
    with pytest.raises(BrokenMultipart):
        boundary_of(content_type)
