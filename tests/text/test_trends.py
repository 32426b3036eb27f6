"""Words of change beside a finding."""

from __future__ import annotations

import pytest

from mmedrag.definitions import glossary
from mmedrag.text.trends import other_changes, trends_of_findings
from mmedrag.types import Trend

N, W, U, B, R = Trend.NEW, Trend.WORSE, Trend.UNCHANGED, Trend.BETTER, Trend.RESOLVED


@pytest.fixture(scope="module", name="read")
def _read():
    dictionary = glossary()

    def read(text: str) -> dict[str, Trend]:
        mentions = dictionary.recognise([text])[0]
        terms = {m.concept: m.term for m in mentions}
        return {terms[c]: w.trend for c, w in trends_of_findings(text, mentions).items()}

    yield read
    dictionary.close()


@pytest.mark.parametrize(
    ("text", "trends"),
    [
        ("Interval increase of the left pleural effusion.", {"pleural effusion": W}),
        ("The consolidation has resolved.", {"consolidation": R}),
        ("Recommend follow-up until the consolidation has resolved.", {}),
        ("Repeat radiograph to ensure that the pneumonia has resolved.", {}),
        ("Pneumothorax is no longer seen.", {"pneumothorax": R}),
        ("Stable cardiomegaly, new pneumothorax.", {"cardiomegaly": U, "pneumothorax": N}),
        ("Partial clearing of the consolidation.", {"consolidation": B}),
        ("The effusion has not changed.", {"effusion": U}),
        ("Consolidation in the left lung, now smaller.", {"consolidation": B}),
        ("Consolidation, stable pneumothorax.", {"pneumothorax": U}),
        ("The consolidation has partly resolved.", {"consolidation": B}),
        ("No significant change in the nodule.", {"nodule": U}),
        ("Progressive consolidation and pleural effusion.",
         {"consolidation": W, "pleural effusion": W}),
        ("Derrame pleural ha aumentado.", {"pleural effusion": W}),
        ("Pneumotórax resolvido.", {"pneumothorax": R}),
        ("Pulmonary oedema has nearly resolved.", {"pulmonary oedema": B}),
        ("The effusion has not completely resolved.", {"effusion": B}),
        ("The consolidation has almost completely resolved.", {"consolidation": B}),
        ("The consolidation has not yet resolved.", {"consolidation": U}),
        ("Non-resolving consolidation.", {"consolidation": U}),
        ("Complete clearing of the pleural effusion.", {"pleural effusion": R}),
        ("The effusion is no longer increasing.", {"effusion": U}),
        ("The effusion has neither increased nor decreased.", {"effusion": U}),
        ("Consolidation, no worse.", {"consolidation": U}),
        ("The nodule is not significantly different.", {"nodule": U}),
        ("Consolidation, not as dense as before.", {"consolidation": B}),
        ("The mass has halved in size.", {"mass": B}),
        ("The mass has doubled in size.", {"mass": W}),
        ("Slightly bigger effusion.", {"effusion": W}),
        ("Effusion, slightly greater than before.", {"effusion": W}),
        ("Neumonía parcialmente resuelta.", {"pneumonia": B}),
        ("Consolidação em resolução.", {"consolidation": B}),
        ("Derrame pleural mayor que en el previo.", {"pleural effusion": W}),
    ],
)  # fmt: skip
def test_words_of_change_belong_to_the_finding_beside_them(read, text, trends):
    assert read(text) == trends


@pytest.mark.parametrize(
    ("text", "trends"),
    [
        ("Large pleural effusion. No pneumothorax. Worsened when compared with the earlier film.",
         {"pleural effusion": W}),
        ("Pneumothorax and consolidation. Unchanged since 2019.",
         {"pneumothorax": U, "consolidation": U}),
        ("Consolidation. Cardiomegaly. This has increased.", {"cardiomegaly": W}),
        ("Nodule. It is now slightly larger than on the previous CT.", {"nodule": W}),
        ("Nodule. No significant change.", {"nodule": U}),
        ("Pneumothorax, now smaller. Improved since yesterday.", {"pneumothorax": B}),
        ("Nódulo pulmonar. Sin cambios respecto al previo.", {"pulmonary nodule": U}),
    ],
)  # fmt: skip
def test_a_sentence_without_a_subject_speaks_of_the_finding_before_it(read, text, trends):
    assert read(text) == trends


