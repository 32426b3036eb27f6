"""Every damage to every file of a generation is noticed, never believed, and repaired."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from fast_folder import FAST
from mmedrag.casebase import Casebase, Entry
from mmedrag.casebase.exact import ExactIndex
from mmedrag.cli import main
from mmedrag.errors import CasebaseDamaged, CasebaseError, CasebaseNotFound, EncoderMismatch
from mmedrag.testing.case_index import DIM, entries_of, unit
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Query
from proofs import SEED, scaled

pytestmark = pytest.mark.proof("corruption")
ENTRIES = entries_of(11, 60)
FILES = ["rows", "vectors", "postings", "counts", "starts", "lengths", "column0", "column9p"]
FILTERED = "domain is not null and modality = 'ct' and labels is not null"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "cases"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add(ENTRIES[:50])
        casebase.publish()
        casebase.add(ENTRIES[50:])
        casebase.delete([ENTRIES[0].case.id])
    return path


@pytest.fixture
def tmp_path():
    """No question is asked of the disk here."""
    with TemporaryDirectory(dir=FAST) as folder:
        yield Path(folder)


@pytest.fixture
def path(sound, tmp_path):
    return Path(shutil.copytree(sound, tmp_path / "cases"))


def live(path):
    return path / "generations" / (path / "CURRENT").read_text().strip()


def answers_are_right(casebase):
    kept = ENTRIES[1:]
    judge = ExactIndex([e.case for e in kept], np.array([e.vector for e in kept]))
    for seed in range(5):
        vector = unit(np.random.default_rng(seed))
        hits = casebase.search(question_of(Query(), vector), 20)
        assert [h.case for h in hits] == [
            h.case for h in judge.search(question_of(Query(), vector), 20)
        ]


def truncate(file, rng):
    content = file.read_bytes()
    file.write_bytes(content[: rng.integers(len(content))])


def flip(file, rng):
    content = bytearray(file.read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    file.write_bytes(bytes(content))


def grow(file, rng):
    file.write_bytes(file.read_bytes() + rng.bytes(4))


def empty(file, rng):
    file.write_bytes(b"")


def remove(file, rng):
    file.unlink()


def swap(file, rng):
    others = sorted(f for f in file.parent.iterdir() if f != file and f.is_file())
    other = others[rng.integers(len(others))]
    mine, theirs = file.read_bytes(), other.read_bytes()
    file.write_bytes(theirs)
    other.write_bytes(mine)


@pytest.mark.parametrize("damage", [truncate, flip, grow, empty, remove, swap])
@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_file_is_noticed_and_derived_again(path, name, damage, seed):
    damage(live(path) / name, np.random.default_rng(seed))
    with Casebase.open(path, readonly=True) as casebase:
        assert len(casebase.notices) == 1
        assert len(casebase.verify()) == 1
        answers_are_right(casebase)
    with Casebase.open(path) as casebase:
        assert "derived again" in casebase.notices[0]
        answers_are_right(casebase)
    with Casebase.open(path) as casebase:
        assert casebase.notices == []
        assert casebase.verify() == []


@pytest.mark.parametrize("content", [b"", b"000009\n", b"../../etc\n", b"\xff\xfe", b"000001/.."])
def test_a_pointer_to_nowhere_is_noticed(path, content):
    (path / "CURRENT").write_bytes(content)
    with Casebase.open(path) as casebase:
        assert "derived again" in casebase.notices[0]
        answers_are_right(casebase)
        assert casebase.verify() == []


def test_a_lost_pointer_is_noticed(path):
    (path / "CURRENT").unlink()
    with Casebase.open(path) as casebase:
        assert "CURRENT is missing" in casebase.notices[0]
        answers_are_right(casebase)


def test_every_bit_of_the_manifest_counts(path):
    file = live(path) / "manifest.json"
    content = file.read_bytes()
    for at in range(0, len(content), 23):
        file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with Casebase.open(path, readonly=True) as casebase:
            assert len(casebase.notices) == 1


def test_a_generation_that_the_database_does_not_know_is_not_believed(path, tmp_path):
    """A folder put together from two backups: rows have other vectors under the same numbers."""
    other = tmp_path / "other"
    with Casebase.create(other, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add(entries_of(12, 50))
        casebase.publish()
    shutil.rmtree(live(path))
    shutil.copytree(live(other), live(path))
    with Casebase.open(path) as casebase:
        assert len(casebase.notices) == 1
        answers_are_right(casebase)


def test_damage_is_noticed_while_open_too(path):
    with Casebase.open(path, readonly=True) as reader, Casebase.open(path) as writer:
        answers_are_right(reader)
        writer.publish()
        flip(live(path) / "vectors", np.random.default_rng(0))
        answers_are_right(reader)
        assert len(reader.notices) == 1
        writer.publish()
        answers_are_right(reader)
        assert len(reader.notices) == 1


def test_a_bit_lost_in_a_stored_vector_is_found_by_verify(path):
    with Casebase.open(path) as casebase:
        casebase._access.database._run("UPDATE vectors SET vector = zeroblob(32) WHERE row = 5")
        assert casebase.verify() == [
            f"casebase.db: case {ENTRIES[4].case.id!r} fails its checksum",
            "casebase.db: vectors, row 5 fails its checksum",
        ]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE texts SET text = text || '.' WHERE row = 5",
        "UPDATE texts SET text = CAST(text AS BLOB) WHERE row = 5",
        "UPDATE cases SET labels = '[' WHERE row = 5",
        "UPDATE cases SET domain = 'radiologz' WHERE row = 5",
        "UPDATE cases SET patient_id = 'p9' WHERE row = 5",
        "DELETE FROM texts WHERE row = 5",
    ],
)
def test_a_row_is_checked_when_it_is_read(path, damage):
    """Whatever is asked, the damaged row is never given out as if it were sound."""
    damage_database(path, damage)
    with Casebase.open(path, readonly=True) as casebase:
        with pytest.raises(CasebaseDamaged, match=r"checksum|not what was written"):
            casebase.get(ENTRIES[4].case.id)
        with pytest.raises(CasebaseDamaged, match=r"checksum|not what was written"):
            list(casebase.cases())
        with pytest.raises(CasebaseDamaged, match=r"checksum|not what was written"):
            casebase.search(question_of(Query(), unit(np.random.default_rng(0))), 99)


@pytest.mark.parametrize("length", [32, 31])
def test_a_search_needs_no_stored_vector_but_that_of_a_new_row(path, length):
    """Vectors come from the generation, where there is one, and those are sound."""
    own = f"SELECT row FROM cases WHERE id = '{ENTRIES[4].case.id}'"
    damage = f"UPDATE vectors SET vector = zeroblob({length}) WHERE row = ({own})"
    damage_database(path, damage)
    with Casebase.open(path) as casebase:
        with pytest.raises(CasebaseDamaged, match="checksum"):
            casebase.get(ENTRIES[4].case.id)
        with pytest.raises(CasebaseDamaged, match="checksum"):
            list(casebase.cases())
        hits = casebase.search(question_of(Query(), unit(np.random.default_rng(0))), 99)
        vectors = {hit.case.id: hit.vector.tolist() for hit in hits}
        assert vectors[ENTRIES[4].case.id] == ENTRIES[4].vector.tolist()
        casebase.add(ENTRIES[4:5])  # in a new row, outside the generation
    damage_database(path, damage)
    with pytest.raises(CasebaseDamaged, match="checksum"):
        Casebase.open(path, readonly=True)


def damage_database(path, statement):
    """Change the database past its checksums, as if a writer were still at work."""
    with Casebase.open(path) as casebase:
        casebase._access.database._run("PRAGMA foreign_keys = OFF")
        assert casebase._access.database._run(statement).rowcount == 1
    (path / "seal.json").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM vocabulary WHERE value = 'nodul'",
        "UPDATE vocabulary SET value = 'unheard' WHERE value = 'nodul'",
        "UPDATE vocabulary SET cases = cases + 1 WHERE value = 'nodul'",
        "UPDATE vocabulary SET number = 3 - number WHERE field = 'text' AND number < 3",
        "UPDATE vocabulary SET value = 'mr?' WHERE field = 'modality' AND number = 1",
        "INSERT INTO vocabulary SELECT generation, field, 'more', 999, 1 FROM vocabulary LIMIT 1",
    ],
)
def test_a_vocabulary_that_does_not_match_is_found_and_rebuilt(path, damage):
    with Casebase.open(path) as casebase:
        assert casebase._access.database._run(damage).rowcount
        (path / "seal.json").unlink()
    with Casebase.open(path, readonly=True) as casebase:
        assert any("does not match" in problem for problem in casebase.verify())
    with Casebase.open(path) as casebase:
        casebase.rebuild()
        assert casebase.verify() == []
        answers_are_right(casebase)


@pytest.mark.parametrize("damage", [flip, truncate])
@pytest.mark.parametrize("name", [*FILES, "radiology.faiss"])
def test_damage_to_a_large_generation_is_noticed_when_it_is_used(path, name, damage, monkeypatch):
    """No answer is made of a block that was not checked; opening checks none."""
    with Casebase.open(path) as casebase:
        casebase.publish("IVF2,SQ8")
    monkeypatch.setattr("mmedrag.casebase.generations._WHOLE", 0)
    damage(live(path) / name, np.random.default_rng(3))
    with Casebase.open(path, readonly=True) as casebase:
        vector = ENTRIES[1].vector
        for query in (Query("nodule left"), Query(where=FILTERED)):
            judge = ExactIndex([e.case for e in ENTRIES[1:]], [e.vector for e in ENTRIES[1:]])
            hits = casebase.search(question_of(query, vector), 60)
            expected = judge.search(question_of(query, vector), 60)
            assert {h.case.id for h in hits} == {h.case.id for h in expected}
        assert len(casebase.notices) == 1
    with Casebase.open(path) as casebase:
        for query in (Query("nodule left"), Query(where=FILTERED)):
            casebase.search(question_of(query, vector), 60)
        assert "derived again" in casebase.notices[0]
        assert casebase.verify() == []


@pytest.mark.parametrize("seed", range(60))
def test_a_flipped_bit_anywhere_in_the_database_is_no_answer(path, seed):
    """Noticed by whoever opens it, and by verify; rebuild mends it or says that it cannot."""
    flip(path / "casebase.db", np.random.default_rng(seed))
    try:
        with Casebase.open(path, readonly=True) as casebase:
            assert casebase.verify() != []
            for ask in (
                lambda: casebase.search(question_of(Query("nodule"), ENTRIES[1].vector), 5),
                lambda: casebase.get(ENTRIES[1].case.id),
                casebase.count,
            ):
                with pytest.raises(CasebaseError):
                    ask()
    except CasebaseError:
        return  # it cannot even be opened
    try:
        with Casebase.open(path) as casebase:
            casebase.rebuild()
            answers_are_right(casebase)
            assert casebase.verify() == []
    except CasebaseError:
        pass


@pytest.mark.parametrize("seed", range(40))
def test_a_large_database_is_hashed_while_it_answers_and_answers_rightly(path, seed, monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.ledger._AT_ONCE", 0)
    asked = [
        question_of(Query("nodule", where="modality = 'ct'"), ENTRIES[1].vector),
        question_of(Query(where="meta.age > 3 and id != 'x'"), ENTRIES[2].vector),
    ]
    with Casebase.open(path, readonly=True) as casebase:
        expected = [[h.case for h in casebase.search(question, 9)] for question in asked]
        assert casebase.count() == len(ENTRIES) - 1
    flip(path / "casebase.db", np.random.default_rng([1, seed]))
    try:
        with Casebase.open(path, readonly=True) as casebase:
            for question, cases in zip(asked, expected, strict=True):
                with suppress(CasebaseError):
                    assert [h.case for h in casebase.search(question, 9)] == cases
            with pytest.raises(CasebaseError):
                casebase.count()
    except CasebaseError:
        pass  # it cannot even be opened


def writing_copy(path, tmp_path):
    """A copy as it is while a writer, whose last writes are in the log, has it open."""
    with Casebase.open(path) as writer:
        writer.add([Entry(Case(id="acknowledged"), ENTRIES[1].vector, "", None)])
        writer.delete([ENTRIES[2].case.id])
        writer.add([Entry(Case(id="too"), ENTRIES[1].vector, "", None)])
        copy = shutil.copytree(path, tmp_path / "copy")
    (copy / "writer.pid").unlink()
    return copy


@pytest.mark.parametrize("damage", [truncate, flip, empty, remove])
def test_a_damaged_log_that_loses_writes_is_noticed(path, tmp_path, damage):
    copy = writing_copy(path, tmp_path)
    log = copy / "casebase.db-wal"
    assert log.stat().st_size
    if damage is flip:  # in the first frame's page, so that all is lost
        content = bytearray(log.read_bytes())
        content[100] ^= 1
        log.write_bytes(bytes(content))
    elif damage is truncate:
        log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    else:
        damage(log, np.random.default_rng(0))
    (copy / "casebase.db-shm").unlink()
    with Casebase.open(copy, readonly=True) as casebase:
        assert any("acknowledged writes are lost" in notice for notice in casebase.notices)
        assert any("acknowledged writes are lost" in problem for problem in casebase.verify())
    with Casebase.open(copy) as casebase:
        with pytest.raises(CasebaseDamaged, match="lost"):
            casebase.add([Entry(Case(id="more"), ENTRIES[1].vector, "", None)])
        casebase.rebuild()
        casebase.add([Entry(Case(id="more"), ENTRIES[1].vector, "", None)])
    with Casebase.open(copy) as casebase:
        assert casebase.notices == []
        assert casebase.verify() == []


def test_a_sound_log_loses_nothing_and_says_nothing(path, tmp_path):
    copy = writing_copy(path, tmp_path)
    (copy / "casebase.db-shm").unlink()
    with Casebase.open(copy) as casebase:
        assert casebase.notices == []
        assert casebase.get("acknowledged")
        assert casebase.get("too")
        assert casebase.get(ENTRIES[2].case.id) is None
        assert casebase.verify() == []


def test_a_log_that_is_lost_with_the_note_of_its_writes_is_noticed(path, tmp_path):
    copy = writing_copy(path, tmp_path)
    (copy / "casebase.db-shm").unlink()
    log, note = copy / "casebase.db-wal", copy / "acknowledged"
    log.replace(copy / "aside")
    note.replace(log)
    (copy / "aside").replace(note)
    with Casebase.open(copy, readonly=True) as casebase:
        assert "note of acknowledged writes" in casebase.notices[0]
        assert "note of acknowledged writes" in casebase.verify()[0]
    with Casebase.open(copy) as casebase:
        casebase.rebuild()
        assert casebase.verify() == []


def test_an_older_copy_of_the_database_is_noticed(path, tmp_path):
    """Deleted cases would be back without a word."""
    before = (path / "casebase.db").read_bytes()
    with Casebase.open(path) as casebase:
        casebase.delete([ENTRIES[2].case.id])
    (path / "casebase.db").write_bytes(before)
    with Casebase.open(path, readonly=True) as casebase:
        assert any("lost" in notice for notice in casebase.notices)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM settings WHERE key = 'dim'",
        "UPDATE settings SET value = 'many' WHERE key = 'dim'",
        "DELETE FROM state",
        "UPDATE state SET epoch = 'x'",
        "UPDATE vectors SET vector = 'text', crc = NULL WHERE row = 5",
        "UPDATE cases SET meta = '{' WHERE row = 5",
        "UPDATE vocabulary SET number = 'x' WHERE value = 'nodul'",
        "DROP TABLE texts",
    ],
)
def test_damage_raises_typed_errors_only(path, damage):
    with Casebase.open(path) as casebase:
        casebase._access.database._run("PRAGMA foreign_keys = OFF")
        casebase._access.database._run(damage)
        (path / "seal.json").unlink()
    asked = [
        lambda c: c.search(question_of(Query("nodule"), unit(np.random.default_rng(0))), 99),
        lambda c: c.get(ENTRIES[4].case.id),
        lambda c: list(c.cases()),
        lambda c: c.info(),
        lambda c: c.verify(),
        lambda c: c.preview(ENTRIES[4].case.id),
        lambda c: c.vectors_by_content([ENTRIES[4].content]),
    ]
    wrong = 0
    for ask in asked:
        try:
            with Casebase.open(path, readonly=True) as casebase:
                ask(casebase)
        except CasebaseError:
            wrong += 1
    with pytest.raises(CasebaseError), Casebase.open(path) as casebase:  # noqa: PT012
        problems = casebase.verify()
        assert problems
        raise CasebaseDamaged(problems[0], "")
    assert wrong or "docsize" in damage


def test_a_damaged_database_is_said_to_be_damaged(path):
    file = path / "casebase.db"
    file.write_bytes(b"not a database" * 1000)
    with pytest.raises(CasebaseDamaged, match=r"backup"):
        Casebase.open(path)


def test_a_damaged_thumbnail_is_not_shown(path):
    jpeg = b"\xff\xd8 preview"
    with Casebase.open(path) as casebase:
        casebase.add([Entry(Case(id="seen"), ENTRIES[1].vector, "", jpeg)])
        assert casebase.preview("seen") == jpeg
        file = next((path / "thumbnails").glob("*/*.jpg"))
        flip(file, np.random.default_rng(0))
        assert casebase.preview("seen") is None
        assert casebase.verify() == [
            f"thumbnail {file.stem} is missing or damaged; adding its case again mends it"
        ]
        casebase.add([Entry(Case(id="seen"), ENTRIES[1].vector, "", jpeg)])
        assert casebase.verify() == []


def test_another_encoder_is_refused(path):
    with pytest.raises(EncoderMismatch, match="preset 'p'"):
        Casebase.open(path, fingerprint="g")


def test_what_is_not_a_casebase_is_said_so(tmp_path):
    with pytest.raises(CasebaseNotFound, match="mmedrag index"):
        Casebase.open(tmp_path / "nowhere")
    with pytest.raises(CasebaseNotFound):
        Casebase.open(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(CasebaseError, match="there already"):
        Casebase.create(tmp_path / "file", dim=4, fingerprint="f", preset="p")


def test_a_later_format_is_refused(path):
    with Casebase.open(path) as casebase:
        casebase._access.database._run("PRAGMA user_version = 99")
    with pytest.raises(CasebaseError, match="Upgrade"):
        Casebase.open(path)


def test_generations_removed_by_hand_are_derived_again(path):
    shutil.rmtree(path / "generations")
    with Casebase.open(path, readonly=True) as casebase:
        assert casebase.verify() != []
        answers_are_right(casebase)
    with Casebase.open(path) as casebase:
        answers_are_right(casebase)
        assert casebase.verify() == []


def test_a_folder_emptied_down_to_the_database_is_whole_again(path):
    for item in path.iterdir():
        if item.is_dir():
            shutil.rmtree(item)
        elif item.name != "casebase.db":
            item.unlink()
    with Casebase.open(path) as casebase:
        casebase.rebuild()
        casebase.add([Entry(Case(id="seen"), ENTRIES[1].vector, "", b"\xff\xd8 preview")])
        casebase.delete(["seen"])
        answers_are_right(casebase)
        assert casebase.verify() == []


def test_the_command_rebuild_ends_the_alarm_of_a_damaged_index(path, capsys):
    with Casebase.open(path) as casebase:
        casebase._access.database._run("UPDATE vocabulary SET cases = 9")
        casebase.add([Entry(Case(id="last"), ENTRIES[1].vector, "", None)])
    with Casebase.open(path) as casebase:
        casebase._access.database._run("UPDATE vocabulary SET cases = 8")
        casebase._access.database.truncate_log()
    assert main(["info", str(path)]) == 3
    assert "mmedrag rebuild" in capsys.readouterr().err
    assert main(["rebuild", str(path)]) == 0
    with Casebase.open(path) as casebase:
        assert casebase.verify() == []
        casebase.delete(["last"])
        answers_are_right(casebase)


def damage_of(rng):
    """Any one of the damages, or a run of bytes overwritten."""

    def overwrite(file, rng):
        content = bytearray(file.read_bytes())
        at, length = rng.integers(len(content)), rng.integers(1, 5000)
        content[at : at + length] = rng.bytes(len(content[at : at + length]))
        file.write_bytes(bytes(content))

    return [truncate, flip, flip, grow, empty, remove, swap, overwrite][rng.integers(8)]


def asked_of(casebase, thumbnail):
    """What a reader is told: searches by vector and by words, cases, previews."""
    found = []
    for seed in range(3):
        vector = unit(np.random.default_rng(seed))
        for query in (Query(), Query("nodule"), Query(where="modality = 'ct'")):
            hits = casebase.search(question_of(query, vector), 70)
            found.append([(h.case, round(h.similarity, 4)) for h in hits])
    found.append(sorted(casebase.ids()))
    found.append([casebase.get(e.case.id) for e in ENTRIES])
    return [*found, casebase.preview("seen") in (thumbnail, None)]


@pytest.mark.long
def test_no_file_that_is_damaged_gives_a_wrong_answer_in_silence(path, tmp_path, record_property):
    """Every file of a casebase, at rest and while it is written: right, refused, or noticed."""
    thumbnail = b"\xff\xd8 preview"
    with Casebase.open(path) as casebase:
        casebase.add([Entry(Case(id="seen"), ENTRIES[1].vector, "", thumbnail)])
    states = {"at rest": path, "written": writing_copy(path, tmp_path)}
    refused = noticed = right = 0
    trials = scaled(1200)
    for number in range(trials):
        rng = np.random.default_rng([77, number, SEED])
        source = states[["at rest", "written"][number % 2]]
        trial = Path(shutil.copytree(source, tmp_path / "trial"))
        if number % 2:
            (trial / "casebase.db-shm").unlink()
        with Casebase.open(shutil.copytree(trial, tmp_path / "sound"), readonly=True) as sound_copy:
            expected = asked_of(sound_copy, thumbnail)
        shutil.rmtree(tmp_path / "sound")
        files = sorted(f for f in trial.rglob("*") if f.is_file() and f.stat().st_size)
        file = files[number // 2 % len(files)]
        damage = damage_of(rng)
        if damage is swap and len([f for f in file.parent.iterdir() if f.is_file()]) < 2:
            damage = flip
        damage(file, rng)
        try:
            with Casebase.open(trial, readonly=True) as casebase:
                answer = asked_of(casebase, thumbnail)
                told = bool(casebase.notices)
        except CasebaseError:
            refused += 1
        else:
            noticed += told
            right += answer == expected
            assert told or answer == expected, (number, file.name, damage.__name__)
        shutil.rmtree(trial)
    record_property("trials", trials)
    record_property("refused", refused)
    record_property("noticed", noticed)
    record_property("right answers", right)
    assert refused + noticed + right >= trials
