"""The contract of :class:`mmedrag.protocols.Embedder`: subclass and say ``make``."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mmedrag.errors import ImageError
from mmedrag.protocols import Embedder
from mmedrag.types import Case, Definition, Embeddable, Query

TOLERANCE = 1e-4

REPORTS = (
    "Right lower lobe consolidation, no effusion.",
    "Normal optic disc and vessels.",
    "Glands lined by atypical cells. " * 15,
    "",
)


def picture(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A smooth picture that differs from those of other seeds."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(size)
    draw = ImageDraw.Draw(image)
    x, y = random.integers(0, 40, 2)
    draw.ellipse((int(x), int(y), int(x) + 20, int(y) + 15), fill=tuple(random.integers(0, 256, 3)))
    return image


def png(image: Image.Image) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def items(folder: Path) -> list[Embeddable]:
    """Cases, queries and definitions with an image, a text, both, or (cases) neither."""
    made: list[Embeddable] = []
    for i, report in enumerate(REPORTS):
        path = folder / f"{i}.png"
        path.write_bytes(png(picture(i, (64 + 30 * i, 80))))
        made += [
            Case(id=f"both-{i}", text=report, image=path),
            Case(id=f"image-{i}", image=path),
            Case(id=f"text-{i}", text=report),
            Query(text=report, image=path.read_bytes()),
            Query(text=report or "effusion"),
            Query(image=str(path)),
            Definition("c", "effusion", "Fluid in a space of the body.", "test"),
        ]
    return made


def has_text(item: Embeddable) -> bool:
    """Whether an item has a text of its own."""
    return bool(item.text.strip())


def has_image(item: Embeddable) -> bool:
    """Whether an item has an image."""
    return not isinstance(item, Definition) and item.image is not None


class EmbedderContract:
    """Laws of section 3.3 that every embedder keeps."""

    @classmethod
    def make(cls) -> Embedder:
        """The embedder under test; made once a class."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls) -> Embedder:
        return cls.make()

    @pytest.fixture
    def batch(self, tmp_path: Path) -> list[Embeddable]:
        return items(tmp_path)

    def test_is_an_embedder(self, embedder: Embedder) -> None:
        assert isinstance(embedder, Embedder)
        assert embedder.fingerprint

    def test_nothing_gives_no_rows(self, embedder: Embedder) -> None:
        none = embedder.embed([])
        assert none.shape == (0, embedder.dim)
        assert none.dtype == np.float32

    def test_rows_are_finite_float32(self, embedder: Embedder, batch: list[Embeddable]) -> None:
        vectors = embedder.embed(batch)
        assert vectors.shape == (len(batch), embedder.dim)
        assert vectors.dtype == np.float32
        assert np.isfinite(vectors).all()

    def test_norms(self, embedder: Embedder, batch: list[Embeddable]) -> None:
        for item, norm in zip(batch, np.linalg.norm(embedder.embed(batch), axis=1), strict=True):
            assert norm <= 1 + TOLERANCE
            complete = has_text(item) and has_image(item)
            if complete or isinstance(item, Query):
                assert norm == pytest.approx(1, abs=TOLERANCE)
            if not has_text(item) and not has_image(item):
                assert norm == 0

    def test_batches_do_not_matter(self, embedder: Embedder, batch: list[Embeddable]) -> None:
        together = embedder.embed(batch)
        alone = np.concatenate([embedder.embed([item]) for item in batch])
        np.testing.assert_allclose(together, alone, atol=TOLERANCE)

    def test_order_does_not_matter(self, embedder: Embedder, batch: list[Embeddable]) -> None:
        order = np.random.default_rng(0).permutation(len(batch))
        shuffled = embedder.embed([batch[i] for i in order])
        np.testing.assert_allclose(shuffled, embedder.embed(batch)[order], atol=TOLERANCE)

    def test_the_end_of_a_long_text_counts(self, embedder: Embedder) -> None:
        head = "left lung " * 60
        one, other = embedder.embed([Query(text=head), Query(text=head + "right effusion " * 40)])
        assert float(one @ other) < 0.999

    def test_the_source_of_an_image_does_not_matter(
        self, embedder: Embedder, batch: list[Embeddable], tmp_path: Path
    ) -> None:
        path = tmp_path / "0.png"
        sources = [Query(image=path), Query(image=str(path)), Query(image=path.read_bytes())]
        first, second, third = embedder.embed(sources)
        np.testing.assert_allclose(first, second, atol=TOLERANCE)
        np.testing.assert_allclose(first, third, atol=TOLERANCE)

    def test_a_damaged_image_is_an_image_error(self, embedder: Embedder, tmp_path: Path) -> None:
        path = tmp_path / "cut.png"
        path.write_bytes(png(picture(0))[:200])
        with pytest.raises(ImageError, match=r"cut\.png"):
            embedder.embed([Case(id="whole", text="a"), Case(id="cut", image=path)])

    def test_lone_surrogates_are_text(self, embedder: Embedder) -> None:
        assert np.isfinite(embedder.embed([Query(text="effusion \ud800")])).all()
