"""Files that grow when they are read: the real command under real limits of memory and CPU time."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from dicom_files import BASIC_TEXT_SR, content, header, ramp, save, with_pixels
from proofs import SCALE

pytest.importorskip("resource", reason="limits on memory need a Unix system")
pytestmark = [pytest.mark.proof("bombs"), pytest.mark.long]

MEMORY = 1536 * 2**20
"""Bytes of memory of its own that a whole command may allocate."""

SECONDS = 300
"""CPU time of a whole command."""

CHILD = """
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]),) * 2)
from mmedrag.cli import main
sys.exit(main(sys.argv[3:]))
"""
SHARE = min(1.0, max(0.02, SCALE))
BLOCK = 2**20


def sized(number: int) -> int:
    """A size of the whole proof, smaller in a quick run."""
    return max(1, int(number * SHARE))


def gzipped(path: Path, head: bytes, part: bytes, times: int, tail: bytes = b"") -> None:
    with gzip.open(path, "wb", 1) as file:
        file.write(head)
        block = part * max(1, BLOCK // len(part))
        for _ in range(max(1, times * len(part) // len(block))):
            file.write(block)
        file.write(tail)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    size = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = b"".join(extra) + chunk(b"IDAT", rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + body + chunk(b"IEND", b"")


def zeros(number: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(BLOCK)) for _ in range(number // BLOCK + 1)) + (
        packer.flush()
    )


def one_bit_png(folder: Path) -> None:
    (folder / "a.png").write_bytes(png(50_000, 50_000, 1, 0, zeros(sized(312_500_000))))


def sixteen_bit_png(folder: Path) -> None:
    (folder / "a.png").write_bytes(png(7000, 7000, 16, 6, zeros(7000 * 56_001)))


def interlaced_png(folder: Path) -> None:
    data = bytearray(png(7000, 7000, 8, 2, zeros(7000 * 21_100)))
    data[28] = 1
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (folder / "a.png").write_bytes(bytes(data))


def png_texts(folder: Path) -> None:
    text = chunk(b"zTXt", b"Comment\0\0" + zeros(sized(500_000_000)))
    profile = chunk(b"iCCP", b"p\0\0" + zeros(sized(500_000_000)))
    long = chunk(b"iTXt", b"Comment\0\1\0\0\0" + zeros(sized(500_000_000)))
    row = zlib.compress(bytes(17 * 16))
    (folder / "a.png").write_bytes(png(16, 16, 8, 0, row, profile, *[text] * 30, *[long] * 30))


def png_of_many_chunks(folder: Path) -> None:
    empty = [chunk(b"IDAT", b"")] * sized(2_000_000)
    (folder / "a.png").write_bytes(png(16, 16, 8, 0, zlib.compress(bytes(17 * 16)), *empty))


def animated_png(folder: Path) -> None:
    actl = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    (folder / "a.png").write_bytes(png(16, 16, 8, 0, zlib.compress(bytes(17 * 16)), actl))


def tiff(*entries: tuple[int, int, int, int], offset: int = 8, after: int = 0) -> bytes:
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", offset, len(entries)) + packed + struct.pack("<I", after)


def tiff_claims(folder: Path) -> None:
    lines = [(256, 4, 1, 2**31), (257, 4, 1, 2**31), (258, 3, 1, 8), (262, 3, 1, 1)]
    (folder / "a.tif").write_bytes(tiff(*lines, (273, 4, 1, 8), (279, 4, 1, 2**31)))
    (folder / "b.tif").write_bytes(tiff((256, 4, 2**31 - 1, 8), *lines[1:]))
    (folder / "c.tif").write_bytes(tiff(*lines[:2], after=8))  # points to itself
    for number, kind in enumerate((1, 2, 3, 4, 5, 7, 11, 12)):
        entries = [(256, 4, 1, 16), (257, 4, 1, 16), (270 + number, kind, 2**28, 8)]
        (folder / f"d{kind}.tif").write_bytes(tiff(*entries))


def tiff_lzw(folder: Path) -> None:
    for mode, compression in (("L", "tiff_lzw"), ("RGB", "packbits"), ("1", "group4")):
        image = Image.new(mode, (7000, 7000))
        image.save(folder / f"{compression}.tif", compression=compression)
    Image.new("F", (7000, 7000)).save(folder / "float.tif", compression="tiff_deflate")


def tiff_pages(folder: Path) -> None:
    page = tiff((256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (273, 4, 1, 8), (279, 4, 1, 64))
    body, at = [page[:8]], 8
    for _ in range(sized(200_000)):
        at += len(page) - 8
        body.append(page[8:-4] + struct.pack("<I", at))
    (folder / "a.tif").write_bytes(b"".join(body) + page[8:])


def jpeg(size: tuple[int, int], **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def jpeg_claims(folder: Path) -> None:
    data = bytearray(jpeg((16, 16)))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    (folder / "a.jpg").write_bytes(data)


def jpeg_scans(folder: Path) -> None:
    """A progressive picture whose last scan comes again and again."""
    data = jpeg((6000, 6000), progressive=True)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    (folder / "a.jpg").write_bytes(data[:-2] + scan * sized(2000) + b"\xff\xd9")


def jpeg_segments(folder: Path) -> None:
    data = jpeg((16, 16))
    exif = b"\xff\xe1" + struct.pack(">H", 65_533) + b"Exif\0\0" + b"I" * 65_525
    (folder / "a.jpg").write_bytes(data[:2] + exif * sized(4000) + data[2:])


def bmp_rle(folder: Path) -> None:
    size = struct.pack("<IiiHHIIiiII", 40, 7000, 7000, 1, 8, 1, 0, 0, 0, 256, 0)
    rows = b"\xff\x07" * 28 * 7000
    head = b"BM" + struct.pack("<IHHI", 14 + 40 + 1024 + len(rows), 0, 0, 14 + 40 + 1024)
    (folder / "a.bmp").write_bytes(head + size + bytes(1024) + rows)


def dicom_claims(folder: Path) -> None:
    for number, (rows, frames) in enumerate(
        [(65_535, "1000000"), (1, "99999999"), (512, "9" * 12)]
    ):
        ds = with_pixels(header(seed=str(number)), ramp())
        ds.Rows = ds.Columns = rows
        ds.NumberOfFrames = frames
        save(ds, folder / f"{number}.dcm")


def dicom_lengths(folder: Path) -> None:
    save(with_pixels(header(), ramp()), folder / "a.dcm")
    data = (folder / "a.dcm").read_bytes()
    at = data.index(b"\xe0\x7f\x10\x00OW")
    for number, length in enumerate((0xFFFFFFFE, 0x7FFFFFFF, 0xFFFFFFFF)):
        broken = data[: at + 8] + struct.pack("<I", length) + data[at + 12 :]
        (folder / f"b{number}.dcm").write_bytes(broken)


def dicom_deflated(folder: Path) -> None:
    ds = with_pixels(header(), ramp())
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.PixelData = bytes(sized(1_000_000_000) // 2 * 2)
    save(ds, folder / "a.dcm")


def encapsulated(syntax: str, frames: list[bytes], seed: str, size: int = 16) -> Dataset:
    ds = with_pixels(header(seed=seed), np.zeros((16, 16), "u1"))
    ds.Rows = ds.Columns = size
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"
    return ds


def dicom_encapsulated(folder: Path) -> None:
    """Frames that claim, or unpack to, far more than the header says."""
    claims = folder / "x"
    claims.mkdir()
    jpeg_claims(claims)
    save(encapsulated(JPEGBaseline8Bit, [(claims / "a.jpg").read_bytes()], "j"), folder / "j.dcm")
    (claims / "a.jpg").unlink()
    claims.rmdir()
    save(encapsulated(JPEGBaseline8Bit, [jpeg((7000, 7000))], "k"), folder / "k.dcm")
    buffer = io.BytesIO()
    Image.new("L", (16, 16)).save(buffer, "JPEG2000", no_jp2=True)
    data = bytearray(buffer.getvalue())
    data[8:16] = struct.pack(">II", 2**31 - 1, 2**31 - 1)
    save(encapsulated(JPEG2000, [bytes(data)], "l"), folder / "l.dcm")
    buffer = io.BytesIO()
    Image.new("L", (7000, 7000)).save(buffer, "JPEG2000", no_jp2=True)
    save(encapsulated(JPEG2000, [buffer.getvalue()], "m"), folder / "m.dcm")
    rle = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * sized(40_000_000)
    save(encapsulated(RLELossless, [rle], "n"), folder / "n.dcm")
    many = encapsulated(JPEGBaseline8Bit, [jpeg((16, 16))] * sized(100_000), "o")
    many.NumberOfFrames = sized(100_000)
    save(many, folder / "o.dcm")


def dicom_many_frames(folder: Path) -> None:
    save(with_pixels(header(), np.zeros((sized(100_000), 64, 64), "u1")), folder / "a.dcm")


def dicom_depth(folder: Path) -> None:
    """A sequence in a sequence, and so on, of undefined length; and very many elements."""
    save(header(BASIC_TEXT_SR), folder / "a.dcm")
    data = (folder / "a.dcm").read_bytes()
    begin = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    (folder / "b.dcm").write_bytes(data + begin * sized(1_000_000))
    element = b"".join(
        struct.pack("<HH2sH", 0x0041, n, b"LO", 2) + b"x " for n in range(0x1000, 0x9000)
    )
    (folder / "c.dcm").write_bytes(data + element * sized(200))
    items = b"\xfe\xff\x00\xe0\0\0\0\0" * sized(5_000_000)
    (folder / "d.dcm").write_bytes(
        data + b"\x40\x00\x30\xa7SQ\0\0" + struct.pack("<I", len(items)) + items
    )


def dicom_report(folder: Path) -> None:
    save(with_pixels(header(), ramp()), folder / "a.dcm")
    ds = header(BASIC_TEXT_SR, seed="sr")
    ds.ContentSequence = [
        content("TEXT", "Finding", TextValue="No mass. " * 100_000) for _ in range(sized(100))
    ]
    save(ds, folder / "sr.dcm")


def csv_line(folder: Path) -> None:
    with (folder / "t.csv").open("wb") as file:
        file.write(b"id,text\n1,")
        for _ in range(sized(2000)):
            file.write(b"x" * BLOCK)
        file.write(b"\n2,No mass.\n")


def csv_columns(folder: Path) -> None:
    names = ",".join(f"c{n}" for n in range(sized(1_000_000)))
    (folder / "t.csv").write_text(f"text,{names}\n" + f"No mass.,{names}\n" * 3)


def csv_quotes(folder: Path) -> None:
    with (folder / "t.csv").open("w") as file:
        file.write("id,text\n")
        for n in range(sized(50_000)):
            file.write(f'{n},"never closed\n')


def csv_marks(folder: Path) -> None:
    """Every line opens a mark that the next one neither closes nor contradicts."""
    with (folder / "t.csv").open("w") as file:
        file.write("id,text\n")
        for _ in range(sized(300_000)):
            file.write('a","x\n')


def csv_prose(folder: Path) -> None:
    """A mark that is never closed, and then more lines than anybody has reports."""
    with (folder / "t.csv").open("w") as file:
        file.write('id,text\n1,"never closed\n')
        for _ in range(sized(250)):
            file.write("x\n" * 1_000_000)


def sparse_files(folder: Path) -> None:
    """Terabytes that were never written."""
    heads = {"t.csv": b"id,text\n1,No mass.\n", "r.ndjson": b'{"id": "1", "text": "No mass."}\n'}
    for name, head in heads.items():
        with (folder / name).open("wb") as file:
            file.write(head)
            file.truncate(sized(2**42))


def deep_folders(folder: Path) -> None:
    """Folders within folders beyond what a path can name, links in circles, a device, a hole."""
    Image.new("L", (32, 32)).save(folder / "a.png")
    with (folder / "b.png").open("wb") as file:
        file.write((folder / "a.png").read_bytes())
        file.truncate(sized(2**42))
    (folder / "circle").symlink_to("..")
    (folder / "zero.png").symlink_to("/dev/zero")
    here = os.open(folder, os.O_RDONLY)
    for _ in range(sized(5000)):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def jsonl_lines(folder: Path) -> None:
    row = b'{"id": "1", "text": "No mass."}\n'
    with (folder / "records.jsonl").open("wb") as file:
        file.write(row)
        file.write(b"[" * sized(100_000_000) + b"\n")
        file.write(b'{"id": "2", "a":' * sized(3_000_000) + b"\n")
        file.write(b'{"id": ' + b"1" * sized(100_000_000) + b"}\n")
        file.write(b'{"id": "3", "text": "' + b"\\u00e9" * sized(600_000) + b'"}\n')
        file.write(b'{"id": "4", "labels": [' + b'"a",' * sized(900_000) + b'"a"]}\n')
        keys = ",".join(f'"{n}": 0' for n in range(sized(300_000)))
        file.write(f'{{"id": "5", "text": "x", "meta": {{{keys}}}}}\n'.encode())


def parquet_tables(folder: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    rows = 60
    nested = pa.array([[[0] * 100_000] * sized(40)] * rows, pa.list_(pa.list_(pa.int8())))
    wide = {f"c{n}": [0] for n in range(sized(20_000))}
    tables = {
        "null": {"text": ["t"] * rows, "x": pa.nulls(rows, pa.string())},
        "nested": {"text": ["t"] * rows, "x": nested},
        "wide": {"text": ["t"], **wide},
        "long": {"text": pa.array(["x" * sized(400_000_000)])},
        "bytes": {"text": ["t"] * 8, "x": pa.array([bytes(sized(100_000_000))] * 8)},
    }
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet", compression="zstd")


LAUGHS = b"<!DOCTYPE l [<!ENTITY a0 'ha'>%s]>" % b"".join(
    b"<!ENTITY a%d '%s'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 30)
)


def xml_reports(folder: Path) -> None:
    (folder / "ecgen-radiology").mkdir()
    for name, body in {
        "1": b"<eCitation><a>&a29;</a></eCitation>",
        "2": b"<eCitation>" + b"<a>" * sized(5_000_000),
    }.items():
        head = b"<?xml version='1.0'?>" + (LAUGHS if name == "1" else b"")
        (folder / "ecgen-radiology" / f"{name}.xml").write_bytes(head + body)


def captions(folder: Path) -> None:
    for part in ("radiology", "non-radiology"):
        (folder / part / "images").mkdir(parents=True)
        with (folder / part / "captions.txt").open("wb") as file:
            file.write(b"ROCO_1\t")
            for _ in range(sized(500)):
                file.write(b"x" * BLOCK)


CORPORA = [
    one_bit_png, sixteen_bit_png, interlaced_png, png_texts, png_of_many_chunks, animated_png,
    tiff_claims, tiff_lzw, tiff_pages, jpeg_claims, jpeg_scans, jpeg_segments, bmp_rle,
    dicom_claims, dicom_lengths, dicom_deflated, dicom_encapsulated, dicom_many_frames, dicom_depth,
    dicom_report, csv_line, csv_columns, csv_quotes, csv_marks, csv_prose,
    sparse_files, deep_folders, jsonl_lines, parquet_tables, xml_reports,
    captions,
]  # fmt: skip


def obo_tags(path: Path) -> None:
    head = b"[Term]\nid: D:1\nname: zorb\n"
    gzipped(path / "a.obo.gz", head, b'synonym: "a" EXACT []\n', sized(100_000_000))


def obo_line(path: Path) -> None:
    gzipped(path / "a.obo.gz", b"[Term]\nid: D:1\nname: ", b"zorb ", sized(400_000_000), b"\n")


def obo_terms(path: Path) -> None:
    with gzip.open(path / "a.obo.gz", "wt", 1) as file:
        for n in range(sized(400_000)):
            file.write(f"[Term]\nid: D:{n}\nname: zorb {n}\nis_a: D:{n + 1}\n\n")


def csv_zeros(path: Path) -> None:
    gzipped(path / "a.csv.gz", b"term,definition\nzorb,x\n", b"\0", sized(2_000_000_000))


def csv_open(path: Path) -> None:
    gzipped(path / "a.csv.gz", b'term,definition\nzorb,"', b"x\n", sized(500_000_000))


def csv_open_plain(path: Path) -> None:
    with (path / "a.csv").open("w") as file:
        file.write('term,definition\nzorb,"')
        for _ in range(sized(250)):
            file.write("x\n" * 1_000_000)


def jsonl_deep(path: Path) -> None:
    gzipped(path / "a.jsonl.gz", b'{"term": "zorb"}\n', b"[", sized(2_000_000_000))


def owl_laughs(path: Path) -> None:
    (path / "a.owl").write_bytes(b"<?xml version='1.0'?>" + LAUGHS + b"<rdf>&a29;</rdf>")


def owl_deep(path: Path) -> None:
    gzipped(path / "a.owl.gz", b"<rdf>", b"<a>", sized(100_000_000))


def mesh_text(path: Path) -> None:
    head = b"<DescriptorRecordSet><DescriptorRecord><DescriptorUI>"
    gzipped(path / "desc.xml.gz", head, b"b", sized(2_000_000_000))


def rrf_lines(path: Path) -> None:
    with (path / "MRCONSO.RRF").open("wb") as file:
        file.write(b"C0000001|ENG|P|L|PF|S|Y|A1||||MSH|MH|D|zorb|0|N||\n")
        for _ in range(sized(500)):
            file.write(b"|" * BLOCK)
        file.write(b"\n")


def not_gzip(path: Path) -> None:
    gzipped(path / "a.obo.gz", b"", b"\0", sized(10_000_000))
    data = (path / "a.obo.gz").read_bytes()
    (path / "a.obo.gz").write_bytes(data[: len(data) // 2] * 2)


DICTIONARIES = [
    obo_tags, obo_line, obo_terms, csv_zeros, csv_open, csv_open_plain, jsonl_deep, owl_laughs,
    owl_deep, mesh_text, rrf_lines, not_gzip,
]  # fmt: skip


def run(*words: object) -> str:
    """What the command said; it ends by itself, with a result or an error of ours."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(MEMORY), str(SECONDS), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 2), (done.returncode, done.stderr[-3000:])
    assert "Traceback" not in done.stderr
    if done.returncode == 2:
        assert done.stderr.startswith("mmedrag: "), done.stderr[-3000:]
    return done.stdout + done.stderr


