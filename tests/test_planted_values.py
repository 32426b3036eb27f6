"""A patient's values in every corner of DICOM files: none in any file, output, answer or prompt."""

from __future__ import annotations

import json
import logging
import threading
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import config
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import JPEGBaseline8Bit

from dicom_files import content, header, ramp, report, with_pixels
from mmedrag.cli import main

pytestmark = pytest.mark.proof("planted values")

NAME = "QZEBRASECRETQ"
TRACE = b"brasecret"  # words are stored prefix by prefix
NUMBER = "19470321"
VALUES: Mapping[str, object] = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UT"), NAME),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), f"{NAME}   ".encode()),
    **dict.fromkeys(("SL", "UL", "SV", "UV"), int(NUMBER)),
    **dict.fromkeys(("DA", "IS", "DS"), NUMBER),
    **dict.fromkeys(("FD", "FL"), 19470320.0),
    "AS": NAME[1:5],
    "AT": Tag(0x1947, 0x0321),
    "DT": f"{NUMBER}101112",
    "PN": f"{NAME}^{NAME}=^{NAME}",
    "SS": 19473,
    "US": 19473,
    "TM": NUMBER[:6],
    "UI": f"1.2.840.{NUMBER}",
    "UR": f"https://{NAME}.example/{NAME}",
}
"""A value of each VR; a 16-bit number is too short to be looked for."""

NEEDED = {"SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "Modality", "NumberOfFrames"}


def keywords() -> dict[str, list[int]]:
    """Every attribute of the DICOM dictionary by VR, but for those that say how pixels lie."""
    found = defaultdict(list)
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        group = tag >> 16
        if group in (0x0000, 0x0002, 0x0028, 0x7FE0, 0x5400, 0xFFFE, 0x0004) or keyword in NEEDED:
            continue
        if vr in VALUES and keyword:
            found[vr].append(tag)
    return found


def planted(vr: str) -> Dataset:
    """A scan in which every attribute of a VR holds the value, and so do its odd corners."""
    ds = with_pixels(header(seed=vr, study=f"s{vr}", patient=NAME), ramp())
    value = VALUES[vr]
    for tag in keywords()[vr]:
        ds.add_new(tag, vr, value)
    inner = Dataset()
    for tag in keywords()[vr][:20]:
        inner.add_new(tag, vr, value)
    for _ in range(5):
        outer = Dataset()
        outer.add_new(0x0040A730, "SQ", [inner])
        outer.add_new(0x00081115, "SQ", [inner])
        inner = outer
    ds.add_new(0x00400275, "SQ", [inner])
    block = ds.private_block(0x0029, f"{NAME} CREATOR", create=True)
    block.add_new(1, vr, value)
    block.add_new(2, "SQ", [inner])
    ds.add_new(0x60000022, "LO", NAME)
    ds.add_new(0x60003000, "OW", f"{NAME} ".encode())
    ds.add_new(0x50003000, "OW", f"{NAME} ".encode())
    ds.add_new(0xFFFCFFFC, "OB", f"{NAME} ".encode())
    ds.PatientName = f"{NAME}^Ann"
    ds.PatientID = NAME
    ds.StudyInstanceUID = ds.StudyInstanceUID or "1.2.3"
    ds.file_meta.SourceApplicationEntityTitle = NAME
    ds.file_meta.PrivateInformationCreatorUID = f"1.2.{NUMBER}"
    ds.file_meta.PrivateInformation = NAME.encode()
    ds.preamble = f"{NAME} {NUMBER}".encode().ljust(128, b"\0")
    return ds


def structured() -> Dataset:
    """A report whose text, observer and codes name the patient of its header."""
    ds = report(seed="sr", study="sr", patient=NAME)
    ds.PatientName = f"{NAME}^Ann"
    ds.PatientBirthDate = NUMBER
    ds.ContentSequence.append(
        content("TEXT", "Finding", TextValue=f"Xylographic nodule. {NAME} born {NUMBER} was told.")
    )
    ds.ContentSequence.append(content("PNAME", "Observer", PersonName=f"{NAME}^Bob"))
    ds.ContentSequence.append(content("UIDREF", "Ref", UID=f"1.2.840.{NUMBER}"))
    return ds


def compressed() -> Dataset:
    """JPEG pixels with a comment and Exif of the patient's."""
    buffer = BytesIO()
    exif = Image.Exif()
    exif[0x010E] = NAME
    picture = Image.fromarray(ramp("<u1", 0, 255))
    picture.save(buffer, "JPEG", comment=NAME.encode(), exif=exif)
    ds = with_pixels(header(seed="jpeg", study="jpeg", patient=NAME), ramp("<u1", 0, 255))
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    ds.PixelData = encapsulate([buffer.getvalue()])
    ds["PixelData"].VR = "OB"
    return ds


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "archive" / f"{NAME}_Ann"
    folder.mkdir(parents=True)
    before = config.settings.writing_validation_mode, config.settings.reading_validation_mode
    config.settings.writing_validation_mode = config.IGNORE
    config.settings.reading_validation_mode = config.IGNORE
    try:
        files = {vr: planted(vr) for vr in VALUES} | {"sr": structured(), "jpeg": compressed()}
        for name, ds in files.items():
            path = folder / f"{NAME}_{NUMBER}_{name}.dcm"
            ds.save_as(path, enforce_file_format=True)
            if name != "sr":
                path.with_suffix(".txt").write_text(
                    f"{NAME} ({NUMBER}): xylographic nodule. Call Dr. {NAME.title()}."
                )
    finally:
        config.settings.writing_validation_mode, config.settings.reading_validation_mode = before
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (32, 32), np.uint8)).save(folder / f"{NAME}.png")
    (folder / f"{NAME}.txt").write_text(f"Photograph of {NAME}: xylographic spot.")
    return folder


