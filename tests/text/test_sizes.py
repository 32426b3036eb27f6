"""Sizes beside a finding."""

from __future__ import annotations

import pytest

from mmedrag.text.sizes import sizes_of_findings


@pytest.mark.parametrize(
    ("text", "term", "now", "before"),
    [
        ("8 mm nodule in the right upper lobe.", "nodule", 8, None),
        ("12-mm nodule, previously 8 mm.", "nodule", 12, 8),
        ("Nodule, 12 mm (8 mm previously).", "nodule", 12, 8),
        ("The nodule previously measured 8 mm and is now 12 mm.", "nodule", 12, 8),
        ("The nodule was 8 mm and now measures 12 mm.", "nodule", 12, 8),
        ("The nodule has increased from 8 to 12 mm.", "nodule", 12, 8),
        ("The mass was approximately 40 mm in diameter.", "mass", 40, None),
        ("The mass decreased to 8 mm from 12 mm.", "mass", 8, 12),
        ("Nodule measures 1.2 x 0.9 cm (previously 0.8 x 0.7 cm).", "nodule", 12, 8),
        ("Mass of 3.2 × 2.8 × 2.5 cm, compared to 4.1 cm.", "mass", 32, 41),
        ("A 5 mm nodule and a 3 cm mass.", "mass", 30, None),
        ("A 5 mm nodule and a 3 cm mass.", "nodule", 5, None),
        ("Nódulo pulmonar de 1,2 cm, antes 8 mm.", "pulmonary nodule", 12, 8),
    ],
)
def test_the_largest_diameter_of_now_and_before(terms, text, term, now, before):
    (mentions,) = terms.recognise([text])
    concept = next(m.concept for m in mentions if m.term == term)
    size = sizes_of_findings(text, mentions)[concept]
    assert (size.now, size.before) == (now, before)


@pytest.mark.parametrize(
    "text",
    ["Nodule 3 cm from the carina.", "Nodules of 4 mm and 7 mm.", "CT with 5 mm slices: a nodule.",
     "Cyst of 2.5 cm on the left vs 2.0 cm on the right.",
     "Nodule of 6 mm. A second nodule of 9 mm.", "Nodule in segment 8.", "Effusion of 500 ml."],
)  # fmt: skip
def test_what_is_no_size_or_several(terms, text):
    assert sizes_of_findings(text, terms.recognise([text])[0]) == {}
