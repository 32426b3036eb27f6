"""Files that have not changed are not read again; whatever else is the case, they are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mmedrag.assembly import create
from mmedrag.casebase.casebase import Casebase
from mmedrag.cli import main
from mmedrag.datasets.duplicates import Duplicates
from mmedrag.datasets.records import write_records
from mmedrag.indexing import index
from mmedrag.presets import Stages
from mmedrag.readings import READINGS, Readings, state_of
from mmedrag.types import Case


@pytest.fixture
def cases(phantoms: list[Case], tmp_path: Path) -> list[Case]:
    """Twelve cases whose files a test may change; two have no domain."""
    copies = []
    for i, case in enumerate(phantoms[:12]):
        image = tmp_path / "images" / f"{i}.png"
        image.parent.mkdir(exist_ok=True)
        shutil.copy(case.image, image)
        copies.append(replace(case, image=image, domain=case.domain if i > 1 else None))
    return copies


@pytest.fixture
def run(offline: Stages, tmp_path: Path) -> Iterator[Callable]:
    """Indexes cases into one casebase."""
    casebase, _ = create(tmp_path / "x.casebase")
    with casebase, Readings(casebase.path / READINGS) as readings:

        def again(cases: list[Case], **options: object):
            return index(
                cases, casebase, offline.embedder, offline.classifier,
                readings=readings, **options,
            )  # fmt: skip

        again.casebase = casebase
        yield again


def overwrite_unnoticed(image: Path) -> None:
    """Other bytes, of the same length and time: whoever reads the file cannot decode it."""
    before = image.stat()
    image.write_bytes(b"\0" * before.st_size)
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_an_interrupted_run_goes_on_without_reading_what_is_stored(run, cases) -> None:
    run(cases[:8])
    domains = [run.casebase.get(case.id).domain for case in cases[:2]]
    for case in cases[:8]:
        overwrite_unnoticed(case.image)
    duplicates = Duplicates()
    report = run(cases, duplicates=duplicates)
    assert (report.written, report.unchanged, report.encoded) == (4, 8, 4)
    assert report.problems == ()
    assert duplicates.report().cases == 12
    assert [run.casebase.get(case.id).domain for case in cases[:2]] == domains


def test_previews_stand_for_the_images_when_duplicates_are_looked_for(run, cases) -> None:
    shutil.copy(cases[0].image, cases[5].image)
    first, second = Duplicates(), Duplicates()
    run(cases, duplicates=first)
    for case in cases:
        overwrite_unnoticed(case.image)
    run(cases, duplicates=second)
    assert first.report().images == second.report().images
    assert len(first.report().images) >= 1


def test_a_file_that_was_written_again_is_read(run, cases) -> None:
    run(cases[:4])
    shutil.copy(cases[9].image, cases[0].image)
    os.utime(cases[1].image)
    report = run(cases[:4])
    assert (report.written, report.encoded) == (1, 1)


def test_another_text_or_other_metadata_are_written(run, cases) -> None:
    run(cases[:4])
    changed = [
        replace(cases[0], text="No effusion."),
        replace(cases[1], patient_id="other"),
        *cases[2:4],
    ]
    report = run(changed)
    assert (report.written, report.encoded, report.unchanged) == (2, 1, 2)


def test_a_damaged_preview_is_made_again(run, cases) -> None:
    run(cases[:3])
    sound = run.casebase.preview(cases[0].id)
    for file in (run.casebase.path / "thumbnails").rglob("*.jpg"):
        file.write_bytes(b"cut") if file.read_bytes() == sound else None
    run(cases[:3])
    assert run.casebase.preview(cases[0].id) == sound


def test_what_was_deleted_is_read_and_leaves_no_reading(run, cases) -> None:
    run(cases[:3])
    run.casebase.delete([cases[0].id])
    assert not (run.casebase.path / READINGS).exists()
    assert run(cases[:3]).written == 1


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be taken for one", b""]
)
def test_a_damaged_file_of_readings_is_made_anew(tmp_path: Path, cases, content: bytes) -> None:
    path = tmp_path / "readings.db"
    path.write_bytes(content * 100)
    with Readings(path) as readings:
        state = state_of(cases[0])
        assert readings.content(cases[0], state) is None
        readings.keep({cases[0].id: (state, "digest")})
    with Readings(path) as readings:
        assert readings.content(cases[0], state) == "digest"


def test_no_name_of_a_file_is_kept(tmp_path: Path, cases) -> None:
    with Readings(tmp_path / "readings.db") as readings:
        readings.keep({cases[0].id: (state_of(cases[0]), "digest")})
    content = (tmp_path / "readings.db").read_bytes()
    assert cases[0].id.encode() not in content
    assert cases[0].image.name.encode() not in content


def test_the_command_reads_nothing_again(tmp_path: Path, cases, capsys) -> None:
    write_records(cases, tmp_path / "corpus" / "records.jsonl")
    command = ["index", str(tmp_path / "corpus"), "--into", str(tmp_path / "y.casebase")]
    assert main(command) == 0
    for image in (tmp_path / "corpus" / "images").iterdir():
        overwrite_unnoticed(image)
    capsys.readouterr()
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "0 cases written, 12 unchanged, 0 encoded" in said
    assert "skipped" not in said
    with Casebase.open(tmp_path / "y.casebase", readonly=True) as casebase:
        assert casebase.count() == 12


def test_a_case_without_an_image_or_with_an_absent_one_has_no_state(cases, tmp_path: Path) -> None:
    assert state_of(replace(cases[0], image=None)) is None
    assert state_of(replace(cases[0], image=tmp_path / "gone.png")) is None
    assert state_of(cases[0]) != state_of(replace(cases[0], frame=1))


def test_where_nothing_can_be_written_nothing_is_kept(cases, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    state = state_of(cases[0])
    for folder, kept in (("absent", "digest"), ("file", None)):
        for expected in (None, kept):
            with Readings(tmp_path / folder / "readings.db") as readings:
                assert readings.content(cases[0], state) == expected
                readings.keep({cases[0].id: (state, "digest")})
