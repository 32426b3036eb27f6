"""Pulls from a real Orthanc, through the command as a user gives it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.uid import JPEGLSLossless, generate_uid

import orthanc
from dicom_files import code, header, ramp, report, save, with_pixels
from mmedrag.casebase.casebase import Casebase
from mmedrag.cli import main
from mmedrag.dicomweb.client import Archive, NotRetrieved
from mmedrag.dicomweb.selection import KEY_OBJECTS
from mmedrag.dicomweb.state import ATTEMPTS
from mmedrag.errors import ArchiveError, ImageError
from mmedrag.imaging.decoding import open_image
from mmedrag.types import Case
from orthanc import Orthanc
from patience import PATIENCE


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc.running(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture
def server(started: Orthanc, monkeypatch: pytest.MonkeyPatch) -> Orthanc:
    monkeypatch.setenv("MMEDRAG_PACS_USER", orthanc.USER)
    monkeypatch.setenv("MMEDRAG_PACS_PASSWORD", orthanc.PASSWORD)
    started.clear()
    return started


def image(study: str, series: str, number: int, modality: str = "CT", **more) -> Dataset:
    seed = f"{study} {series} {number}"
    pixels = ramp(high=500 + sum(map(ord, seed)) % 3000)
    ds = with_pixels(header(seed=seed, study=study, patient=f"MRN-{study}"), pixels)
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=[study, series])
    ds.Modality, ds.InstanceNumber = modality, number
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    return ds


def sr(study: str, seed: str = "sr") -> Dataset:
    ds = report(seed=f"{study} {seed}", study=study, patient=f"MRN-{study}")
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=[study, seed])
    return ds


def pull(server: Orthanc, into: Path, *options: str) -> int:
    return main(["pull", "--from", server.url, "--into", str(into), *options])


def cases(path: Path) -> list[Case]:
    with Casebase.open(path, readonly=True) as casebase:
        return list(casebase.cases())


def test_modalities_and_report_deidentified_at_the_door(server, tmp_path, capsys):
    server.store(*(image("one", "ct", n) for n in (1, 2, 3)), sr("one"))
    server.store(image("two", "dx", 1, "DX"), image("two", "dx", 2, "DX"), sr("two"))
    server.store(image("three", "mr", 1, "MR"))
    assert pull(server, tmp_path / "c") == 0
    stored = cases(tmp_path / "c")
    assert Counter(case.modality for case in stored) == {"ct": 1, "xray": 2, "mri": 1}
    assert {
        ("Nodule in the right lobe" in case.text) for case in stored if case.modality != "mri"
    } == {True}
    everything = repr(
        [(c.id, c.text, c.patient_id, c.study_id, c.date, dict(c.meta)) for c in stored]
    )
    for secret in ("Doe", "MRN-", "Stone", "1.2.826.0.1.3680043", "20200229"):
        assert secret not in everything
    assert not (tmp_path / "c" / "pulling").exists()
    kept = (tmp_path / "c" / "pull.db").read_bytes()
    assert not [uid for uid in server.retrieved() if uid.encode() in kept]
    shown = capsys.readouterr()
    assert orthanc.PASSWORD not in shown.out + shown.err
    assert "4 cases written" in shown.out


def test_the_middle_of_a_stack_is_chosen(server, tmp_path):
    stack = [image("one", "ct", n) for n in (5, 1, 4, 2, 3)]
    server.store(*stack)
    before = len(server.retrieved())
    pull(server, tmp_path / "c")
    assert server.retrieved()[before:] == [stack[4].SOPInstanceUID]


def test_a_key_object_note_chooses(server, tmp_path):
    stack = [image("one", "ct", n) for n in range(1, 6)]
    note = header(KEY_OBJECTS, "ko", "one")
    item, series, study = Dataset(), Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = (
        stack[4].SOPClassUID,
        stack[4].SOPInstanceUID,
    )
    series.SeriesInstanceUID, series.ReferencedSOPSequence = stack[4].SeriesInstanceUID, [item]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = note.StudyInstanceUID, [series]
    note.SeriesInstanceUID, note.Modality = generate_uid(), "KO"
    note.ConceptNameCodeSequence = code("Of Interest")
    note.ConceptNameCodeSequence[0].CodeValue = "113000"
    note.CurrentRequestedProcedureEvidenceSequence = [study]
    server.store(*stack, note)
    before = len(server.retrieved())
    pull(server, tmp_path / "c")
    assert set(server.retrieved()[before:]) == {note.SOPInstanceUID, stack[4].SOPInstanceUID}
    assert len(cases(tmp_path / "c")) == 1


def test_conditions(server, tmp_path):
    server.store(image("a", "ct", 1), image("b", "ct", 1, StudyDate="20240105"))
    server.store(image("c", "mr", 1, "MR", StudyDate="20240106"))
    server.store(image("b", "mr", 1, "MR", StudyDate="20240105"), sr("b"))
    wild = ["--where", "StudyDate=2024-01-01-2024-01-31", "PatientName=D*", "PatientID=MRN-?"]
    for options, expected in (
        (["--where", "StudyDate=20240101-", "Modality=CT"], ["ct"]),
        (["--since", "2024-01-06"], ["ct", "mri"]),
        (wild, ["ct", "mri", "mri"]),
    ):
        assert pull(server, tmp_path / "c", *options) == 0
        assert sorted(case.modality for case in cases(tmp_path / "c")) == expected, options


def test_only_what_is_new_and_late_reports_reach_their_images(server, tmp_path, capsys):
    server.store(image("one", "ct", 1), image("two", "ct", 1))
    assert pull(server, tmp_path / "c") == 0
    before = server.retrieved()
    assert pull(server, tmp_path / "c") == 0
    assert pull(server, tmp_path / "c", "--recheck") == 0
    assert server.retrieved() == before
    server.store(sr("one"), image("three", "ct", 1))
    capsys.readouterr()
    assert pull(server, tmp_path / "c") == 0
    printed = capsys.readouterr().out  # the archive may tell late of the study that is as it was
    assert "2 cases written" in printed
    assert "; 3 instances retrieved" in printed
    assert sorted(bool(case.text) for case in cases(tmp_path / "c")) == [False, False, True]


def test_without_a_changes_feed_a_later_pull_looks_back_by_date(server, tmp_path, monkeypatch):
    monkeypatch.setattr("mmedrag.dicomweb.pull.last_change", lambda archive: None)
    today = time.strftime("%Y%m%d")
    server.store(image("old", "ct", 1), image("new", "ct", 1, StudyDate=today))
    assert pull(server, tmp_path / "c") == 0
    server.store(image("old two", "ct", 1), image("new two", "ct", 1, StudyDate=today))
    assert pull(server, tmp_path / "c") == 0
    assert len(cases(tmp_path / "c")) == 3
    assert pull(server, tmp_path / "c", "--recheck") == 0
    assert len(cases(tmp_path / "c")) == 4


def test_pages_are_turned_until_the_last(server, tmp_path, monkeypatch):
    monkeypatch.setattr("mmedrag.dicomweb.client.PAGE", 2)
    server.store(*(image(f"s{n}", "ct", 1) for n in range(5)))
    server.store(*(image("s0", "us", n, "US") for n in range(5)))
    assert pull(server, tmp_path / "c") == 0
    assert len(cases(tmp_path / "c")) == 10


def test_without_preamble_and_the_same_case_as_from_a_folder(server, tmp_path, capsys):
    folder = tmp_path / "files"
    folder.mkdir()
    save(image("one", "ct", 1), folder / "whole.dcm")
    image("two", "ct", 1).save_as(folder / "bare.dcm", enforce_file_format=False)
    assert (folder / "bare.dcm").read_bytes()[128:132] != b"DICM"
    server.store(*(file.read_bytes() for file in folder.iterdir()))
    assert pull(server, tmp_path / "c") == 0
    assert len(cases(tmp_path / "c")) == 2
    capsys.readouterr()
    assert main(["index", str(folder), "--into", str(tmp_path / "c")]) == 0
    assert "0 cases written, 2 unchanged" in capsys.readouterr().out


def test_a_broken_instance_in_the_middle(server, tmp_path, capsys):
    views = [image("one", "dx", n, "DX") for n in range(1, 6)]
    views[1].PixelData = views[1].PixelData[: len(views[1].PixelData) // 4]
    server.store(*views)
    server.lose(views[2].SOPInstanceUID)
    for attempt in range(1, ATTEMPTS + 2):
        assert pull(server, tmp_path / "c") == 0
        shown = capsys.readouterr()
        assert len(cases(tmp_path / "c")) == 3
        tried = attempt <= ATTEMPTS
        assert ("result 3 of a search: HTTP 500" in shown.out) == tried
        assert (f"\n  {views[1].SOPInstanceUID}: " in shown.out) == tried
        assert ("the next pull tries them again" in shown.err) == (attempt < ATTEMPTS)


def begun(server: Orthanc, path: Path, files: int) -> subprocess.Popen[bytes]:
    """A pull in a process of its own, in which so many files have arrived."""
    script = (
        "import sys; from mmedrag.cli import main; from mmedrag.dicomweb import client\n"
        "client._PATIENCE = 0.1; sys.exit(main(sys.argv[1:]))"
    )
    words = ["pull", "--from", server.url, "--into", str(path), "--rate", "20"]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    deadline = time.monotonic() + PATIENCE
    while len(list((path / "pulling").rglob("[0-9]*.dcm"))) < files:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_a_killed_pull_goes_on_and_retrieves_nothing_twice(server, tmp_path):
    for study in range(6):
        server.store(*(image(f"s{study}", "dx", n, "DX") for n in range(1, 5)), sr(f"s{study}"))
    path, before = tmp_path / "c", len(server.retrieved())
    process = begun(server, path, 7)
    process.kill()
    process.communicate()
    arrived = {file.stem for file in (path / "pulling").rglob("[0-9]*.dcm")}
    assert 7 <= len(arrived) < 30
    killed_at = len(server.retrieved())
    assert pull(server, path) == 0
    assert not arrived & set(server.retrieved()[killed_at:])
    # The one that was on its way when the process was killed may come again.
    assert len(server.retrieved()[before:]) <= 30 + 1
    assert len(cases(path)) == 24
    assert {bool(case.text) for case in cases(path)} == {True}
    assert not (path / "pulling").exists()


def test_a_server_that_vanishes_leaves_what_has_arrived(server, tmp_path):
    (tmp_path / "orthanc").mkdir()
    with orthanc.running(tmp_path / "orthanc") as other:
        other.store(*(image(f"s{n}", "ct", 1) for n in range(20)))
        process = begun(other, tmp_path / "c", 4)
    shown, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert b"cannot be reached" in shown
    assert 3 <= len(cases(tmp_path / "c")) < 20


SYNTAXES = {
    "explicit little endian": "1.2.840.10008.1.2.1",
    "implicit little endian": "1.2.840.10008.1.2",
    "explicit big endian": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
    "JPEG baseline": "1.2.840.10008.1.2.4.50",
    "JPEG extended": "1.2.840.10008.1.2.4.51",
    "JPEG lossless": "1.2.840.10008.1.2.4.57",
    "JPEG lossless SV1": "1.2.840.10008.1.2.4.70",
    "JPEG-LS lossless": "1.2.840.10008.1.2.4.80",
    "JPEG-LS near lossless": "1.2.840.10008.1.2.4.81",
    "JPEG 2000 lossless": "1.2.840.10008.1.2.4.90",
    "JPEG 2000": "1.2.840.10008.1.2.4.91",
    "RLE": "1.2.840.10008.1.2.5",
}
BY_GDCM = ("JPEG 2000 lossless", "JPEG 2000", "RLE")  # Orthanc itself does not write them
PLUGGED = any(find_spec(name) for name in ("pylibjpeg", "gdcm"))
GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "dicomweb.md"


def transcoded(server: Orthanc, ds: Dataset, syntax: str, file: Path) -> str:
    """What becomes of an instance that the server gives in a transfer syntax."""
    uids = ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID
    path = "studies/{}/series/{}/instances/{}".format(*uids)
    with closing(Archive(server.url, backoff=0.0)) as archive:
        try:
            archive.retrieve(path, file, syntax)
        except NotRetrieved:
            return "the server does not write it"
    given = read_file_meta_info(file).TransferSyntaxUID
    if given != syntax:
        return "the server gives another syntax"
    try:
        open_image(file)
    except ImageError as error:
        return "needs a plugin" if "pylibjpeg" in str(error) else "refused"
    return "read"


def pictures() -> tuple[Dataset, Dataset]:
    """One of 12 bits and one of 8."""
    deep, flat = image("deep", "ct", 1), image("flat", "us", 1, "US")
    with_pixels(deep, np.repeat(ramp(), 16, axis=0))
    deep.BitsStored, deep.HighBit = 12, 11
    return deep, with_pixels(flat, np.repeat(ramp("u1", 0, 255), 16, axis=0))


def row(server: Orthanc, name: str, file: Path) -> str:
    """A row of the guide's tables."""
    results = [transcoded(server, ds, SYNTAXES[name], file) for ds in pictures()]
    return f"| {name} | {' | '.join(results)} |"


