"""Corpus to casebase: resumed, nothing encoded twice, problems counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from mmedrag.assembly import create
from mmedrag.casebase.casebase import Casebase
from mmedrag.casebase.folder import NAMES
from mmedrag.datasets.duplicates import Duplicates
from mmedrag.encoders.image import OnnxImageEncoder
from mmedrag.encoders.text import OnnxTextEncoder
from mmedrag.errors import CorpusError
from mmedrag.indexing import index
from mmedrag.preparation import content_digest
from mmedrag.presets import Stages, build
from mmedrag.testing.questions import question_of
from mmedrag.types import LONGEST_TEXT, Case, Embeddable, Matrix, Problem, Query
from mmedrag.views.console import report_text
from patience import PATIENCE


class Counting:
    """An embedder that counts what it is given; the real one does the work."""

    def __init__(self, stages: Stages) -> None:
        self._embedder = stages.embedder
        self.dim, self.fingerprint = stages.embedder.dim, stages.embedder.fingerprint
        self.seen: list[str] = []

    def embed(
        self, items: Sequence[Embeddable], pictures: Sequence[Image.Image | None] | None = None
    ) -> Matrix:
        self.seen += [item.id for item in items if isinstance(item, Case)]
        return self._embedder.embed(items, pictures)


@pytest.fixture
def casebase(tmp_path: Path):
    made, _ = create(tmp_path / "x.casebase")
    with made:
        yield made


def test_the_vector_is_the_embedders(casebase: Casebase, offline: Stages, phantoms) -> None:
    report = index(phantoms[:8], casebase, offline.embedder, offline.classifier)
    assert (report.written, report.encoded) == (8, 8)
    for case in phantoms[:8]:
        vector = offline.embedder.embed([Query(case.text, case.image)])[0]
        top = casebase.search(question_of(Query(image=case.image), vector), 1)[0]
        assert top.similarity == pytest.approx(1.0, abs=2e-3)


def test_again_changes_and_encodes_nothing(casebase: Casebase, offline: Stages, phantoms) -> None:
    counting = Counting(offline)
    index(phantoms[:6], casebase, counting, offline.classifier)
    again = index(phantoms[:6], casebase, counting, offline.classifier)
    assert (again.written, again.unchanged, again.encoded) == (0, 6, 0)
    assert len(counting.seen) == 6


def test_changed_metadata_is_written_without_encoding(
    casebase: Casebase, offline: Stages, phantoms
) -> None:
    counting = Counting(offline)
    index(phantoms[:3], casebase, counting, offline.classifier)
    changed = replace(phantoms[0], patient_id="P-new")
    report = index([changed], casebase, counting, offline.classifier)
    assert (report.written, report.encoded) == (1, 0)
    assert casebase.get(changed.id) == changed


def test_replaced_cases_are_counted_and_named(
    casebase: Casebase, offline: Stages, phantoms
) -> None:
    index(phantoms[:3], casebase, offline.embedder, offline.classifier)
    other = replace(phantoms[3], id=phantoms[0].id)
    report = index([other, phantoms[1]], casebase, offline.embedder, offline.classifier)
    assert report.replaced == (phantoms[0].id,)
    assert f"1 replaced an earlier case of their id: {other.id}" in report_text(report, 1.0)
    again = index([other, phantoms[1]], casebase, offline.embedder, offline.classifier)
    assert again.replaced == ()


def test_two_cases_of_one_id_in_a_run_are_a_problem(
    casebase: Casebase, offline: Stages, phantoms
) -> None:
    other = replace(phantoms[3], id=phantoms[0].id)
    report = index([phantoms[0], other], casebase, offline.embedder, offline.classifier)
    assert [other.id in str(problem) for problem in report.problems] == [True]
    assert casebase.get(other.id) == phantoms[0]


@pytest.mark.parametrize("damage", [lambda f: f.unlink(), lambda f: f.write_bytes(b"\xff\xd8")])
def test_a_damaged_preview_is_mended_by_indexing_again(
    casebase: Casebase, offline: Stages, phantoms, damage: Callable[[Path], object]
) -> None:
    index(phantoms[:2], casebase, offline.embedder, offline.classifier)
    sound = casebase.preview(phantoms[0].id)
    for file in (casebase.path / "thumbnails").rglob("*.jpg"):
        if file.read_bytes() == sound:
            damage(file)
    assert casebase.preview(phantoms[0].id) is None
    assert casebase.verify() != []
    report = index(phantoms[:2], casebase, offline.embedder, offline.classifier)
    assert (report.encoded, report.replaced) == (0, ())
    assert casebase.preview(phantoms[0].id) == sound
    assert casebase.verify() == []


def test_equal_content_is_encoded_once(casebase: Casebase, offline: Stages, phantoms) -> None:
    counting = Counting(offline)
    twin = replace(phantoms[0], id="twin")
    index([phantoms[0], twin], casebase, counting, offline.classifier)
    assert len(counting.seen) == 1
    assert casebase.count() == 2


def test_problems_are_counted_and_skipped(
    casebase: Casebase, offline: Stages, phantoms, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(Path(phantoms[0].image).read_bytes()[:200])
    rows = [
        phantoms[0],
        Problem(tmp_path / "corpus.jsonl", 2, "not JSON"),
        replace(phantoms[1], id="cut", image=broken),
        phantoms[2],
    ]
    report = index(rows, casebase, offline.embedder, offline.classifier)
    assert report.written == 2
    assert [p.line for p in report.problems] == [2, None]
    assert "cut" in str(report.problems[1])
    with pytest.raises(CorpusError, match=r"corpus\.jsonl:2"):
        index(rows, casebase, offline.embedder, offline.classifier, strict=True)


def test_a_report_too_long_to_be_one_is_a_problem(
    casebase: Casebase, offline: Stages, phantoms
) -> None:
    book = replace(phantoms[1], id="book", text="No effusion. " * (LONGEST_TEXT // 13 + 1))
    report = index([phantoms[0], book], casebase, offline.embedder, offline.classifier)
    assert report.written == 1
    assert "book: a text of 200,005 characters, more than 200,000" in str(report.problems[0])


def test_a_case_without_domain_is_routed_and_keeps_it(
    casebase: Casebase, offline: Stages, phantoms
) -> None:
    stray = replace(phantoms[0], id="stray", domain=None)
    index([stray], casebase, offline.embedder, offline.classifier)
    assert casebase.get("stray").domain == phantoms[0].domain
    again = index([stray], casebase, offline.embedder, offline.classifier)
    assert again.unchanged == 1


def test_duplicates_are_reported_not_dropped(casebase: Casebase, offline: Stages, phantoms) -> None:
    duplicates = Duplicates()
    cases = [phantoms[0], replace(phantoms[0], id="copy"), phantoms[5]]
    index(cases, casebase, offline.embedder, offline.classifier, duplicates=duplicates)
    report = duplicates.report()
    assert report.images == ((phantoms[0].id, "copy"),)
    assert report.captions == ((phantoms[0].id, "copy"),)
    assert casebase.count() == 3


def test_the_digest_follows_text_and_image(phantoms) -> None:
    case = phantoms[0]
    assert content_digest(case) == content_digest(replace(case, id="other", patient_id="x"))
    assert content_digest(case) != content_digest(replace(case, text=case.text + "."))
    assert content_digest(case) != content_digest(replace(case, image=phantoms[9].image))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_killed_index_goes_on_where_it_stopped(tmp_path: Path, phantoms, offline: Stages) -> None:
    corpus, into = Path(phantoms[0].image).parents[1], tmp_path / "k.casebase"
    script = (
        f"from mmedrag.cli import main; main(['index', {str(corpus)!r}, '--into', {str(into)!r}])"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if (into / "casebase.db").exists() and _stored(into):
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.02)
    process.wait(PATIENCE)
    before = _stored(into)
    assert before
    with Casebase.open(into) as casebase:
        counting = Counting(offline)
        report = index(phantoms, casebase, counting, offline.classifier)
        assert casebase.count() == len(phantoms)
        assert report.encoded <= len(phantoms) - before + 5  # equal contents are encoded once
        assert casebase.verify() == []


def _stored(path: Path) -> int:
    try:
        with Casebase.open(path, readonly=True) as casebase:
            return casebase.count()
    except Exception:  # noqa: BLE001 (it is being created at this moment)
        return 0


@pytest.mark.parametrize("with_domain", [True, False])
def test_each_item_is_decoded_and_encoded_once(
    casebase: Casebase, phantoms, monkeypatch: pytest.MonkeyPatch, with_domain: bool
) -> None:
    """Distinct pictures and texts, counted where the decoder and the networks are."""
    decoded, encoded = Counter(), Counter()

    def count(owner: type, name: str, counter: Counter, key: Callable) -> None:
        original = getattr(owner, name)

        def counted(self, *args, **kwargs):
            counter.update(key(*args))
            return original(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, counted)

    stages = build("offline")
    count(ImageFile.ImageFile, "__init__", decoded, lambda file, *_: ["image"])
    count(OnnxImageEncoder, "encode", encoded, lambda images: ["image"] * len(images))
    count(OnnxTextEncoder, "encode", encoded, lambda texts: ["text"] * len(texts))
    cases = [
        replace(case, text=f"{case.text} {i}", domain=case.domain if with_domain else None)
        for i, case in enumerate(phantoms[:40])
    ]
    pictures = len({case.image.read_bytes() for case in cases})
    report = index(cases, casebase, stages.embedder, stages.classifier)
    assert report.written == 40
    assert decoded["image"] == 40
    assert encoded["text"] == 40
    assert encoded["image"] == pictures


def test_a_multi_frame_file_is_routed_on_the_frame_it_is_embedded_on(
    casebase: Casebase, offline: Stages, phantoms, tmp_path: Path
) -> None:
    chest, fundus = (
        Image.open(next(c.image for c in phantoms if c.domain == domain)).convert("RGB")
        for domain in ("radiology", "ophthalmology")
    )
    both = tmp_path / "both.tiff"
    chest.save(both, save_all=True, append_images=[fundus])
    cases = [Case(id=f"frame-{frame}", image=both, frame=frame) for frame in (0, 1)]
    index(cases, casebase, offline.embedder, offline.classifier)
    assert [casebase.get(case.id).domain for case in cases] == ["radiology", "ophthalmology"]


def test_how_diagnoses_and_labels_are_read_is_kept_beside_the_cases(rag):
    assert (rag.cases.folder / NAMES).exists()
