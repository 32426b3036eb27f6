"""Training of LPA and MSPP: the objective by hand, that it is reached, that it repeats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
import torch
from PIL import Image

from mmedrag.cli import main
from mmedrag.encoders.image import FeatureMaps, OnnxImageEncoder
from mmedrag.encoders.pooling import Lpa, load_pooling, random_pooling
from mmedrag.paper.shifts import cosine_shifts
from mmedrag.phantoms.insertions import inserted
from mmedrag.presets import MODELS
from mmedrag.training.pooling import (
    FINDINGS,
    _log_ratio,
    fit_pooling,
    pooling_pictures,
)


class Edges:
    """Four feature maps of 8 x 8: mean, darkness, contrast, and noise that says nothing."""

    channels = 4
    fingerprint = "edges"

    def encode_maps(self, images: Sequence[Image.Image]) -> FeatureMaps:
        return np.stack([self._maps(np.asarray(i, dtype=np.float32) / 255) for i in images])

    def _maps(self, pixels: np.ndarray) -> np.ndarray:
        cells = pixels[: 8 * (len(pixels) // 8), : 8 * (pixels.shape[1] // 8)]
        cells = cells.reshape(8, cells.shape[0] // 8, 8, -1).transpose(0, 2, 1, 3).reshape(8, 8, -1)
        grain = np.abs(np.diff(cells, axis=2)).mean(axis=2)
        return np.stack([cells.mean(2), 1 - cells.min(2), cells.std(2), grain]).astype(np.float32)


def log_ratio_by_hand(lpa: Lpa, picture: dict[str, np.ndarray]) -> float:
    names = list(picture)
    maps = Edges().encode_maps([Image.fromarray(picture[name]) for name in names])
    rows = dict(zip(names, lpa.pool(maps).astype(np.float64), strict=True))
    shift = {n: float(cosine_shifts(rows["base"][None], rows[n][None])[0]) + 1e-7 for n in names}
    told = [np.log10(shift[f] / shift["noise"]) for f in FINDINGS if f in names]
    return float(np.mean(told))


def test_the_objective_is_its_formula() -> None:
    picture = dict(pooling_pictures(1)[0])
    lpa = random_pooling("lpa", 4, 3)
    assert isinstance(lpa, Lpa)
    maps = Edges().encode_maps([Image.fromarray(pixels) for pixels in picture.values()])
    inputs = dict(zip(picture, torch.from_numpy(maps), strict=True))
    found = _log_ratio("lpa", {"attention.weight": torch.from_numpy(lpa.weight)}, [inputs])
    assert found.item() == pytest.approx(log_ratio_by_hand(lpa, picture), abs=1e-3)


@pytest.mark.parametrize("kind", ["lpa", "mspp"])
def test_training_raises_signal_to_noise_on_images_it_has_not_seen(kind: str) -> None:
    trained = fit_pooling(kind, Edges(), pooling_pictures(12), steps=40)
    assert trained.after > trained.before + 0.05
    assert 0 < trained.step <= 40
    again = fit_pooling(kind, Edges(), pooling_pictures(12), steps=40)
    for name, value in trained.tensors.items():
        np.testing.assert_array_equal(value, again.tensors[name])


def test_no_steps_is_global_average_pooling() -> None:
    trained = fit_pooling("lpa", Edges(), pooling_pictures(4), steps=0)
    np.testing.assert_array_equal(trained.tensors["attention.weight"], 0)
    assert trained.after == trained.before


def test_radiographs_join_without_the_moderate_fracture() -> None:
    film = Image.fromarray(np.random.default_rng(0).integers(60, 160, (90, 70), dtype=np.uint8))
    drawn, real = pooling_pictures(1, [film])
    assert "moderate" in drawn
    np.testing.assert_array_equal(real["density"], inserted(film, 10_000)["density"])


def test_the_command_writes_what_the_encoder_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "lpa"
    assert main(["train", "pooling", "--into", str(into), "--seeds", "4", "--steps", "2"]) == 0
    assert "signal to noise" in capsys.readouterr().out
    encoder = OnnxImageEncoder.from_card(MODELS / "lite0.json")
    lpa = load_pooling(into, "lpa", encoder)
    assert lpa.width(encoder.channels) == encoder.channels
    assert main(["train", "pooling", "--into", str(into), "--seeds", "3"]) != 0


def test_the_shipped_pooling_fits_the_shipped_encoder_or_is_absent() -> None:
    if not (MODELS / "lpa").is_dir():
        pytest.skip("no trained LPA ships")
    encoder = OnnxImageEncoder.from_card(MODELS / "lite0.json")
    assert isinstance(load_pooling(MODELS / "lpa", "lpa", encoder), Lpa)
