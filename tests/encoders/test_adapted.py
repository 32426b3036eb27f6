"""A preset's fusion beside heads of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmedrag.checkpoint import Checkpoint, write_checkpoint
from mmedrag.encoders.adapted import KIND, Adapted, load_adapted
from mmedrag.encoders.fusion import Concat, Fusion
from mmedrag.errors import CheckpointError, UntrainedError
from mmedrag.testing.fusion import IMAGE_DIM, TEXT_DIM, FusionContract, features

DIM = 16


def checkpoint(base: Fusion, share: float = 0.3) -> Checkpoint:
    random = np.random.default_rng(4)
    tensors = {
        f"{side}.{name}": random.normal(size=shape).astype(np.float32)
        for side, width in (("image", IMAGE_DIM), ("text", TEXT_DIM))
        for name, shape in (("weight", (DIM, width)), ("bias", (DIM,)))
    }
    return Checkpoint(
        kind=KIND,
        tensors=tensors,
        encoders={"image": "images", "text": "texts", "fusion": base.fingerprint},
        settings={"share": share, "dim": DIM, "image_dim": IMAGE_DIM, "text_dim": TEXT_DIM},
    )


def opened(folder: Path, base: Fusion, share: float = 0.3) -> Adapted:
    write_checkpoint(folder, checkpoint(base, share))
    return load_adapted(folder, base, image_encoder="images", text_encoder="texts")


class TestAdapted(FusionContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self._fusion = opened(tmp_path_factory.mktemp("own") / "heads", Concat(IMAGE_DIM, TEXT_DIM))

    def make(self) -> Fusion:
        return self._fusion


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_similarity_is_that_of_both_by_their_shares(tmp_path: Path, share: float) -> None:
    adapted = opened(tmp_path / "heads", Concat(IMAGE_DIM, TEXT_DIM), share)
    rows = features(1, 8, 1.0, (IMAGE_DIM, TEXT_DIM))
    whole, base, own = (f.fuse(*rows) for f in (adapted, adapted.base, adapted.own))
    expected = (1 - share) * base @ base.T + share * own @ own.T
    np.testing.assert_allclose(whole @ whole.T, expected, atol=1e-5)


def test_heads_fitted_beside_another_fusion_are_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "heads", checkpoint(Concat(IMAGE_DIM, TEXT_DIM)))
    other = Concat(IMAGE_DIM, TEXT_DIM, image_share=0.4)
    for base, images in ((other, "images"), (Concat(IMAGE_DIM, TEXT_DIM), "others")):
        with pytest.raises(CheckpointError, match="was trained on"):
            load_adapted(tmp_path / "heads", base, image_encoder=images, text_encoder="texts")


def test_what_is_absent_or_of_another_shape_is_refused(tmp_path: Path) -> None:
    base = Concat(IMAGE_DIM, TEXT_DIM)
    with pytest.raises(UntrainedError):
        load_adapted(tmp_path / "none", base, image_encoder="images", text_encoder="texts")
    wrong = checkpoint(base)
    tensors = {**wrong.tensors, "image.bias": np.zeros(3, np.float32)}
    write_checkpoint(tmp_path / "heads", replace(wrong, tensors=tensors))
    with pytest.raises(CheckpointError, match=r"image\.bias"):
        load_adapted(tmp_path / "heads", base, image_encoder="images", text_encoder="texts")
