"""A file of several frames is asked about by the frame that it was indexed by, or by one's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicom_files import header, save, with_pixels
from mmedrag.casebase import Casebase
from mmedrag.cli import main

FRAMES, MIDDLE = 5, 2


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A DICOM file of frames that look alike in nothing."""
    coarse = np.random.default_rng(0).integers(0, 4096, (FRAMES, 8, 8))
    file = tmp_path / "corpus" / "a.dcm"
    file.parent.mkdir()
    save(with_pixels(header(), np.kron(coarse, np.ones((8, 8))).astype("<u2")), file)
    return file


def similarity(capsys, casebase: Path, image: Path, *more: str) -> tuple[float, int]:
    """How similar the one case is, and the frame that was asked about."""
    capsys.readouterr()
    command = ["search", str(casebase), "--image", str(image), "--domain", "radiology", "--json"]
    assert main([*command, *more]) == 0
    trace = json.loads(capsys.readouterr().out)
    (case,) = [e for e in trace["gathered"] if e["kind"] == "case"]
    return case["similarity"], trace["query"]["frame"]


@pytest.mark.parametrize("how", ["folder", "table", "records", "one case"])
def test_a_file_finds_itself_by_the_frame_it_was_indexed_by(tmp_path, scan, how, capsys) -> None:
    casebase, corpus = tmp_path / "x.casebase", scan.parent
    if how == "folder":
        assert main(["index", str(corpus), "--into", str(casebase)]) == 0
    elif how == "one case":
        (tmp_path / "e.jsonl").write_text('{"id": "e", "text": "Drusen.", "domain": "pathology"}')
        assert main(["index", str(tmp_path / "e.jsonl"), "--into", str(casebase)]) == 0
        one = ["--id", "1", "--image", str(scan), "--domain", "radiology"]
        assert main(["add", str(casebase), *one]) == 0
    else:
        table = corpus / ("t.csv" if how == "table" else "t.jsonl")
        row = {"id": "1", "image": "a.dcm", "domain": "radiology"}
        lines = [json.dumps(row)] if how == "records" else [",".join(row), ",".join(row.values())]
        table.write_text("\n".join(lines), "utf-8")
        assert main(["index", str(table), "--into", str(casebase)]) == 0
    by_frame = [
        similarity(capsys, casebase, scan, "--frame", str(frame)) for frame in range(FRAMES)
    ]
    assert [frame for _, frame in by_frame] == list(range(FRAMES))
    assert int(np.argmax([value for value, _ in by_frame])) == MIDDLE
    assert similarity(capsys, casebase, scan) == by_frame[MIDDLE]


def test_the_frame_of_one_case_can_be_chosen(tmp_path, scan, small_casebase, capsys) -> None:
    casebase = tmp_path / "x.casebase"
    (tmp_path / "e.jsonl").write_text('{"id": "e", "text": "Drusen.", "domain": "pathology"}')
    assert main(["index", str(tmp_path / "e.jsonl"), "--into", str(casebase)]) == 0
    one = [str(casebase), "--id", "1", "--image", str(scan), "--domain", "radiology"]
    assert main(["add", *one, "--frame", "4"]) == 0
    by_frame = [similarity(capsys, casebase, scan, "--frame", str(n))[0] for n in range(FRAMES)]
    assert int(np.argmax(by_frame)) == 4
    assert main(["update", *one]) == 0
    with Casebase.open(casebase, readonly=True) as opened:
        assert opened.get("1").frame == MIDDLE
    assert main(["add", *one, "--frame", "9"]) == 2
    assert "has no frame 9" in capsys.readouterr().out


def test_what_is_asked_about_is_shown(small_casebase, tmp_path, scan, capsys) -> None:
    shown = ["search", str(small_casebase), "--image"]
    assert main([*shown, str(scan)]) == 0
    assert "Frame   2, counted from 0; --frame chooses another" in capsys.readouterr().out
    Image.new("L", (64, 64)).save(tmp_path / "a.png")
    assert main([*shown, str(tmp_path / "a.png")]) == 0
    assert "Frame " not in capsys.readouterr().out


def test_frames_in_a_file_of_questions(small_casebase, tmp_path, scan, capsys) -> None:
    lines = [{"image": str(scan), "frame": n} for n in (0, None, 5, "1", True)]
    file = tmp_path / "q.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    assert main(["ask", str(small_casebase), "--questions", str(file)]) == 2
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [a["query"]["frame"] for a in answers[:2]] == [0, MIDDLE]
    assert "has no frame 5" in answers[2]["error"]["what"]
    assert all("whole number" in a["error"]["what"] for a in answers[3:])