@pytest.mark.skipif(PLUGGED, reason="the guide speaks of decoders without plugins")
def test_what_the_guide_says_of_transcodings(server, tmp_path):
    server.store(*pictures())
    page = GUIDE.read_text("utf-8")
    for name in SYNTAXES:
        if name not in BY_GDCM:
            assert row(server, name, tmp_path / "x.dcm") in page


@pytest.mark.parametrize("name", BY_GDCM)
def test_what_the_guide_says_of_transcodings_by_gdcm(name, server, tmp_path):
    if not (orthanc.PLUGINS / orthanc.GDCM).exists():
        pytest.skip("apt-get install -y --no-install-recommends orthanc-gdcm")
    for attempt in range(5):  # this plugin sometimes brings the server down
        folder = tmp_path / str(attempt)
        folder.mkdir()
        try:
            with orthanc.running(folder, [orthanc.GDCM]) as other:
                other.store(*pictures())
                written = row(other, name, folder / "x.dcm")
        except ArchiveError:
            continue
        if "does not write" not in written:
            break
    assert written in GUIDE.read_text("utf-8")


def of_plain() -> str:
    """Where the archive has the one image that the next two tests store."""
    uids = [image("plain", "ct", 1).get(f"{k}InstanceUID") for k in ("Study", "Series", "SOP")]
    return "studies/{}/series/{}/instances/{}".format(*uids)


