"""Domains are open: names, prompts, and a domain of one's own from its files to its cases."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmedrag import domains
from mmedrag.assembly import create, load, open_for_writing
from mmedrag.checkpoint import Checkpoint
from mmedrag.cli import main
from mmedrag.datasets.records import read_records
from mmedrag.domains import BUILT_IN, Domain
from mmedrag.encoders.mixture import DomainMixture, mixture_layout
from mmedrag.errors import CheckpointError, QueryError
from mmedrag.indexing import index
from mmedrag.modality import CERTAIN, NOT_MEDICAL, Thresholds, ZeroShotClassifier
from mmedrag.training.features import Features
from mmedrag.training.head_calibration import calibrated_head
from mmedrag.training.modality import classes, domain_examples
from mmedrag.training.sets import TrainingSet
from mmedrag.types import Case, Matrix, Query


def test_the_papers_three_are_built_in():
    assert list(Domain) == [Domain.RADIOLOGY, Domain.PATHOLOGY, Domain.OPHTHALMOLOGY]
    assert tuple(Domain) == BUILT_IN
    assert Domain("radiology") is Domain.RADIOLOGY
    assert json.dumps({"domain": Domain.PATHOLOGY}) == '{"domain": "pathology"}'
    assert domains.paper_prompts() == {
        "radiology": ("a radiology image",),
        "pathology": ("a pathology image",),
        "ophthalmology": ("an ophthalmology image",),
    }


@given(st.from_regex(r"[a-z][a-z0-9_-]{0,39}", fullmatch=True) | st.sampled_from(list(BUILT_IN)))
def test_names_survive_copies(name: str):
    try:
        domain = Domain(name)
    except QueryError:
        assert name in domains._RESERVED
        return
    assert domain == name
    assert hash(domain) == hash(name)
    assert copy.deepcopy(domain) == pickle.loads(pickle.dumps(domain)) == domain
    assert Domain(str(domain)) == domain


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Dermatology",
        "skin lesions",
        "../etc",
        "a/b",
        "x" * 41,
        "unassigned",
        "ärzte",
        "1a",
        "a\n",
    ],
)
def test_names_that_no_domain_can_have(name: str):
    with pytest.raises(QueryError, match="name of a domain"):
        Domain(name)
    with pytest.raises(QueryError, match="name of a domain"):
        domains.register(name)


def test_registering():
    assert domains.get("dermatology") is None
    with pytest.raises(QueryError, match=r"'dermatology'.*radiology, pathology, ophthalmology"):
        domains.find("dermatology")
    skin = domains.register("dermatology")
    assert domains.find("dermatology") is Domain("dermatology") is skin
    assert list(Domain) == [*BUILT_IN, skin]
    assert domains.prompts()["dermatology"] == ("a dermatology image",)
    domains.register("dermatology", ["a dermoscopy image"])
    domains.register("dermatology")  # keeps its prompts
    assert domains.added() == {"dermatology": ("a dermoscopy image",)}
    for bad in ("a dermoscopy image", [""], [3]):
        with pytest.raises(QueryError, match="prompts"):
            domains.register("dermatology", bad)


def by_word(texts: Sequence[str]) -> Matrix:
    """Texts on axes by a word that they hold."""
    words = ("x-ray", "slide", "retina", "dermoscopy", "animal")
    rows = [[float(word in text.lower()) for word in words] for text in texts]
    return np.array(rows, np.float32) + 1e-6


def test_zero_shot_routing_knows_what_is_registered():
    def images(pictures: Sequence[Image.Image]) -> Matrix:
        return np.array([[0, 0, 0, 1, 0]] * len(pictures), np.float32)

    pixel = Query(image=np.zeros((2, 2), np.uint8))
    before = ZeroShotClassifier(images, by_word).classify([pixel])[0]
    assert before.decision in (None, *BUILT_IN)
    skin = domains.register("dermatology", ["a dermoscopy image"])
    after = ZeroShotClassifier(images, by_word).classify([pixel])[0]
    assert after.decision == skin
    assert set(after.scores) == {*map(str, Domain), NOT_MEDICAL}


def test_thresholds_decide_among_whatever_classes_there_are():
    assert (
        Thresholds().decide({"dermatology": 0.9, NOT_MEDICAL: 0.1}, "image").decision
        == "dermatology"
    )
    assert CERTAIN.decide({"one": 0.3, "two": 0.7}, "text").decision == "two"
    assert Thresholds().decide({"one": 0.5, "two": 0.5}, "text").decision is None


def test_the_trained_head_learns_what_is_registered():
    skin = domains.register("dermatology")
    cases = [Case(id="a", domain=skin), Case(id="b", domain=Domain.PATHOLOGY), Case(id="c")]
    features = Features(TrainingSet("skin", Path("records.jsonl")), cases, np.eye(3, dtype="f4"))
    (examples,) = domain_examples([features])
    assert [classes()[i] for i in examples.classes] == ["dermatology", "pathology"]
    head = calibrated_head(classes(), examples)
    assert [max(p, key=p.get) for p in head(examples.rows)] == ["dermatology", "pathology"]


def skin_corpus(folder: Path) -> Path:
    """Six records of skin, two of a chest, as lines of JSON with images."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    rows = []
    for i in range(8):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(folder / f"{i}.png")
        skin = i < 6
        text = f"Pigmented naevus number {i}." if skin else "Clear lungs."
        domain = "dermatology" if skin else "radiology"
        rows.append({"id": f"c{i}", "image": f"{i}.png", "text": text, "domain": domain})
    file = folder / "records.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_a_domain_of_ones_own_from_file_to_answer(tmp_path: Path, offline):
    skin = domains.register("dermatology", ["a dermoscopy image"])
    corpus = list(read_records(skin_corpus(tmp_path / "corpus")))
    assert [case.domain for case in corpus] == [skin] * 6 + [Domain.RADIOLOGY] * 2
    casebase, _ = create(tmp_path / "cases")
    with casebase:
        index(corpus, casebase, offline.embedder, offline.classifier)
    domains._REGISTRY.pop("dermatology")
    domains._PROMPTS.pop(skin)
    with load(tmp_path / "cases") as rag:  # as in another process: the casebase remembers
        assert domains.prompts()["dermatology"] == ("a dermoscopy image",)
        assert any("does not know dermatology" in notice for notice in rag.notices)
        found = rag.retrieve(Query("naevus", domain=domains.find("dermatology"))).gathered
        cases = [e.item for e in found if isinstance(e.item, Case)]
        assert {case.id for case in cases} == {f"c{i}" for i in range(6)}
        assert rag.cases.info()["domains"] == {"dermatology": 6, "radiology": 2}
        assert rag.cases.verify() == []