@pytest.mark.parametrize(
    "text",
    ["Consolidation. The patient has improved.", "Effusion. Lines and tubes are unchanged.",
     "Nodule. Otherwise unchanged.", "Consolidation. Stable support devices.",
     "No effusion. Stable compared with the prior film.", "Mass. No new lines.",
     "Stable.", "Nodule. Improved aeration of the lung."],
)  # fmt: skip
def test_what_has_a_subject_of_its_own_speaks_of_that(read, text):
    assert read(text) == {}


@pytest.mark.parametrize(
    "text",
    ["No new consolidation.", "Increased density of the mass.", "Large pleural effusion.",
     "Consolidation, more extensive in the left lung.", "No consolidation, effusion is unchanged.",
     "Consolidation is not new.", "Not a new consolidation.", "Consolidation mayor que 3 cm.",
     "Consolidation on high-resolution CT.", "Repeat film to ensure resolution of consolidation.",
     "Consolidation, to be followed to resolution.", "Consolidation. CT to document clearing.",
     "Consolidation, to be followed until it has fully cleared.",
     "Bilateral consolidation, right larger than left.",
     "Consolidation, worse on the left than right.",
     "Consolidation. CT if this does not resolve."],
)  # fmt: skip
def test_what_only_looks_like_a_change_is_none(read, text):
    assert "consolidation" not in read(text)
    assert {"mass", "pleural effusion"}.isdisjoint(read(text))


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Marked improvement since yesterday.", [("Marked improvement since yesterday", B)]),
        ("Minor regression in the appearances of the lungs.",
         [("Minor regression in the appearances of the lungs", B)]),
        ("Regression of the diffuse changes, however a nodule is now evident.",
         [("Regression of the diffuse changes", B)]),
        ("The tube is unchanged; the nodule is larger.", [("The tube is unchanged", U)]),
        ("The consolidation has improved.", []),
        ("A nodule. Larger than before.", []),
        ("Follow-up film shows improvement.", [("Follow-up film shows improvement", B)]),
        ("No new abnormality of the tubes.", []),
        ("Newly diagnosed patient from New York.", []),
        ("A marked increase in the ventilated parenchyma.", []),
        ("Progressive weaning from oxygen.", []),
        ("There is no sign of regression.", [("There is no sign of regression", U)]),
        ("Increase in the radiographic changes.", [("Increase in the radiographic changes", W)]),
        ("A hypo-expanded hemithorax.", []),
        ("The lungs are well expanded.", []),
        ("The left lung has re-expanded.", []),
        ("Both lungs are clear and expanded.", []),
        ("Lung volumes are mildly decreased.", []),
        ("Decubitus films would better evaluate the lungs.", []),
        ("There are diminished lung volumes.", []),
        ("The mediastinal contours are not enlarged.", []),
        ("Recommend following this process to resolution.", []),
        ("If the symptoms persist, repeat the film.", []),
        ("Lungs are fully expanded and clear.", []),
        ("The patient is hemodynamically stable.", []),
        ("Mejoría de la imagen.", [("Mejoría de la imagen", B)]),
    ],
)  # fmt: skip
def test_changes_of_what_is_no_finding(terms, text, clauses):
    mentions = terms.recognise([text])[0]
    read = [(text[start:end], w.trend) for start, end, w in other_changes(text, mentions)]
    assert read == clauses


def test_what_is_now_seen_is_new(read):
    assert read("Consolidation is now evident.") == {"consolidation": N}