@pytest.fixture
def compressed(server: Orthanc, tmp_path: Path) -> bytes:
    """A file in JPEG-LS, which is all that the archive has."""
    server.store(image("plain", "ct", 1))
    with closing(Archive(server.url)) as archive:
        archive.retrieve(of_plain(), tmp_path / "compressed.dcm", JPEGLSLossless)
    server.clear()
    file = (tmp_path / "compressed.dcm").read_bytes()
    server.store(file)
    return file


def test_an_instance_comes_as_it_is_stored(server, compressed, tmp_path):
    with closing(Archive(server.url)) as archive:
        archive.retrieve(of_plain(), tmp_path / "x.dcm")
    assert read_file_meta_info(tmp_path / "x.dcm").TransferSyntaxUID == JPEGLSLossless


@pytest.mark.usefixtures("compressed")
def test_what_no_decoder_here_reads_is_asked_for_uncompressed(server, tmp_path):
    assert pull(server, tmp_path / "c") == 0
    assert [case.modality for case in cases(tmp_path / "c")] == ["ct"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"PatientName": "D*"}, 1),  # escaped as %2A, Orthanc would find nothing
        ({"PatientName": "?oe^J*"}, 1),
        ({"PatientName": "D%2A"}, 0),
        ({"PatientName": "X^*"}, 0),
        ({"StudyDescription": "Tórax a/b, 2 & 3"}, 1),
        ({"StudyDescription": "tórax*", "PatientName": "Doe^Jane"}, 1),
        ({"StudyDescription": "Tórax a/b, 2 & 4"}, 0),
    ],
)
def test_whatever_a_key_holds_it_reaches_the_archive(server, keys, expected):
    server.store(
        image(
            "one", "ct", 1, StudyDescription="Tórax a/b, 2 & 3", SpecificCharacterSet="ISO_IR 192"
        )
    )
    with closing(Archive(server.url)) as archive:
        assert len(list(archive.search("studies", keys))) == expected


def test_an_address_without_its_service_is_named(server, tmp_path, capsys):
    assert main(["pull", "--from", server.root, "--into", str(tmp_path / "c")]) == 2
    assert "it ends with the path of the DICOMweb service" in capsys.readouterr().err