def test_a_domain_registered_later_is_remembered_too(tmp_path: Path):
    create(tmp_path / "cases")[0].close()
    domains.register("dermatology", ["a dermoscopy image"])
    open_for_writing(tmp_path / "cases")[0].close()
    domains._REGISTRY.pop("dermatology")
    load(tmp_path / "cases").close()
    assert domains.get("dermatology") == "dermatology"


def test_the_command_line(tmp_path: Path, capsys):
    file = skin_corpus(tmp_path / "corpus")
    into = str(tmp_path / "cases")
    arguments = ["index", str(file), "--into", into]
    assert main([*arguments, "--domain", "dermatology"]) == QueryError.exit_code
    assert "--new-domain" in capsys.readouterr().err
    new = ["--new-domain", "dermatology=a dermoscopy image", "--new-domain", "dermatology=a mole"]
    assert main([*arguments, *new]) == 0
    assert domains.prompts()["dermatology"] == ("a dermoscopy image", "a mole")
    domains._REGISTRY.pop("dermatology")
    capsys.readouterr()
    assert main(["search", into, "naevus", "--domain", "dermatology", "--json"]) == 0
    trace = json.loads(capsys.readouterr().out)
    assert trace["domain"]["decision"] == "dermatology"
    assert len([e for e in trace["gathered"] if e["key"].startswith("C")]) == 6
    assert main(["search", into, "naevus", "--domain", "cardiology"]) == QueryError.exit_code
    assert "Choose from radiology, pathology, ophthalmology, dermatology" in capsys.readouterr().err


def test_a_mixture_has_the_domains_that_it_learned():
    names = [*map(str, BUILT_IN), "dermatology"]
    rng = np.random.default_rng(0)
    tensors = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in mixture_layout(5, 4, 3, names).items()
    }
    checkpoint = Checkpoint(kind="mixture", tensors=tensors, settings={"domains": names})
    mixture = DomainMixture.from_checkpoint(checkpoint)
    assert mixture.dim == 4 * 3
    present = np.ones(2, np.bool_)
    fused = mixture.fuse(
        rng.normal(size=(2, 5)).astype(np.float32), rng.normal(size=(2, 4)).astype(np.float32),
        present, present,
    )  # fmt: skip
    assert fused.shape == (2, 12)
    assert np.linalg.norm(fused, axis=1) == pytest.approx(1.0, abs=1e-5)
    old = replace(checkpoint, settings={})
    with pytest.raises(CheckpointError, match="dermatology"):
        DomainMixture.from_checkpoint(old)
