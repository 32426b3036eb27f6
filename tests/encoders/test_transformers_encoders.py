"""Section 3.3 on PyTorch: every architecture from a tiny checkpoint on disk, without a hub."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmedrag.encoders.clip import load_towers
from mmedrag.encoders.image import ImageEncoder
from mmedrag.encoders.pooling import Gap, PooledImageEncoder
from mmedrag.encoders.pretrained import Pretrained
from mmedrag.encoders.text import TextEncoder
from mmedrag.errors import CheckpointError
from mmedrag.protocols import Embedder
from mmedrag.testing.embedder import EmbedderContract, picture
from mmedrag.torch_import import default_device

torch = pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
pytest.importorskip("transformers")

from mmedrag.encoders.transformers import (  # noqa: E402
    TransformersImageEncoder,
    TransformersTextEncoder,
)
from tiny_models import MODELS, PROCESSORS, TEXTS, write_model  # noqa: E402

WORDS = ["no effusion", "left lung effusion " * 30, "", "right", "left"]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {kind: write_model(kind, root / kind) for kind in MODELS}


@pytest.fixture(params=sorted(PROCESSORS))
def image_encoder(
    request: pytest.FixtureRequest, models: dict[str, Path]
) -> TransformersImageEncoder:
    return TransformersImageEncoder.load(models[request.param], batch_size=2, device="cpu")


@pytest.fixture(params=TEXTS)
def text_encoder(
    request: pytest.FixtureRequest, models: dict[str, Path]
) -> TransformersTextEncoder:
    return TransformersTextEncoder.load(models[request.param], batch_size=3, device="cpu")


def test_image_features(image_encoder: TransformersImageEncoder) -> None:
    images = [picture(i, (40 + 20 * i, 60)) for i in range(3)]
    features = image_encoder.encode(images)
    assert isinstance(image_encoder, ImageEncoder)
    assert features.shape == (3, image_encoder.dim)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert image_encoder.encode([]).shape == (0, image_encoder.dim)
    norms = np.linalg.norm(features, axis=1)
    assert np.linalg.norm(features[0] - features[1]) > 1e-4 * norms[0]
    alone = np.concatenate([image_encoder.encode([image]) for image in images])
    np.testing.assert_allclose(features, alone, atol=1e-4 * norms.max())


def test_text_features(text_encoder: TransformersTextEncoder) -> None:
    features = text_encoder.encode(WORDS)
    assert isinstance(text_encoder, TextEncoder)
    assert features.shape == (len(WORDS), text_encoder.dim)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert text_encoder.encode([]).shape == (0, text_encoder.dim)
    alone = np.concatenate([text_encoder.encode([text]) for text in WORDS])
    np.testing.assert_allclose(features, alone, atol=1e-4)
    assert np.abs(features[3] - features[4]).max() > 1e-3


def test_every_part_of_a_long_text_counts(text_encoder: TransformersTextEncoder) -> None:
    one, other = text_encoder.encode(["lung " * 40, "lung " * 40 + "effusion " * 40])
    assert np.abs(one - other).max() > 1e-3


def test_same_weights_have_the_same_fingerprint(models: dict[str, Path], tmp_path: Path) -> None:
    # ViT and BERT are published without the pooler that their classes have.
    for kind in ("vit", "bert"):
        load = (TransformersTextEncoder if kind in TEXTS else TransformersImageEncoder).load
        first, again = load(models[kind]).fingerprint, load(models[kind]).fingerprint
        other = load(write_model(kind, tmp_path / kind, seed=1)).fingerprint
        assert first == again != other


def test_cls_and_mean_pooling_differ(models: dict[str, Path]) -> None:
    cls, mean = (
        TransformersTextEncoder.load(models["bert"], pooling=pooling) for pooling in ("cls", "mean")
    )
    assert cls.fingerprint != mean.fingerprint
    assert np.abs(cls.encode(WORDS) - mean.encode(WORDS)).max() > 0.01


def test_bert_cls_is_the_first_token(models: dict[str, Path]) -> None:
    import transformers

    model = transformers.BertModel.from_pretrained(models["bert"], add_pooling_layer=False).eval()
    ids = torch.tensor([[2, 8, 7, 3]])  # [CLS] no effusion [SEP]
    with torch.inference_mode():
        expected = model(ids).last_hidden_state[0, 0].numpy()
    found = TransformersTextEncoder.load(models["bert"], device="cpu").encode(["no effusion"])[0]
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)


def test_a_cnn_gives_its_maps(models: dict[str, Path]) -> None:
    resnet = TransformersImageEncoder.load(models["resnet"])
    images = [picture(i) for i in range(3)]
    assert resnet.channels == 16
    pooled = PooledImageEncoder(resnet, Gap())
    np.testing.assert_allclose(pooled.encode(images), resnet.encode(images), rtol=1e-3, atol=1e-4)


def test_a_transformer_has_no_maps(models: dict[str, Path]) -> None:
    with pytest.raises(CheckpointError, match="no feature maps"):
        TransformersImageEncoder.load(models["vit"]).encode_maps([picture(0)])


@pytest.mark.parametrize("kind", sorted(PROCESSORS))
def test_letterbox_keeps_the_edges(kind: str, models: dict[str, Path]) -> None:
    plain = picture(0, (128, 64))
    marked = plain.copy()
    marked.paste((255, 255, 255), (0, 0, 6, 64))
    marked.paste((255, 255, 255), (122, 0, 128, 64))
    encoder = TransformersImageEncoder.load(models[kind])
    one, other = encoder.encode([plain, marked])
    assert np.linalg.norm(one - other) > 1e-4 * np.linalg.norm(one)


def test_crop_leaves_the_image_to_the_processor(models: dict[str, Path]) -> None:
    wide = picture(0, (128, 64))
    marked = wide.copy()
    marked.paste((255, 255, 255), (0, 0, 6, 64))
    cropping = TransformersImageEncoder.load(models["clip"], fit="crop")
    np.testing.assert_allclose(*cropping.encode([wide, marked]), atol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_towers_share_one_space(kind: str, models: dict[str, Path]) -> None:
    towers = load_towers(models[kind])
    assert towers.images.dim == towers.texts.dim == towers.embedder().dim


class TestClipEmbedder(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, models: dict[str, Path]) -> Embedder:
        return load_towers(models["clip"]).embedder()


def test_towers_need_both(models: dict[str, Path]) -> None:
    with pytest.raises(CheckpointError, match="not both"):
        load_towers(models["bert"])


def test_absent_weights_are_not_made_up(models: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "bert"
    folder.mkdir()
    for file in models["bert"].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    tensors = load_file(folder / "model.safetensors")
    name = next(n for n in tensors if "layer.1.output.dense.weight" in n)
    del tensors[name]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="lack 1 tensors"):
        TransformersTextEncoder.load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "preprocessor_config.json"])
@pytest.mark.parametrize("damage", ["cut", "remove"])
def test_damaged_folders(name: str, damage: str, models: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "resnet"
    folder.mkdir()
    for file in models["resnet"].iterdir():
        contents = file.read_bytes()
        if file.name == name:
            if damage == "remove":
                continue
            contents = contents[: len(contents) // 2]
        (folder / file.name).write_bytes(contents)
    with pytest.raises(CheckpointError, match="resnet"):
        TransformersImageEncoder.load(folder)


def test_an_unknown_architecture(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "nosuch"}))
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        TransformersImageEncoder.load(tmp_path)


def test_an_absent_hub_model_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def nobody(*address: object, **_: object) -> None:
        asked.append(address)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(CheckpointError) as caught:
        TransformersTextEncoder.load("nobody/nothing", revision="abc123", offline=True)
    assert asked == []  # offline is offline, with PEFT installed too
    assert "hf download nobody/nothing --revision abc123" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_torch_the_extra_is_named() -> None:
    """In a fresh interpreter that cannot import torch: modules load, the door says what to do."""
    code = """
