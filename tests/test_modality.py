"""Section 3.2: eq. 1 by hand, abstention, and the shipped head on pictures it has not seen."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from mmedrag.checkpoint import Checkpoint
from mmedrag.domains import paper_prompts
from mmedrag.errors import CheckpointError
from mmedrag.imaging.decoding import open_image
from mmedrag.modality import (
    CERTAIN,
    NOT_MEDICAL,
    AnyDomain,
    Head,
    Thresholds,
    TrainedClassifier,
    ZeroShotClassifier,
    heads_from_checkpoint,
    thresholds_of,
)
from mmedrag.phantoms.corpus import out_of_domain
from mmedrag.presets import Stages, build
from mmedrag.protocols import ModalityClassifier
from mmedrag.testing.modality_classifier import ModalityClassifierContract
from mmedrag.types import Case, Domain, Matrix, Query

AXES = np.eye(3, dtype=np.float32)


def png(level: int = 128, size: tuple[int, int] = (16, 16)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, level).save(buffer, "PNG")
    return buffer.getvalue()


def texts_on_axes(texts: Sequence[str]) -> Matrix:
    """Radiology, pathology and ophthalmology prompts are the three axes."""
    order = ("radiology", "pathology", "ophthalmology")
    return np.stack([AXES[next(i for i, name in enumerate(order) if name in t)] for t in texts])


def images_along(*direction: float):
    vector = np.array([direction], dtype=np.float32)
    return lambda images: np.repeat(vector, len(images), axis=0)


def test_equation_1_by_hand() -> None:
    classifier = ZeroShotClassifier(
        images_along(1.0, 2.0, 2.0),
        texts_on_axes,
        paper_prompts(),
        temperature=1.0,
        thresholds=CERTAIN,
    )
    routing = classifier.classify([Query(image=png())])[0]
    cosines = np.array([1, 2, 2]) / 3  # |(1, 2, 2)| = 3
    expected = np.exp(cosines) / np.exp(cosines).sum()
    assert list(routing.scores.values()) == pytest.approx(expected)
    assert routing.decision in (Domain.PATHOLOGY, Domain.OPHTHALMOLOGY)


def test_the_paper_never_abstains_and_takes_the_argmax() -> None:
    classifier = ZeroShotClassifier(
        images_along(1.0, 1.001, 0.9), texts_on_axes, paper_prompts(), thresholds=CERTAIN
    )
    assert classifier.classify([Query(image=png())])[0].decision == Domain.PATHOLOGY


def test_abstention_searches_every_domain() -> None:
    classifier = ZeroShotClassifier(images_along(1.0, 1.0, 0.0), texts_on_axes, paper_prompts())
    routing = classifier.classify([Query(image=png())])[0]
    assert routing.decision is None
    assert routing.medical
    assert sum(routing.scores.values()) == pytest.approx(1.0)


def test_a_prompt_for_what_is_not_medical() -> None:
    def texts(prompts: Sequence[str]) -> Matrix:
        four = np.eye(4, dtype=np.float32)
        names = ("radiology", "pathology", "ophthalmology", "dog")
        return np.stack([four[next(i for i, n in enumerate(names) if n in p)] for p in prompts])

    prompts = {**paper_prompts(), NOT_MEDICAL: ("a photograph of a dog",)}
    classifier = ZeroShotClassifier(images_along(0.0, 0.0, 0.1, 1.0), texts, prompts)
    routing = classifier.classify([Query(image=png())])[0]
    assert not routing.medical
    assert routing.decision is None
    assert classifier.classify([Query("a pathology slide")])[0].decision == Domain.PATHOLOGY


def test_the_image_decides_and_the_text_helps_out() -> None:
    sure = Head(("radiology", "pathology", "ophthalmology"), 9 * AXES, np.zeros(3, np.float32))
    unsure = Head(sure.classes, 0 * AXES, np.zeros(3, np.float32))
    image, text = images_along(1.0, 0.0, 0.0), lambda texts: AXES[[2] * len(texts)]
    both = Query("a retina", png())
    (by_image,) = TrainedClassifier(image, text, sure, sure).classify([both])
    assert by_image.decision == Domain.RADIOLOGY
    helped = TrainedClassifier(image, text, unsure, sure)
    queries = [Query(image=png()), both, Query("a retina"), Query(image=png())]
    assert [v.decision for v in helped.classify(queries)] == [
        None, Domain.OPHTHALMOLOGY, Domain.OPHTHALMOLOGY, None,
    ]  # fmt: skip


def test_a_batch_gets_the_verdicts_of_its_queries(offline: Stages, phantoms: list[Case]) -> None:
    queries = [Query(c.text, c.image) for c in phantoms[:6]]
    queries += [Query("retina"), Query(image=Image.new("L", (64, 64)))]
    alone = [offline.classifier.classify([query])[0] for query in queries]
    pictures = [None if q.image is None else open_image(q.image) for q in queries]
    for together in (
        offline.classifier.classify(queries),
        offline.classifier.classify(queries, pictures),
    ):
        assert [v.reason for v in together] == [v.reason for v in alone]
        for one, other in zip(alone, together, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-5)
    assert offline.classifier.classify([]) == []


@pytest.mark.parametrize(
    ("scores", "decision", "medical"),
    [
        ((0.7, 0.2, 0.1, 0.0), Domain.RADIOLOGY, True),
        ((0.44, 0.31, 0.25, 0.0), None, True),
        ((0.48, 0.45, 0.07, 0.0), None, True),
        ((0.2, 0.1, 0.1, 0.6), Domain.RADIOLOGY, True),
        ((0.1, 0.1, 0.05, 0.75), None, False),
    ],
)
def test_thresholds(scores: tuple[float, ...], decision: Domain | None, medical: bool) -> None:
    names = ("radiology", "pathology", "ophthalmology", NOT_MEDICAL)
    routing = Thresholds().decide(dict(zip(names, scores, strict=True)), "image")
    assert (routing.decision, routing.medical) == (decision, medical)


def test_a_checkpoint_of_another_shape_is_refused() -> None:
    bad = Checkpoint(
        kind="modality",
        tensors={"image.weight": np.zeros((4, 8), np.float32)},
        settings={
            "image_classes": ["a"], "text_classes": ["a"],
            "image_temperature": 1.0, "text_temperature": 1.0,
        },
    )  # fmt: skip
    with pytest.raises(CheckpointError):
        heads_from_checkpoint(bad)


def test_the_checkpoint_says_above_what_a_picture_is_not_medical() -> None:
    def trained(**settings: object) -> Checkpoint:
        return Checkpoint(kind="modality", tensors={}, settings=settings)

    scores = {"radiology": 0.2, NOT_MEDICAL: 0.8}
    assert not thresholds_of(trained()).decide(scores, "image").medical
    assert thresholds_of(trained(not_medical=0.85)).decide(scores, "image").medical
    for wrong in (1.5, -0.1, "0.8", True, float("nan")):
        with pytest.raises(CheckpointError, match="no probability"):
            thresholds_of(trained(not_medical=wrong))


def test_any_domain_always_abstains() -> None:
    assert isinstance(AnyDomain(), ModalityClassifier)
    assert AnyDomain().classify([Query("x")])[0].decision is None


def test_the_shipped_head_on_synthetic_cases(offline: Stages, phantoms: list[Case]) -> None:
    with_image = [c for c in phantoms if c.image is not None]
    verdicts = offline.classifier.classify([Query(image=c.image) for c in with_image])
    right = [v.decision == c.domain for v, c in zip(verdicts, with_image, strict=True)]
    assert np.mean(right) >= 0.95


def test_the_shipped_head_on_pictures_that_are_not_medical(offline: Stages) -> None:
    pictures = out_of_domain(48, seed=99)
    verdicts = []
    for picture in pictures:
        buffer = io.BytesIO()
        Image.fromarray(picture.image).save(buffer, "PNG")
        verdicts.append(offline.classifier.classify([Query(image=buffer.getvalue())])[0].medical)
    assert np.mean(verdicts) <= 0.1


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("Chest radiograph with consolidation in the right lower lobe.", Domain.RADIOLOGY),
        ("Brain MRI with a ring-enhancing lesion in the left frontal lobe.", Domain.RADIOLOGY),
        ("Tubular adenocarcinoma infiltrating the submucosa.", Domain.PATHOLOGY),
        ("Diabetic retinopathy with hard exudates at the macula.", Domain.OPHTHALMOLOGY),
    ],
)  # fmt: skip
def test_texts_are_routed_by_text(offline: Stages, text: str, domain: Domain) -> None:
    assert offline.classifier.classify([Query(text)])[0].decision == domain


class TestTrainedClassifier(ModalityClassifierContract):
    @classmethod
    def make(cls) -> ModalityClassifier:
        return build("offline").classifier


class TestZeroShotClassifier(ModalityClassifierContract):
    @classmethod
    def make(cls) -> ModalityClassifier:
        def texts(prompts: Sequence[str]) -> Matrix:
            rows = [np.random.default_rng(len(p)).normal(size=8) for p in prompts]
            return np.array(rows, np.float32).reshape(-1, 8)

        def images(pictures: Sequence[Image.Image]) -> Matrix:
            rows = [np.asarray(p.resize((4, 2)).convert("L"), float).ravel() for p in pictures]
            return np.array(rows, np.float32).reshape(-1, 8) - 128

        return ZeroShotClassifier(images, texts)


class TestAnyDomain(ModalityClassifierContract):
    @classmethod
    def make(cls) -> ModalityClassifier:
        return AnyDomain()
