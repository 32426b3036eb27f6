"""Damaged corpora and pictures of every format: cases, problems or a typed error, nothing else."""

from __future__ import annotations

import io
import json
import random
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicom_files import BASIC_TEXT_SR, content, header, ramp, with_pixels
from mmedrag.datasets import read_corpus
from mmedrag.errors import MMedRAGError
from mmedrag.imaging.decoding import open_image
from mmedrag.types import Case, Problem
from proofs import scaled

pytestmark = pytest.mark.proof("fuzz")

SHORT, LONG = 150, 15_000
"""Inputs a format; seven formats make more than 10⁵ in the long run."""

TOKENS = (
    *(b'"', b",", b"\t", b"\n", b"\r", b"\0", b"\xff", b"\xfe\xff", b"[", b"]", b"{"),
    *(b"1e999", b"NaN", b"-1", b"65535", b"\\ud800", b"\xff\xff\xff\xff", b"\xfe\xff\xdd\xe0"),
    *(b"SQ", b"UN"),
)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """The data with a few bytes flipped, tokens put in, pieces doubled or cut out."""
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(damaged) + 1)
        kind = rng.randrange(5)
        if kind == 0 and at < len(damaged):
            damaged[at] = rng.randrange(256)
        elif kind == 1:
            damaged[at:at] = rng.choice(TOKENS)
        elif kind == 2:
            del damaged[at : at + rng.randint(1, 16)]
        elif kind == 3:
            damaged[at:at] = damaged[at : at + rng.randint(1, 64)]
        elif rng.random() < 0.2:
            del damaged[at:]
    return bytes(damaged)


def written(save: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def picture(kind: str, **options: object) -> bytes:
    return written(
        lambda buffer: Image.fromarray(ramp("<u1", 0, 255)).save(buffer, kind, **options)
    )


def dicom(ds) -> bytes:
    return written(lambda buffer: ds.save_as(buffer, enforce_file_format=True))


def scan() -> bytes:
    return dicom(with_pixels(header(), ramp()[:2], WindowCenter=40, WindowWidth=400))


def report() -> bytes:
    ds = header(BASIC_TEXT_SR)
    ds.ContentSequence = [content("TEXT", "Findings", TextValue="No effusion.")]
    return dicom(ds)


TABLE = (
    b'id,findings,impression,labels\n1,"clear, no\nmass",ok,a;b\n2,x,"y ""z""",[c]\n3,nan,NULL,\n'
)
RECORDS = "\n".join(
    json.dumps({"id": i, "text": "No mass.", "labels": ["a"], "meta": {"x": [1.5, None, "é"]}})
    for i in range(4)
).encode()
SEEDS: dict[str, tuple[bytes, ...]] = {
    "t.csv": (TABLE, TABLE.replace(b",", b"\t"), TABLE.decode().encode("utf-16")),
    "records.jsonl": (RECORDS,),
    "a.png": (picture("PNG"), written(lambda b: Image.new("RGBA", (9, 9)).save(b, "PNG"))),
    "a.jpg": (picture("JPEG"),),
    "a.tif": (
        picture("TIFF"),
        picture("TIFF", compression="tiff_lzw"),
        picture("TIFF", big_tiff=True),
    ),
    "a.dcm": (scan(), scan()[132:], report()),
    "a.bmp": (picture("BMP"), written(lambda b: Image.fromarray(np.eye(9) > 0).save(b, "BMP"))),
}


def outcome(file: Path) -> str:
    try:
        items = list(read_corpus(file if file.suffix in (".csv", ".jsonl") else file.parent))
        assert all(isinstance(item, Case | Problem) for item in items)
        for item in items:
            if isinstance(item, Case) and item.image is not None:
                assert open_image(item.image, item.frame).mode in ("L", "RGB")
    except MMedRAGError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return "error"
    return "read"


def attack(folder: Path, name: str, inputs: int) -> None:
    """Read that many damaged files; any other exception than ours ends the test and is shown."""
    rng = random.Random(name)
    outcomes = set()
    for number in range(inputs):
        data = mutated(rng, rng.choice(SEEDS[name]))
        file = folder / name
        file.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                outcomes.add(outcome(file))
            except Exception as error:
                raise AssertionError(f"input {number} of {name}: {data!r}") from error
    assert "read" in outcomes


@pytest.mark.parametrize("name", SEEDS)
def test_damaged_files(tmp_path, name, record_property):
    attack(tmp_path, name, SHORT)
    record_property("inputs", SHORT)


@pytest.mark.long
@pytest.mark.parametrize("name", SEEDS)
def test_many_damaged_files(tmp_path, name, record_property):
    attack(tmp_path, name, scaled(LONG))
    record_property("inputs", scaled(LONG))