import sys
sys.modules["torch"] = None
import mmedrag.encoders.clip, mmedrag.encoders.transformers
from mmedrag.errors import MissingExtra
try:
    mmedrag.encoders.clip.load_towers("openai/clip-vit-base-patch32")
except MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "mmedrag[torch]"' in done.stdout


def test_the_core_imports_no_torch() -> None:
    code = """
import sys
import mmedrag.encoders.dual, mmedrag.encoders.clip
import mmedrag.encoders.pooling, mmedrag.encoders.fusion
print(sorted({"torch", "transformers"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_is_told_by_hub_id_and_revision_or_by_folder(tmp_path: Path) -> None:
    assert Pretrained.parse("owner/model@abc") == Pretrained("owner/model", "abc")
    assert Pretrained.parse("owner/model") == Pretrained("owner/model")
    folder = tmp_path / "a@b"
    folder.mkdir()
    assert Pretrained.parse(str(folder)) == Pretrained(str(folder))


def test_the_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert default_device() == device


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch has no GPU here")
def test_half_precision_on_a_gpu_gives_nearly_the_same(models: dict[str, Path]) -> None:
    pictures = [picture(i, (60, 60)) for i in range(3)]
    on_cpu, on_gpu = (
        TransformersImageEncoder.load(models["vit"], device=device).encode(pictures)
        for device in ("cpu", "cuda")
    )
    cosines = (on_cpu * on_gpu).sum(1) / np.linalg.norm(on_cpu, axis=1)
    assert (cosines / np.linalg.norm(on_gpu, axis=1) > 0.999).all()
