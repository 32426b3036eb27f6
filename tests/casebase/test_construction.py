"""Values that are made quickly are the values that their constructors make."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mmedrag.casebase.construction import constructor
from mmedrag.types import Assertion, Case, Domain, Hit, Kind, Mention

CASE = Case(
    id="a", text="A mass.", image=Path("a.png"), domain=Domain.RADIOLOGY, labels=("x",),
    meta={"age": 3},
)  # fmt: skip
MENTION = Mention("mass", 2, 6, "X:1", "mass", Assertion.AFFIRMED, Kind.FINDING, ("left",))


def made(value: object) -> object:
    fields = [getattr(value, name) for name in type(value).__slots__]  # type: ignore[attr-defined]
    return constructor(type(value))(*fields)


@pytest.mark.parametrize("value", [CASE, MENTION])
def test_nothing_tells_a_made_value_from_others(value: Case | Mention) -> None:
    quick = made(value)
    assert type(quick) is type(value)
    assert quick == value
    assert repr(quick) == repr(value)
    assert pickle.loads(pickle.dumps(quick)) == value
    assert copy.deepcopy(quick) == value
    assert replace(quick, text="") == replace(value, text="")  # type: ignore[type-var]
    with pytest.raises(FrozenInstanceError):
        quick.text = ""  # type: ignore[attr-defined]
    with pytest.raises((AttributeError, TypeError)):
        quick.other = ""  # type: ignore[attr-defined]


def test_made_values_hash_and_compare_as_others_do() -> None:
    assert hash(made(MENTION)) == hash(MENTION)
    hit = Hit(CASE, np.ones(2, np.float32), 1.0, 1.0)
    assert made(hit) != hit  # by identity
    assert repr(made(hit)) == repr(hit)


def test_what_has_no_slots_is_refused() -> None:
    @dataclass(frozen=True)
    class Loose:
        text: str

    with pytest.raises(TypeError):
        constructor(Loose)("a")