@pytest.fixture
def server() -> Iterator[tuple[str, list[bytes]]]:
    """A chat server that keeps every request."""
    asked: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"choices": [{"message": {"content": "A nodule [C1]."}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_address[1]}/v1", asked
    http.shutdown()
    thread.join()
    http.server_close()


def found_in(content: bytes, *, number: bool = True) -> list[str]:
    small = content.lower()
    spelled = [TRACE, TRACE.decode().encode("utf-16-le"), TRACE.decode().encode("utf-16-be")]
    marks = [*spelled, *([NUMBER.encode(), b"1947-03-21", b"19470320"] if number else [])]
    return [mark.decode("latin-1") for mark in marks if mark in small]


def traces(*folders: Path) -> dict[str, list[str]]:
    """Files that hold a planted value, in their name or inside."""
    found = {}
    for file in (f for folder in folders for f in folder.rglob("*") if f.is_file()):
        inside = found_in(file.read_bytes())
        if inside or found_in(file.name.encode()):
            found[str(file)] = inside
    return found


@pytest.mark.long
def test_no_planted_value_leaves_the_files(
    corpus, tmp_path, server, capfd, caplog, record_property
):
    url, asked = server
    into, export, page = tmp_path / "c", tmp_path / "export", tmp_path / "page.html"
    question = "Is there a xylographic nodule?"
    openai = ["--generator", "openai", "--base-url", url, "--llm", "m"]
    commands = [
        ["index", corpus, "--into", into],
        ["index", corpus, "--into", into],
        ["info", into],
        ["verify", into],
        ["search", into, question, "--json", "-k", 40],
        ["search", into, question],
        ["ask", into, question, "--json", "-k", 40],
        ["ask", into, question, "--page", page],
        ["ask", into, question, "-k", 20, *openai],
        ["export", into, "--into", export],
    ]
    outputs = []
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for command in commands:
            code = main([*map(str, command)])
            outputs.append("".join(capfd.readouterr()).replace(str(corpus), "CORPUS"))
            assert code == 0, outputs[-1]
    told = "\n".join([*outputs, caplog.text, *(str(w.message) for w in warned)])
    assert f"{len(VALUES) + 3} cases written" in outputs[0]
    assert "ylographic" in outputs[4]
    assert asked
    assert found_in(told.encode()) == []
    assert found_in(b"".join(asked)) == []
    assert traces(into, export) == {}
    assert found_in(page.read_bytes()) == []
    rows = (export / "records.jsonl").read_text("utf-8").splitlines()
    ids = [json.loads(row)["id"] for row in rows]
    assert main(["delete", str(into), *ids, "--now"]) == 0
    left = [file for file in into.rglob("*") if file.is_file()]
    assert not [f for f in left if b"lographic" in f.read_bytes().lower() or f.suffix == ".jpg"]
    for value in ids:
        assert not [f for f in left if value.encode() in f.read_bytes()]
    record_property("planted attributes", sum(len(tags) for tags in keywords().values()))
    record_property("VRs", len(VALUES) + 1)


def test_every_vr_of_the_dictionary_is_planted():
    known = {vr for vr, *_ in DicomDictionary.values() if " or " not in vr and vr != "NONE"}
    assert known - {"SQ", ""} <= set(VALUES)
