"""``index`` stays small whatever it is given: measured under a real limit, in a child process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicom_files import header, save, with_pixels
from proofs import SCALE, scaled

resource = pytest.importorskip("resource", reason="limits on memory need a Unix system")

pytestmark = pytest.mark.proof("bombs")

LIMIT = 1536 * 2**20
"""Bytes of memory of its own that a whole ``mmedrag index`` may allocate."""

CHILD = """
import resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
from mmedrag.cli import main
sys.exit(main(["index", sys.argv[2], "--into", sys.argv[3]]))
"""
READER = """
import resource, sys
from pathlib import Path
from mmedrag.datasets import read_corpus
from mmedrag.errors import CorpusError
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    print(sum(1 for _ in read_corpus(Path(sys.argv[2]))))
except CorpusError as error:
    print("refused:", error)
"""


def run(code: str, limit: int, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, str(limit), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def index(corpus: Path, into: Path) -> str:
    return run(CHILD, LIMIT, corpus, into)


def parquet(file: Path, column: object) -> Path:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    length = len(column)  # type: ignore[arg-type]
    table = pa.table({"id": range(length), "text": column})
    pq.write_table(table, file, compression="zstd", write_statistics=False)  # copies of the text
    pa.default_memory_pool().release_unused()
    return file


def test_pictures_in_flight_are_bounded(tmp_path):
    Image.new("RGB", (6900, 6900)).save(tmp_path / "0.png")
    for i in range(1, 6):
        (tmp_path / f"{i}.png").hardlink_to(tmp_path / "0.png")
    assert "6 cases written" in index(tmp_path, tmp_path.with_suffix(".casebase"))


def test_a_small_table_that_claims_gigabytes_is_refused_or_passed_over(tmp_path):
    pa = pytest.importorskip("pyarrow")
    repeated = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(60, np.int32)), pa.array(["x" * 9_000_000])
    )
    file = parquet(tmp_path / "repeated.parquet", repeated)
    assert file.stat().st_size < 2**20
    assert run(READER, 2**29, file).strip() == "60"
    whole = parquet(tmp_path / "whole.parquet", ["x" * 300_000_000])
    assert run(READER, 2**29, whole).startswith("refused:")


def test_an_open_mark_over_many_lines(tmp_path):
    file = tmp_path / "open.csv"
    file.write_text('id,text\n1,"never closed\n' + "x\n" * 300_000)
    assert run(READER, 2**28, file).strip() == "1002"


def test_a_line_that_does_not_end(tmp_path):
    file = tmp_path / "line.csv"
    with file.open("wb") as opened:
        opened.write(b"id,text\n1,")
        for _ in range(300):
            opened.write(b"x" * 2**20)
        opened.write(b"\n2,No mass.\n")
    assert run(READER, 2**28, file).strip() == "2"


@pytest.mark.long
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "CMYK", "I;16", "F", "I"])
def test_many_large_pictures(tmp_path, mode):
    size = (6900, 6900) if mode not in ("F", "I") else (5000, 5000)
    suffix, options = (".png", {}) if mode not in ("F", "I", "CMYK") else (
        ".tif", {"compression": "tiff_deflate"},
    )  # fmt: skip
    first = tmp_path / f"0{suffix}"
    Image.new(mode, size).save(first, **options)
    count = 70 if mode == "RGBA" or SCALE > 1 else max(4, scaled(14))  # many times those in flight
    for i in range(1, count):
        first.with_name(f"{i}{suffix}").hardlink_to(first)
    assert f"{count} cases written" in index(tmp_path, tmp_path.with_suffix(".casebase"))


@pytest.mark.long
def test_large_dicom_files(tmp_path):
    for i in range(4):
        save(
            with_pixels(header(seed=f"s{i}"), np.zeros((7000, 7000), "<u2")), tmp_path / f"s{i}.dcm"
        )
    save(with_pixels(header(seed="m"), np.zeros((250, 1000, 1000), "<u2")), tmp_path / "m.dcm")
    save(with_pixels(header(seed="c"), np.zeros((7000, 7000, 3), "u1"), "RGB"), tmp_path / "c.dcm")
    assert "6 cases written" in index(tmp_path, tmp_path.with_suffix(".casebase"))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["meta", "text", "open mark"])
def test_large_rows(tmp_path, kind):
    file = tmp_path / ("t.csv" if kind == "open mark" else "r.jsonl")
    with file.open("w") as opened:
        if kind == "open mark":
            opened.write('id,text\n1,"never closed\n')
            for _ in range(200):
                opened.write("x\n" * 100_000)
        for i in range(100 if kind != "open mark" else 0):
            row = {"id": str(i), "text": "t"}
            if kind == "text":
                row["text"] = "\U0001f600" + "a" * 4_000_000
            else:
                row["meta"] = {"a": [[]] * 1_000_000}
            opened.write(json.dumps(row, ensure_ascii=False) + "\n")
    output = run(READER, 2**29, file)
    assert int(output) in (100, 1002)


@pytest.mark.long
def test_medpix_of_one_enormous_array(tmp_path):
    (tmp_path / "Descriptions.json").write_text("[" + "[],[[]]," * 1_000_000 + "{}]")
    (tmp_path / "Case_topic.json").write_text("[]")
    assert run(READER, 2**29, tmp_path).strip() == "1001"
