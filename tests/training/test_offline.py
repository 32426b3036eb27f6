"""The recipe of the offline preset, part by part, on what the project draws."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')

from mmedrag.training.offline import drawing_shares, learnable
from mmedrag.training.sets import TrainingSet
from mmedrag.types import Case, Domain


def test_a_set_is_drawn_from_as_often_as_its_description_says() -> None:
    first = TrainingSet("first", Path("f"), draws=0.5)
    a, b = (TrainingSet(name, Path(name)) for name in "ab")
    cases = [(of, Case(id=str(i))) for i, of in enumerate([first] * 3 + [a] * 4 + [b])]
    shares = drawing_shares(cases)
    assert shares.sum() == pytest.approx(1)
    assert shares[:3].sum() == pytest.approx(0.5)
    assert shares[3:7].sum() == pytest.approx(2 * shares[7])
    assert drawing_shares(cases[:3]).sum() == pytest.approx(1)  # nothing else to draw from


def test_nothing_tied_to_a_held_out_case_is_learned_from() -> None:
    told = "A thick walled cyst in the left lobe of the liver with a calcified rim."
    cases = [
        Case(id="1", text="Free air.", domain=Domain.RADIOLOGY, patient_id="a"),
        Case(id="2", text=told, domain=Domain.RADIOLOGY, patient_id="b"),
        Case(id="3", text="Free air.", domain=Domain.RADIOLOGY, patient_id="b"),
        Case(id="4", text=told, domain=Domain.RADIOLOGY, patient_id="c", split="val"),
        Case(id="5", text="Free air.", patient_id="d"),
    ]
    assert [case.id for case in learnable(cases)] == ["1"]
