"""Where a text has its findings: sides and lobes."""

from __future__ import annotations

import pytest

from mmedrag.definitions import glossary
from mmedrag.text.sites import SITES, sites

SOURCE = glossary()


def sites_of(text: str) -> dict[str, tuple[str, ...]]:
    (mentions,) = SOURCE.recognise([text])
    return {m.term: m.sites for m in mentions if m.kind.is_finding}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("right lower lobe", ("right", "lower lobe")),
        ("RUL", ("right", "upper lobe")),
        ("the LLL and the lingula", ("left", "lower lobe", "lingula")),
        ("right middle and lower lobes", ("right", "middle lobe", "lower lobe")),
        ("left frontal lobe", ("left", "frontal lobe")),
        ("bilateral", ("left", "right")),
        ("lóbulo superior izquierdo", ("left", "upper lobe")),
        ("upper abdomen, lower back", ()),
        ("lobectomy", ()),
    ],
)
def test_sites_of_a_text(text: str, named: tuple[str, ...]) -> None:
    assert sites(text) == named
    assert set(named) <= set(SITES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Consolidation in the right lower lobe.", {"consolidation": ("right", "lower lobe")}),
        ("RUL mass.", {"mass": ("right", "upper lobe")}),
        (
            "Left pleural effusion and right pneumothorax.",
            {"pleural effusion": ("left",), "pneumothorax": ("right",)},
        ),
        ("No left pneumothorax.", {"pneumothorax": ("left",)}),
        ("OD: drusen.", {"drusen": ("right",)}),
        ("Cardiomegaly. Clear left lung.", {"cardiomegaly": ()}),
        ("Mass in the left temporal lobe with oedema", {"mass": ("left", "temporal lobe")}),
        (
            "Pleural effusion on the left without cardiomegaly.",
            {"pleural effusion": ("left",), "cardiomegaly": ()},
        ),
        (
            "Derrame pleural izquierdo sin cardiomegalia.",
            {"pleural effusion": ("left",), "cardiomegaly": ()},
        ),
        (
            "Derrame pleural esquerdo sem pneumotórax à direita.",
            {"pleural effusion": ("left",), "pneumothorax": ("right",)},
        ),
    ],
)
def test_sites_of_findings(text: str, expected: dict[str, tuple[str, ...]]) -> None:
    found = sites_of(text)
    assert {term: found[term] for term in expected} == expected


def test_anatomy_has_no_site() -> None:
    (mentions,) = SOURCE.recognise(["Right lower lobe pneumonia."])
    assert [m.sites for m in mentions if not m.kind.is_finding] == [()]
