"""What the fuzzers read: a file of each format, and the door that it is read through.

    python fuzz_targets.py NAME SEEDS -runs=N     # guided by coverage, with Atheris

A target returns for cases and problems and for errors of ours; anything else it raises is a fault.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import isfunction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, JPEGBaseline8Bit, RLELossless

from dicom_files import BASIC_TEXT_SR, content, header, ramp, with_pixels
from fast_folder import FAST
from mmedrag.datasets import read_corpus
from mmedrag.definitions import compile_dictionary, read_terms
from mmedrag.errors import MMedRAGError
from mmedrag.imaging.decoding import open_image
from mmedrag.types import Case, Problem

SECONDS = 30
"""CPU time that one input may take."""

MEMORY = 2**30
"""Bytes that the inputs may add to the process."""


def written(save: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def picture(kind: str, **options: object) -> bytes:
    image = Image.fromarray(ramp("<u1", 0, 255))
    return written(lambda buffer: image.save(buffer, kind, **options))


def dicom(ds) -> bytes:
    return written(lambda buffer: ds.save_as(buffer, enforce_file_format=True))


def scan() -> bytes:
    return dicom(with_pixels(header(), ramp()[:2], WindowCenter=40, WindowWidth=400))


def compressed(syntax: str, frame: bytes) -> bytes:
    ds = with_pixels(header(), ramp("<u1", 0, 255))
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    return dicom(ds)


def run_length() -> bytes:
    ds = with_pixels(header(), ramp("<u1", 0, 255))
    ds.compress(RLELossless)
    return dicom(ds)


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
OBO = b"""format-version: 1.2

[Term]
id: D:1
name: zorb ! a comment
def: "A round \\"thing\\"." [PMID:1]
synonym: "krell" EXACT []
is_a: D:2 {x="y"}

[Term]
id: D:2
name: old
is_obsolete: true
"""
CONCEPTS = b"""C0000001|ENG|P|L1|PF|S1|Y|A1||||MSH|MH|D1|zorb|0|N||
C0000001|ENG|S|L2|VO|S2|Y|A2||||MSH|ET|D1|krell|0|N||
C0000002|SPA|P|L3|PF|S3|Y|A3||||MSHSPA|MH|D2|esfera|0|N||
"""
OWL = b"""<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#" xmlns:owl="http://www.w3.org/2002/07/owl#">
<owl:Class rdf:about="http://x/D1"><rdfs:label>zorb</rdfs:label>
<rdfs:subClassOf rdf:resource="http://x/D2"/></owl:Class></rdf:RDF>"""
MESH = b"""<?xml version="1.0"?><DescriptorRecordSet><DescriptorRecord>
<DescriptorUI>D1</DescriptorUI><DescriptorName><String>zorb</String></DescriptorName></DescriptorRecord></DescriptorRecordSet>"""
REPORTS = b'{"file": null, "findings": "No mass.", "n": [1]}\n{"nr": 2, "impression": "A nodule."}'
TERMS = b"term,definition,synonyms\nzorb,A round thing,krell;kral\nspot,,\n"
TERM_ROWS = b'{"term": "zorb", "definition": "x", "synonyms": ["krell"]}\n{"term": "spot"}\n'
CITATION = b"""<?xml version="1.0"?><eCitation><uId id="CXR1"/><MedlineCitation><Article><Abstract>
<AbstractText Label="FINDINGS">Clear.</AbstractText></Abstract></Article></MedlineCitation>
<parentImage id="CXR1_1"/></eCitation>"""


def parquet() -> bytes:
    import pyarrow as pa
    from pyarrow import parquet as pq

    table = pa.table({"id": ["1", "2"], "text": ["No mass.", "A nodule."], "x": [[1], None]})
    return written(lambda buffer: pq.write_table(table, buffer))


SEEDS: dict[str, tuple[bytes, ...]] = {
    "t.csv": (TABLE, TABLE.replace(b",", b"\t"), TABLE.decode().encode("utf-16")),
    "records.jsonl": (RECORDS,),
    "t.jsonl": (REPORTS, b"[" + REPORTS.replace(b"\n", b",") + b"]"),
    "a.png": (picture("PNG"), written(lambda b: Image.new("RGBA", (9, 9)).save(b, "PNG"))),
    "a.jpg": (picture("JPEG"), picture("JPEG", progressive=True)),
    "a.tif": (
        picture("TIFF"),
        picture("TIFF", compression="tiff_lzw"),
        picture("TIFF", big_tiff=True),
    ),
    "a.dcm": (
        scan(),
        scan()[132:],
        report(),
        run_length(),
        compressed(JPEGBaseline8Bit, picture("JPEG")),
        compressed(JPEG2000, picture("JPEG2000")),
    ),
    "a.bmp": (picture("BMP"), written(lambda b: Image.fromarray(np.eye(9) > 0).save(b, "BMP"))),
    "1.xml": (CITATION,),
    "dictionary.obo": (OBO,),
    "dictionary.csv": (TERMS, TERMS.replace(b",", b"\t")),
    "dictionary.jsonl": (TERM_ROWS,),
    "dictionary.owl": (OWL,),
    "dictionary.xml": (MESH,),
    "dictionary.obo.gz": (gzip.compress(OBO, mtime=0),),
    "MRCONSO.RRF": (CONCEPTS,),
}
"""Sound files by the name under which they are read."""


def read(file: Path) -> str:
    """Read a file by the door of its name: ``read`` or, for an error of ours, ``error``."""
    try:
        if file.name.startswith(("dictionary", "MRCONSO")):
            _compile(file)
        else:
            _open(file)
    except MMedRAGError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return "error"
    return "read"


def _open(file: Path) -> None:
    whole = file.suffix in (".csv", ".jsonl", ".parquet")
    kind = "iu_xray_xml" if file.suffix == ".xml" else "auto"
    items = list(read_corpus(file if whole else file.parent, kind))
    assert all(isinstance(item, Case | Problem) for item in items)
    for item in items:
        if isinstance(item, Case) and item.image is not None:
            assert open_image(item.image, item.frame).mode in ("L", "RGB")


def _compile(file: Path) -> None:
    compile_dictionary(read_terms(file), file.with_name("made.dict"))


@contextmanager
def bounded() -> Iterator[None]:
    """Inputs inside may add so much memory; each is to be timed by :func:`timed`."""
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextmanager
def timed() -> Iterator[None]:
    """One input may take so much CPU time."""
    import signal

    def late(*_: object) -> None:
        raise AssertionError(f"more than {SECONDS} s of CPU time")

    signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def main() -> None:
    """Let Atheris make inputs, guided by the branches that they reach."""
    import atheris

    target, seeds, *options = sys.argv[1:]
    for name, module in list(sys.modules.items()):
        for key, value in list(vars(module).items()) if name.startswith("mmedrag.") else ():
            if isfunction(value) and value.__module__ == name:
                setattr(module, key, atheris.instrument_func(value))
    folder = TemporaryDirectory(dir=FAST)
    file = Path(folder.name) / target
    warnings.simplefilter("ignore")

    def one(data: bytes) -> None:
        file.write_bytes(data)
        read(file)

    atheris.Setup([sys.argv[0], *options, seeds], one)
    with bounded():
        atheris.Fuzz()


if __name__ == "__main__":
    main()
