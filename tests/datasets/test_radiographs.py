"""Radiographs to learn from and to measure on are of different patients."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mmedrag.datasets.radiographs import pictured, radiographs
from mmedrag.phantoms.corpus import generate


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(40, 5, into=tmp_path_factory.mktemp("corpus") / "phantoms")


def test_radiographs_are_x_rays_and_no_patient_is_on_both_sides(corpus: Path) -> None:
    tested, learned = radiographs([corpus], 100), radiographs([corpus], 100, test=False)
    patients = {c.patient_id for c in pictured(corpus) if "ray" in c.modality.lower()}
    assert tested
    assert learned
    assert len(tested) + len(learned) == len(patients)
    contents = [{i.tobytes() for i in some} for some in (tested, learned)]
    assert not contents[0] & contents[1]
    assert all(isinstance(picture, Image.Image) for picture in tested)
