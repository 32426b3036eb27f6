"""What is kept of each case: read once, checked, and nothing that names anybody."""

from __future__ import annotations

from mmedrag.knowledge.facts import bring_up_to_date, load, read_facts


def test_only_new_cases_are_read(cases, terms, tmp_path):
    file = tmp_path / "knowledge.jsonl"

    def given(some):
        return lambda: ((case, None) for case in some)

    assert bring_up_to_date(file, given(cases[:5]), terms).read == 5
    update = bring_up_to_date(file, given(cases), terms)
    assert (update.read, len(update.facts)) == (len(cases) - 5, len(cases))
    assert bring_up_to_date(file, given(cases), terms).read == 0
    fewer = bring_up_to_date(file, given(cases[1:]), terms)
    assert (fewer.read, len(fewer.facts)) == (0, len(cases) - 1)
    assert len(load(file)[0]) == len(cases) - 1


def test_a_damaged_file_is_never_believed(cases, terms, tmp_path):
    file = tmp_path / "knowledge.jsonl"
    made = bring_up_to_date(file, lambda: ((case, None) for case in cases), terms)
    whole = file.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        flipped = bytearray(whole)
        flipped[at] ^= 1
        file.write_bytes(flipped)
        known, notice = load(file)
        assert known == {f.digest: f for f in made.facts} or (not known and "damaged" in notice)
        again = bring_up_to_date(file, lambda: ((case, None) for case in cases), terms)
        assert again.facts == made.facts


def test_the_file_names_no_patient_and_no_report(cases, terms, tmp_path):
    file = tmp_path / "knowledge.jsonl"
    bring_up_to_date(file, lambda: ((case, None) for case in cases), terms)
    text = file.read_text("utf-8")
    for case in cases:
        assert case.text not in text
        assert f'"{case.id}"' not in text
        assert f'"{case.patient_id}"' not in text


def test_facts_are_what_the_case_says(cases, terms, code):
    (facts, new), *_ = read_facts([(cases[3], None)], terms)
    assert new
    assert code("ring enhancement") in facts.affirmed
    assert code("fever") in facts.negated
    assert list(facts.diagnoses) == [code("glioblastoma")]
    (unknown, _), *_ = read_facts([(cases[-1], None)], terms)
    assert list(unknown.diagnoses.values()) == ["Zebra syndrome of nobody"]
