"""Contract of :class:`mmedrag.encoders.fusion.Fusion`: subclass, say ``make``, pytest runs it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmedrag.encoders.fusion import Fusion
from mmedrag.errors import CheckpointError

IMAGE_DIM, TEXT_DIM = 12, 7

contract = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.differing_executors]
)

Features = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def features(seed: int, n: int, scale: float, widths: tuple[int, int]) -> Features:
    """Images, texts and who has them: all four kinds of item occur."""
    random = np.random.default_rng(seed)
    images = (scale * random.normal(size=(n, widths[0]))).astype(np.float32)
    texts = (scale * random.normal(size=(n, widths[1]))).astype(np.float32)
    return images, texts, random.random(n) < 0.6, random.random(n) < 0.6


parameters = given(
    st.integers(0, 2**32 - 1), st.integers(0, 9), st.sampled_from([1e-3, 1.0, 30.0, 1e4])
)


class FusionContract:
    """Laws of section 4.5 that every fusion keeps."""

    widths = (IMAGE_DIM, TEXT_DIM)

    def make(self) -> Fusion:
        """A fusion for features of ``widths``."""
        raise NotImplementedError

    def test_is_a_fusion(self) -> None:
        assert isinstance(self.make(), Fusion)
        assert self.make().fingerprint == self.make().fingerprint

    @contract
    @parameters
    def test_rows_are_finite_and_at_most_unit(self, seed: int, n: int, scale: float) -> None:
        fusion = self.make()
        images, texts, has_image, has_text = features(seed, n, scale, self.widths)
        fused = fusion.fuse(images, texts, has_image, has_text)
        assert fused.shape == (n, fusion.dim)
        assert fused.dtype == np.float32
        assert np.isfinite(fused).all()
        norms = np.linalg.norm(fused, axis=1)
        assert (norms <= 1 + 1e-5).all()
        np.testing.assert_allclose(norms[has_image & has_text], 1, atol=1e-5)
        assert (norms[has_image ^ has_text] > 0.1).all()
        assert (norms[~has_image & ~has_text] == 0).all()

    @contract
    @parameters
    def test_rows_do_not_depend_on_one_another(self, seed: int, n: int, scale: float) -> None:
        fusion = self.make()
        batch = features(seed, n, scale, self.widths)
        order = np.random.default_rng(seed).permutation(n)
        fused = fusion.fuse(*batch)
        # float32: features of size 1e4 leave rounding of up to 1e-4 in a unit vector
        shuffled = fusion.fuse(*(array[order] for array in batch))
        np.testing.assert_allclose(shuffled, fused[order], atol=5e-4)
        for i in range(n):
            alone = fusion.fuse(*(array[i : i + 1] for array in batch))
            np.testing.assert_allclose(alone[0], fused[i], atol=5e-4)

    @contract
    @parameters
    def test_absent_features_do_not_matter(self, seed: int, n: int, scale: float) -> None:
        fusion = self.make()
        images, texts, has_image, has_text = features(seed, n, scale, self.widths)
        fused = fusion.fuse(images, texts, has_image, has_text)
        images[~has_image], texts[~has_text] = np.nan, np.nan
        np.testing.assert_array_equal(fusion.fuse(images, texts, has_image, has_text), fused)

    def test_none_stands_for_no_features(self) -> None:
        fusion = self.make()
        images, texts, _, _ = features(0, 3, 1.0, self.widths)
        yes, no = np.ones(3, dtype=np.bool_), np.zeros(3, dtype=np.bool_)
        np.testing.assert_array_equal(
            fusion.fuse(images, None, yes, no), fusion.fuse(images, texts, yes, no)
        )
        np.testing.assert_array_equal(
            fusion.fuse(None, texts, no, yes), fusion.fuse(images, texts, no, yes)
        )

    def test_features_of_another_width_are_an_error(self) -> None:
        fusion = self.make()
        images, _, has_image, has_text = features(0, 3, 1.0, (self.widths[0] + 1, self.widths[1]))
        with pytest.raises(CheckpointError, match="image features"):
            fusion.fuse(images, None, has_image, np.zeros_like(has_text))