def corpora(folder: Path) -> Iterator[Path]:
    """A table is a corpus by itself, a folder of anything else is one."""
    tables = [file for file in folder.iterdir() if file.suffix in (".csv", ".ndjson", ".parquet")]
    yield from tables or [folder]


@pytest.mark.parametrize("write", CORPORA, ids=lambda f: f.__name__)
def test_a_corpus_that_grows_is_read_or_refused(
    tmp_path, write: Callable[[Path], None], record_property
):
    folder = tmp_path / "corpus"
    folder.mkdir()
    write(folder)
    ran = 0
    for corpus in corpora(folder):
        output = run("index", corpus, "--into", tmp_path / f"c{ran}")
        assert "cases written" in output or output.startswith("mmedrag: "), output
        ran += 1
    subprocess.run(["rm", "-rf", str(folder)], check=True)  # Python's own fails a thousand deep
    record_property("commands", ran)


@pytest.mark.parametrize("write", DICTIONARIES, ids=lambda f: f.__name__)
def test_a_dictionary_that_grows_is_read_or_refused(
    tmp_path, write: Callable[[Path], None], record_property
):
    folder = tmp_path / "d"
    folder.mkdir()
    write(folder)
    sources = [folder] if (folder / "MRCONSO.RRF").exists() else list(folder.iterdir())
    run("dictionary", *sources, "--into", tmp_path / "x.dict")
    record_property("commands", 1)
