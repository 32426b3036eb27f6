"""What is checked of every framework's retriever."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mmedrag.assembly import assemble, create, dictionary
from mmedrag.indexing import index
from mmedrag.pipeline import MMedRAG
from mmedrag.presets import Stages
from mmedrag.types import Case


@pytest.fixture
def checked(rag: MMedRAG) -> Callable[[Mapping[str, Any]], None]:
    """Compare the metadata of a case with what the library says of it."""

    def check(metadata: Mapping[str, Any]) -> None:
        case = rag.cases.get(metadata["id"])
        mentions = rag.definitions.recognise([case.text])[0]
        negated = {m.term for m in mentions if m.assertion == "negated"}
        assert (metadata["domain"], metadata["licence"]) == (str(case.domain), case.licence)
        assert set(metadata["assertions"].get("negated", ())) == negated
        assert 0 < metadata["similarity"] <= 1.000001
        assert 0 <= metadata["reward"] <= 1
        assert metadata["centrality"] is None  # a text keeps the order of stage 1
        assert type(metadata["domain"]) is str

    return check


@pytest.fixture
def image(phantoms: list[Case]) -> Path:
    """A picture that is in the casebase."""
    return next(case.image for case in phantoms if case.image is not None)


@pytest.fixture
def nearest(rag: MMedRAG, image: Path) -> str:
    """The id of the case that the library puts first for the picture."""
    return rag.retrieve(image).ranked[0].name


@pytest.fixture
def followed(offline: Stages, tmp_path: Path) -> Iterator[MMedRAG]:
    """A patient P1 with studies of January and of June, and one other patient's."""
    rows = [
        Case(id=name, text=text, patient_id=patient, date=date, modality="xray", domain="radiology")
        for name, text, patient, date in (
            ("january", "Right lower lobe consolidation.", "P1", "2020-01-03"),
            ("june", "The consolidation of the right lower lobe is larger.", "P1", "2020-06-01"),
            ("other", "Consolidation of the right lower lobe.", "P2", "2020-07-01"),
        )
    ]
    casebase, _ = create(tmp_path / "followed.casebase")
    with casebase:
        definitions = dictionary()
        index(rows, casebase, offline.embedder, offline.classifier, definitions=definitions)
        yield assemble(offline, casebase, definitions)
