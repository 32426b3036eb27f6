"""Section 3.3, vision encoder: preprocessing by hand, and the ONNX encoder's laws and errors."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_onnx import CHANNELS, MEAN, SIDE, STD, write_card, write_onnx

from mmedrag.encoders.image import ImageEncoder, MapEncoder, OnnxImageEncoder, Preprocessing
from mmedrag.encoders.onnx import OnnxModel
from mmedrag.errors import CheckpointError
from mmedrag.testing.embedder import picture

SIZES = [(28, 28), (300, 40), (40, 300), (1, 500), (3, 2), (640, 480)]


@pytest.fixture
def encoder(tmp_path: Path) -> OnnxImageEncoder:
    return OnnxImageEncoder.from_card(write_card(tmp_path), threads=1, batch_size=4)


def test_a_packed_model_is_the_same_model(tmp_path: Path, encoder: OnnxImageEncoder) -> None:
    (card,) = tmp_path.glob("*.json")
    plain = card.with_suffix(".onnx")
    packed = card.with_suffix(".onnx.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    again = OnnxImageEncoder.from_card(card, threads=1, batch_size=4)
    assert again.fingerprint == encoder.fingerprint
    images = [picture(1, (40, 30))]
    np.testing.assert_array_equal(again.encode(images), encoder.encode(images))
    for damaged in (packed.read_bytes()[:-20], b"no gzip", packed.read_bytes()[:30] + b"x" * 99):
        packed.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="cannot be read"):
            OnnxImageEncoder.from_card(card)


def test_letterbox_keeps_every_edge() -> None:
    prepare = Preprocessing(8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    image = Image.new("L", (16, 8), 0)
    for x in range(8):  # white left edge, grey right edge
        image.putpixel((0, x), 255)
        image.putpixel((1, x), 255)
        image.putpixel((14, x), 128)
        image.putpixel((15, x), 128)
    pixels = prepare(image)[0]
    assert pixels.shape == (8, 8)
    assert (pixels[:2] == 0).all()
    assert (pixels[6:] == 0).all()
    assert (pixels[2:6, 0] > 0.8).all()
    assert (pixels[2:6, 7] > 0.4).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_grey_image_is_what_it_is_in_colour(size: tuple[int, int]) -> None:
    prepare = Preprocessing(SIDE, MEAN, STD)
    grey = picture(3, size).convert("L")
    np.testing.assert_array_equal(prepare(grey), prepare(grey.convert("RGB")))


def test_padding_is_zero_after_normalisation() -> None:
    prepare = Preprocessing(8, MEAN, STD)
    pixels = prepare(Image.new("RGB", (8, 4), (255, 255, 255)))
    assert (pixels[:, :2] == 0).all()
    for channel, (mean, std) in enumerate(zip(MEAN, STD, strict=True)):
        np.testing.assert_allclose(pixels[channel, 2:6], (1 - mean) / std, rtol=1e-5)


def test_crop_takes_the_centre() -> None:
    image = Image.new("RGB", (300, 100), (255, 0, 0))
    image.paste((0, 255, 0), (100, 0, 200, 100))
    pixels = Preprocessing(10, (0, 0, 0), (1, 1, 1), fit="crop")(image)
    np.testing.assert_allclose(pixels[1, :, 1:-1], 1, atol=1e-6)  # edges blend with what is cut
    np.testing.assert_allclose(pixels[0, :, 1:-1], 0, atol=1e-6)


def test_scaling_is_antialiased() -> None:
    stripes = np.zeros((256, 256), np.uint8)
    stripes[:, ::2] = 255
    pixels = Preprocessing(32, (0, 0, 0), (1, 1, 1))(Image.fromarray(stripes))
    inner = pixels[:, 2:-2, 2:-2]
    np.testing.assert_allclose(inner, 0.5, atol=0.02)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fit", ["letterbox", "crop"])
def test_any_size_fits(size: tuple[int, int], fit: str) -> None:
    pixels = Preprocessing(SIDE, MEAN, STD, fit=fit)(picture(0, size))
    assert pixels.shape == (3, SIDE, SIDE)
    assert pixels.dtype == np.float32
    assert np.isfinite(pixels).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "I;16"])
def test_any_mode_is_taken(encoder: OnnxImageEncoder, mode: str) -> None:
    assert encoder.encode([Image.new(mode, (20, 30))]).shape == (1, CHANNELS)


def test_is_both_kinds_of_encoder(encoder: OnnxImageEncoder) -> None:
    assert isinstance(encoder, ImageEncoder)
    assert isinstance(encoder, MapEncoder)


def test_features_are_the_mean_of_the_maps(encoder: OnnxImageEncoder) -> None:
    images = [picture(i, size) for i, size in enumerate(SIZES)]
    features, maps = encoder.encode(images), encoder.encode_maps(images)
    assert features.shape == (len(images), CHANNELS)
    assert maps.shape == (len(images), CHANNELS, 7, 7)
    assert features.dtype == maps.dtype == np.float32
    np.testing.assert_allclose(features, maps.mean((2, 3)), atol=1e-5)


def test_batches_do_not_matter(encoder: OnnxImageEncoder) -> None:
    images = [picture(i, size) for i, size in enumerate(SIZES)]
    alone = np.concatenate([encoder.encode([image]) for image in images])
    np.testing.assert_allclose(encoder.encode(images), alone, atol=1e-5)


def test_no_images_give_no_rows(encoder: OnnxImageEncoder) -> None:
    assert encoder.encode([]).shape == (0, CHANNELS)


def test_fingerprint_names_weights_and_settings(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abcd"]
    for folder in folders:
        folder.mkdir()
    cards = [
        write_card(folders[0]),
        write_card(folders[1]),
        write_card(folders[2], seed=1),
        write_card(folders[3], fit="crop"),
    ]
    first, same, other_weights, other_fit = (
        OnnxImageEncoder.from_card(card).fingerprint for card in cards
    )
    assert first == same
    assert len({first, other_weights, other_fit}) == 3


@pytest.mark.parametrize("at", [0, 40, 200, -1])
def test_a_flipped_byte_is_detected(tmp_path: Path, at: int) -> None:
    path = write_onnx(tmp_path / "tiny.onnx")
    digest = OnnxModel(path).sha256
    contents = bytearray(path.read_bytes())
    contents[at] ^= 1
    path.write_bytes(contents)
    with pytest.raises(CheckpointError, match="digest"):
        OnnxModel(path, sha256=digest)


@pytest.mark.parametrize("contents", [b"", b"not a model", b"\x08\x08\x12\x04tiny"])
def test_files_that_are_no_models(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(contents)
    with pytest.raises(CheckpointError, match=r"bad\.onnx"):
        OnnxImageEncoder(path, Preprocessing(SIDE, MEAN, STD))


def test_a_truncated_model(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "tiny.onnx")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(CheckpointError, match=r"tiny\.onnx"):
        OnnxImageEncoder(path, Preprocessing(SIDE, MEAN, STD))


def test_an_absent_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        OnnxModel(tmp_path / "none.onnx")


def test_an_output_that_is_not_there(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "tiny.onnx")
    with pytest.raises(CheckpointError, match="no output 'logits'"):
        OnnxImageEncoder(path, Preprocessing(SIDE, MEAN, STD), features="logits")


def test_a_size_that_does_not_fit(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "tiny.onnx")
    wrong = OnnxImageEncoder(path, Preprocessing(SIDE + 1, MEAN, STD))
    with pytest.raises(CheckpointError, match="failed"):
        wrong.encode([picture(0)])


def test_maps_must_be_named(tmp_path: Path) -> None:
    encoder = OnnxImageEncoder.from_card(write_card(tmp_path, map=None))
    with pytest.raises(CheckpointError, match="no feature map"):
        encoder.encode_maps([picture(0)])


@pytest.mark.parametrize(
    "changes",
    [
        {"size": None},
        {"size": "large"},
        {"mean": [0.5]},
        {"mean": 0.5},
        {"features": None},
        {"fit": "stretch"},
        {"interpolation": "nearest"},
    ],
)
def test_cards_with_wrong_settings(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match=r"tiny\.json"):
        OnnxImageEncoder.from_card(write_card(tmp_path, **changes))


@pytest.mark.parametrize("contents", [None, "", "[]", "{"])
def test_cards_that_cannot_be_read(tmp_path: Path, contents: str | None) -> None:
    card = write_card(tmp_path)
    card.unlink()
    if contents is not None:
        card.write_text(contents)
    with pytest.raises(CheckpointError, match=r"tiny\.json"):
        OnnxImageEncoder.from_card(card)
