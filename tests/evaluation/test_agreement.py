"""The agreement of similar cases, measured on a real system."""

from __future__ import annotations

from mmedrag.answers.agreement import PRESENCE
from mmedrag.assembly import dictionary
from mmedrag.evaluation.agreement import measure_agreement
from mmedrag.evaluation.calibration import FITTED
from mmedrag.evaluation.task_replies import sampled
from mmedrag.evaluation.tasks import of_records, readings_of


def test_an_agreement_is_measured_on_a_real_system(rag, phantoms):
    terms = dictionary()
    readings = readings_of([c for c in phantoms if c.image][:4], terms)
    tasks = [(FITTED, "phantoms", task) for task in sampled(of_records(readings, terms), 1)]
    fitted, section = measure_agreement(rag, terms, tasks)
    terms.close()
    assert len(fitted.presence.weights) == len(PRESENCE) + 1
    assert section.name == "agreement"
    assert len(section.tables) == 5
