"""Splits by patient, study and picture; leaks; split files."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmedrag.datasets.crops import find_crops
from mmedrag.datasets.records import write_records
from mmedrag.datasets.splits import (
    Leak,
    check_leaks,
    leaks,
    read_split,
    split_cases,
    without_leaks,
    write_split,
)
from mmedrag.datasets.ties import LONG_TEXT, Reason, Tie, connected, find_ties, read_sets
from mmedrag.errors import CorpusError, LeakError
from mmedrag.imaging.decoding import open_image
from mmedrag.types import Case, Domain
from proofs import examples

REPORT = "the heart is of normal size and both lungs are clear of any consolidation"


def picture(folder, name: str, seed: int) -> Case:
    coarse = np.random.default_rng(seed).integers(0, 255, (24, 24), np.uint8)
    path = folder / f"{name}.png"
    Image.fromarray(coarse).resize((128, 128), Image.Resampling.BICUBIC).save(path)
    return Case(id=name, image=path)


def ids(cases) -> set[str]:
    return {case.id for case in cases}


patients = st.lists(
    st.tuples(
        st.integers(0, 8),  # patient, 0 for none
        st.integers(0, 8),  # study, 0 for none
        st.sampled_from([REPORT, f"{REPORT} again", "short caption", ""]),
        st.sampled_from([*Domain, None]),
    ),
    min_size=1,
    max_size=40,
).map(
    lambda rows: [
        Case(
            id=f"case{i}",
            patient_id=f"p{patient}" if patient else "",
            study_id=f"s{study}" if study else "",
            text=text,
            domain=domain,
        )
        for i, (patient, study, text, domain) in enumerate(rows)
    ]
)


@given(patients, st.floats(0.05, 0.95), st.integers(0, 9))
@settings(max_examples=examples(60))
def test_a_split_never_leaks_and_loses_nothing(cases, share, seed):
    train, held_out = split_cases(cases, share, seed)
    assert leaks(train, held_out) == []
    assert ids(train) | ids(held_out) == ids(cases)
    assert len(train) + len(held_out) == len(cases)


@given(patients, st.integers(0, 9))
@settings(max_examples=40)
def test_the_order_of_the_records_does_not_matter(cases, seed):
    forth, back = split_cases(cases, 0.3, seed), split_cases(cases[::-1], 0.3, seed)
    assert ids(forth[1]) == ids(back[1])


def many(n: int, domain: Domain = Domain.RADIOLOGY) -> list[Case]:
    return [
        Case(id=f"{domain}{i}", patient_id=f"{domain}{i // 2}", text=f"case {i}", domain=domain)
        for i in range(n)
    ]


def test_added_records_move_nobody():
    first = many(400)
    before = ids(split_cases(first, 0.2, 5)[1])
    after = split_cases([*many(900)[400:], *first], 0.2, 5)[1]
    assert ids(after) & ids(first) == before


def test_every_domain_gives_its_share_and_the_seed_decides_which():
    cases = [case for domain in Domain for case in many(1000, domain)]
    held_out = split_cases(cases, 0.2, 1)[1]
    for domain in Domain:
        assert 0.15 < sum(case.domain is domain for case in held_out) / 1000 < 0.25
    assert ids(held_out) != ids(split_cases(cases, 0.2, 2)[1])


def test_a_small_domain_still_has_both_sides():
    cases = many(200) + many(4, Domain.PATHOLOGY)
    for seed in range(20):
        sides = split_cases(cases, 0.1, seed)
        assert all(any(c.domain is Domain.PATHOLOGY for c in side) for side in sides)


@pytest.mark.parametrize("share", [0, 1, -0.2, 3])
def test_an_impossible_share(share):
    with pytest.raises(CorpusError, match="between 0 and 1"):
        split_cases(many(4), share)


def test_every_kind_of_leak_is_named(tmp_path):
    exact = picture(tmp_path, "exact", 1)
    shutil.copy(exact.image, tmp_path / "copy.png")
    dark = tmp_path / "dark.png"
    Image.open(picture(tmp_path, "bright", 2).image).point(lambda v: max(0, v - 5)).save(dark)
    train = [
        Case(id="a", patient_id="1"),
        Case(id="b", study_id="s"),
        exact,
        Case(id="bright", image=tmp_path / "bright.png"),
        Case(id="c", text=REPORT),
        Case(id="d", text="A nodule."),
        Case(id="e"),
    ]
    held_out = [
        Case(id="A", patient_id="1"),
        Case(id="B", study_id="s"),
        Case(id="copy", image=tmp_path / "copy.png"),
        Case(id="dark", image=dark),
        Case(id="C", text=REPORT.upper().replace(" ", "\n")),
        Case(id="D", text="A nodule."),
        Case(id="E", meta={"near_duplicate_of": "e"}),
    ]
    assert set(leaks(train, held_out)) == {
        Leak("a", "A", Reason.PATIENT),
        Leak("b", "B", Reason.STUDY),
        Leak("exact", "copy", Reason.IMAGE),
        Leak("exact", "copy", Reason.NEAR_DUPLICATE),
        Leak("bright", "dark", Reason.NEAR_DUPLICATE),
        Leak("c", "C", Reason.TEXT),
        Leak("e", "E", Reason.NEAR_DUPLICATE),
    }
    with pytest.raises(LeakError, match=r"6 held-out cases.*a and A \(same patient\).*2 more"):
        check_leaks(train, held_out)
    clean, tied = without_leaks(train, held_out, find_ties([*train, *held_out]))
    assert ids(clean) == {"d"}
    assert ids(tied) == {"a", "b", "exact", "bright", "c", "e"}
    check_leaks(clean, held_out)


def test_a_leak_by_way_of_an_unused_case_is_taken_out_too():
    ties = [Tie(Reason.PATIENT, ("a", "b")), Tie(Reason.STUDY, ("b", "x"))]
    assert connected(["a", "b", "x"], ties) == [["a", "b", "x"]]
    clean, _ = without_leaks([Case(id="a"), Case(id="b")], [Case(id="x")], ties)
    assert clean == []


def test_cut_and_regraded_copies_are_found_and_others_not(phantoms, tmp_path):
    films = {c.patient_id: c for c in phantoms if c.domain is Domain.RADIOLOGY}
    cases = list(films.values())[:8]
    whole = [open_image(case.image) for case in cases]
    changed = {
        "bottom": whole[1].crop((0, 0, 256, 234)),
        "sides": whole[2].crop((16, 0, 240, 256)),
        "graded": whole[3].point(lambda v: round(255 * (v / 255) ** 1.3)),
    }
    for name, image in changed.items():
        image.save(tmp_path / f"{name}.png")
        cases.append(Case(id=name, image=tmp_path / f"{name}.png"))
    sources = [(cases[i].id, name) for i, name in enumerate(changed, start=1)]
    assert find_crops(cases) == sources
    fundus = [replace(case, domain=Domain.OPHTHALMOLOGY) for case in cases]
    assert find_crops(fundus) == []


def test_texts_are_told_by_their_length():
    words = REPORT.split()
    assert len(words[:LONG_TEXT]) == LONG_TEXT
    for n, found in ((LONG_TEXT, 1), (LONG_TEXT - 1, 0)):
        text = " ".join(words[:n])
        assert len(find_ties([Case(id="a", text=text), Case(id="b", text=text)])) == found


def test_an_image_that_cannot_be_read_ties_nothing(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"")
    cases = [Case(id=name, image=tmp_path / "bad.png") for name in "ab"]
    assert find_ties(cases) == ()


def test_sets_are_told_apart(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        cases = [
            Case(id="1", text="x", patient_id="7"),
            Case(id="2", text="y", patient_id="7", meta={"near_duplicate_of": "1"}),
        ]
        write_records(cases, tmp_path / name / "records.jsonl")
    cases, problems = read_sets([tmp_path / "one" / "records.jsonl", tmp_path / "two"])
    assert problems == []
    assert [case.id for case in cases] == ["one/1", "one/2", "two/1", "two/2"]
    assert set(find_ties(cases)) == {
        Tie(reason, (f"{name}/1", f"{name}/2"))
        for name in ("one", "two")
        for reason in (Reason.PATIENT, Reason.NEAR_DUPLICATE)
    }
    with pytest.raises(CorpusError, match="called one"):
        read_sets([tmp_path / "one", tmp_path / "one"])


def test_ids_that_are_not_unique():
    with pytest.raises(CorpusError, match="two cases"):
        split_cases([Case(id="a"), Case(id="a")], 0.5)


def test_split_files(tmp_path):
    cases = many(40)
    train, val = split_cases(cases[:36], 0.25, 3)
    path = tmp_path / "splits" / "mine.json"
    write_split(path, {"train": train, "val": val, "unused": cases[36:]}, share=0.25, seed=3)
    assert read_split(path, cases) == {"train": train, "val": val}
    told = json.loads(path.read_text())
    assert (told["seed"], told["share"]) == (3, 0.25)
    with pytest.raises(CorpusError, match=r"names 1 of the cases: radiology0"):
        read_split(path, cases[1:])
    with pytest.raises(CorpusError, match=r"does not name 1 of the cases: new"):
        read_split(path, [*cases, Case(id="new")])
    with pytest.raises(CorpusError, match="two cases"):
        write_split(path, {"train": train, "val": train}, share=0.25, seed=3)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: "not json",
        lambda told: "[]",
        lambda told: json.dumps(told | {"format": "other"}),
        lambda told: json.dumps(told | {"cases": told["cases"] | {"extra": "val"}}),
        lambda told: json.dumps(told | {"cases": dict.fromkeys(told["cases"], 1)}),
    ],
)
def test_damaged_split_files(tmp_path, change):
    path = tmp_path / "split.json"
    write_split(path, {"train": many(3)}, share=0.5, seed=0)
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(CorpusError):
        read_split(path, many(3))


def test_the_splits_of_phantoms_are_clean(phantoms):
    own = {s: [case for case in phantoms if case.split == s] for s in ("train", "val")}
    assert leaks(own["train"], own["val"]) == []
    moved = replace(own["val"][0], id="moved")
    found = leaks([*own["train"], moved], own["val"])
    assert {(leak.train, leak.held_out) for leak in found} >= {("moved", own["val"][0].id)}
    assert {leak.reason for leak in found} >= {Reason.PATIENT, Reason.STUDY, Reason.IMAGE}


@pytest.mark.long
def test_what_two_real_sets_share(shared_data):
    cases, _ = read_sets([shared_data / name for name in ("medpix2", "covid_ct")])
    medpix, covid = ([c for c in cases if c.id.startswith(n)] for n in ("medpix2", "covid_ct"))
    shared = {leak.held_out for leak in leaks(medpix, covid)}
    assert len(shared) >= 30  # eight were known when the data were handed out
    remaining, held_out = split_cases(cases, 0.2, 1)
    assert leaks(remaining, held_out) == []
