"""OpenCLIP checkpoints: tiny ones by the published names, judged by the models of transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmedrag.encoders.clip import load_towers
from mmedrag.encoders.pretrained import Pretrained
from mmedrag.encoders.transformers import TransformersImageEncoder
from mmedrag.errors import CheckpointError
from mmedrag.presets import build
from mmedrag.protocols import Embedder
from mmedrag.testing.embedder import EmbedderContract, picture
from mmedrag.types import Query

torch = pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
hf = pytest.importorskip("transformers")
from safetensors.torch import load_file, save_file  # noqa: E402

from mmedrag.training.export import export_towers  # noqa: E402
from tiny_models import SIDE, WORDS, write_model, write_tokenizer  # noqa: E402

WIDTH, DEPTH, HIDDEN, OUT = 64, 2, 96, 24
STATISTICS = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}


@pytest.fixture(scope="module")
def vit() -> Any:
    torch.manual_seed(0)
    config = hf.ViTConfig(
        hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=1, image_size=SIDE,
        intermediate_size=HIDDEN, patch_size=8, layer_norm_eps=1e-6,
    )  # fmt: skip
    return stirred(hf.ViTModel(config, add_pooling_layer=False))


@pytest.fixture(scope="module")
def bert() -> Any:
    torch.manual_seed(1)
    config = hf.BertConfig(
        hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=1,
        intermediate_size=HIDDEN, vocab_size=len(WORDS), max_position_embeddings=16,
    )  # fmt: skip
    return stirred(hf.BertModel(config, add_pooling_layer=False))


def stirred(model: Any) -> Any:
    """Weights wide enough apart that a wrong layer is noticed."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


@pytest.fixture(scope="module")
def heads() -> dict[str, Any]:
    torch.manual_seed(2)
    middle = (WIDTH + OUT) // 2
    return {
        "visual.head.proj.weight": torch.randn(OUT, WIDTH) / 8,
        "text.proj.0.weight": torch.randn(middle, WIDTH) / 8,
        "text.proj.2.weight": torch.randn(OUT, middle) / 8,
    }


@pytest.fixture(scope="module")
def biomedclip(
    tmp_path_factory: pytest.TempPathFactory, vit: Any, bert: Any, heads: dict[str, Any]
) -> Path:
    """A folder laid out as BiomedCLIP is published."""
    folder = tmp_path_factory.mktemp("biomedclip")
    state = timm_names(vit.state_dict())
    state |= {f"text.transformer.{name}": value for name, value in bert.state_dict().items()}
    state["text.transformer.embeddings.position_ids"] = torch.arange(16)[None]
    state["logit_scale"] = torch.tensor(4.6)
    torch.save(state | heads, folder / "open_clip_pytorch_model.bin")
    text = {
        "hf_model_name": "some/bert", "hf_proj_type": "mlp", "context_length": 12,
        "hf_pooler_type": "cls_last_hidden_state_pooler",
    }  # fmt: skip
    vision = {"timm_model_name": "vit", "timm_pool": "", "timm_proj": "linear", "image_size": SIDE}
    write_config(folder, vision, text)
    return folder


def write_config(folder: Path, vision: Mapping[str, Any], text: Mapping[str, Any]) -> None:
    settings = {
        "model_cfg": {"embed_dim": OUT, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": STATISTICS,
    }
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    write_tokenizer(folder)


def timm_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """A vision transformer's weights by the names of ``timm``; from transformers 4 or 5."""
    plain = {
        name.replace("encoder.layer.", "layers.")
        .replace("attention.attention.query", "attention.q_proj")
        .replace("attention.attention.key", "attention.k_proj")
        .replace("attention.attention.value", "attention.v_proj")
        .replace("attention.output.dense", "attention.o_proj")
        .replace("intermediate.dense", "mlp.fc1")
        .replace("output.dense", "mlp.fc2"): value
        for name, value in state.items()
    }
    trunk = {
        "cls_token": plain["embeddings.cls_token"],
        "pos_embed": plain["embeddings.position_embeddings"],
    }
    for kind in ("weight", "bias"):
        trunk[f"patch_embed.proj.{kind}"] = plain[f"embeddings.patch_embeddings.projection.{kind}"]
        trunk[f"norm.{kind}"] = plain[f"layernorm.{kind}"]
        for i in range(DEPTH):
            split = [plain[f"layers.{i}.attention.{part}_proj.{kind}"] for part in "qkv"]
            trunk[f"blocks.{i}.attn.qkv.{kind}"] = torch.cat(split)
            for theirs, ours in (
                ("attn.proj", "attention.o_proj"),
                ("norm1", "layernorm_before"),
                ("norm2", "layernorm_after"),
                ("mlp.fc1", "mlp.fc1"),
                ("mlp.fc2", "mlp.fc2"),
            ):
                trunk[f"blocks.{i}.{theirs}.{kind}"] = plain[f"layers.{i}.{ours}.{kind}"]
    return {f"visual.trunk.{name}": value for name, value in trunk.items()}


def test_image_features_are_those_of_the_reference(
    biomedclip: Path, vit: Any, heads: dict[str, Any]
) -> None:
    images = [picture(i, (50 + 10 * i, 40)) for i in range(3)]
    encoder = TransformersImageEncoder.load(biomedclip, fit="crop", batch_size=2, device="cpu")
    pixels = torch.stack([reference_pixels(image) for image in images])
    with torch.inference_mode():
        expected = vit(pixel_values=pixels).last_hidden_state[:, 0]
        expected = expected @ heads["visual.head.proj.weight"].T
    np.testing.assert_allclose(encoder.encode(images), expected.numpy(), atol=1e-5)


def reference_pixels(image: Any) -> Any:
    """Shortest side to the size (bicubic), centre crop, mean and deviation; written out."""
    side = SIDE / min(image.size)
    size = tuple(max(SIDE, int(s * side)) for s in image.size)
    scaled = image.convert("RGB").resize(size, 3)
    left, top = ((s - SIDE) // 2 for s in size)
    pixels = np.asarray(scaled.crop((left, top, left + SIDE, top + SIDE)), np.float32) / 255
    normal = (pixels - np.array(STATISTICS["mean"])) / np.array(STATISTICS["std"])
    return torch.from_numpy(normal.transpose(2, 0, 1).astype(np.float32))


def test_text_features_are_those_of_the_reference(
    biomedclip: Path, bert: Any, heads: dict[str, Any]
) -> None:
    ids = torch.tensor([[2, 8, 7, 3, 0, 0], [2, 5, 9, 7, 8, 3]])  # with [CLS], [SEP], padding
    with torch.inference_mode():
        state = bert(input_ids=ids, attention_mask=(ids != 0).long()).last_hidden_state[:, 0]
        hidden = torch.nn.functional.gelu(state @ heads["text.proj.0.weight"].T)
        expected = (hidden @ heads["text.proj.2.weight"].T).numpy()
    found = load_towers(biomedclip, device="cpu").texts.encode(
        ["no effusion", "left lung effusion no"]
    )
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_texts_are_cut_at_the_stated_length(biomedclip: Path) -> None:
    assert Pretrained(biomedclip).model().config.max_position_embeddings == 12


def test_the_preset_loads_a_folder(biomedclip: Path) -> None:
    one, again = (build("biomedclip", {"clip": str(biomedclip)}).embedder for _ in range(2))
    assert one.dim == OUT
    assert one.fingerprint == again.fingerprint


def test_an_image_encoder_stands_beside_the_shipped_text_encoder(tmp_path: Path) -> None:
    folder = write_model("dinov2", tmp_path / "dino")
    stages = build("rad-dino", {"image": str(folder)})
    report, image = Query("pleural effusion on the left"), picture(1)
    file = tmp_path / "image.png"
    image.save(file)
    vectors = stages.embedder.embed([report, Query("", image=file)])
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(2), atol=1e-5)  # nothing joins them yet
    assert stages.classifier.classify([report])[0].decision == "radiology"


def test_it_is_exported_for_batches_of_any_size(biomedclip: Path, tmp_path: Path) -> None:
    export = export_towers(str(biomedclip), tmp_path / "exported")  # compares batches of three
    assert min(export.images, export.texts) > 0.99999


class TestBiomedClipEmbedder(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, biomedclip: Path) -> Embedder:
        return load_towers(biomedclip).embedder()


@pytest.fixture(scope="module")
def clip() -> Any:
    torch.manual_seed(3)
    common = {"hidden_size": WIDTH, "num_hidden_layers": DEPTH, "num_attention_heads": 1,
              "intermediate_size": HIDDEN}  # fmt: skip
    config = hf.CLIPConfig(
        text_config={**common, "vocab_size": len(WORDS), "max_position_embeddings": 16,
                     "eos_token_id": len(WORDS) - 1, "bos_token_id": 2, "pad_token_id": 0},
        vision_config={**common, "image_size": SIDE, "patch_size": 8},
        projection_dim=OUT,
    )  # fmt: skip
    return stirred(hf.CLIPModel(config))


def clip_names(state: Mapping[str, Any], width: int = DEPTH) -> dict[str, Any]:
    """CLIP's weights of transformers by the names of OpenAI and OpenCLIP."""
    named = {
        "visual.conv1.weight": state["vision_model.embeddings.patch_embedding.weight"],
        "visual.class_embedding": state["vision_model.embeddings.class_embedding"],
        "visual.positional_embedding": state["vision_model.embeddings.position_embedding.weight"],
        "visual.proj": state["visual_projection.weight"].T.contiguous(),
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        "text_projection": state["text_projection.weight"].T.contiguous(),
        "logit_scale": state["logit_scale"],
    }
    for kind in ("weight", "bias"):
        named[f"visual.ln_pre.{kind}"] = state[f"vision_model.pre_layrnorm.{kind}"]
        named[f"visual.ln_post.{kind}"] = state[f"vision_model.post_layernorm.{kind}"]
        named[f"ln_final.{kind}"] = state[f"text_model.final_layer_norm.{kind}"]
        for ours, theirs in (("visual.transformer", "vision_model"), ("transformer", "text_model")):
            for i in range(width):
                block, layer = f"{ours}.resblocks.{i}", f"{theirs}.encoder.layers.{i}"
                split = [state[f"{layer}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
                named[f"{block}.attn.in_proj_{kind}"] = torch.cat(split)
                for name, other in (
                    ("attn.out_proj", "self_attn.out_proj"),
                    ("ln_1", "layer_norm1"),
                    ("ln_2", "layer_norm2"),
                    ("mlp.c_fc", "mlp.fc1"),
                    ("mlp.c_proj", "mlp.fc2"),
                ):
                    named[f"{block}.{name}.{kind}"] = state[f"{layer}.{other}.{kind}"]
    return named


def test_clip_layout_gives_what_transformers_gives(clip: Any, tmp_path: Path) -> None:
    save_file(clip_names(clip.state_dict()), tmp_path / "open_clip_model.safetensors")
    write_config(
        tmp_path, {"image_size": SIDE, "head_width": WIDTH}, {"heads": 1, "context_length": 16}
    )
    settings = json.loads((tmp_path / "open_clip_config.json").read_text())
    settings["model_cfg"]["quick_gelu"] = True
    (tmp_path / "open_clip_config.json").write_text(json.dumps(settings))
    model = Pretrained(tmp_path).model("cpu")
    export = export_towers(str(tmp_path), tmp_path / "exported")
    assert min(export.images, export.texts) > 0.99999
    pixels = torch.rand(2, 3, SIDE, SIDE)
    ids = torch.tensor([[2, 8, 7, 9, 0], [2, 5, 6, 7, 9]])  # the last id is the end
    with torch.inference_mode():
        images, texts = clip.get_image_features(pixels), clip.get_text_features(ids)
        for found, expected in (
            (model.get_image_features(pixels), images),
            (model.get_text_features(ids), texts),
        ):
            reference = getattr(expected, "pooler_output", expected)
            np.testing.assert_allclose(found.numpy(), reference.numpy(), atol=1e-5)


@pytest.mark.parametrize("damage", ["absent", "unexpected", "other shape", "cut", "pickle"])
def test_damaged_weights_are_an_error(biomedclip: Path, tmp_path: Path, damage: str) -> None:
    for file in biomedclip.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "open_clip_pytorch_model.bin"
    state = torch.load(weights, weights_only=True)
    if damage == "absent":
        del state["visual.trunk.norm.bias"]
    elif damage == "unexpected":
        state["visual.trunk.norm_pre.bias"] = torch.zeros(3)
    elif damage == "other shape":
        state["visual.trunk.blocks.1.mlp.fc2.bias"] = torch.zeros(3)
    torch.save(state, weights)
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:2000])
    elif damage == "pickle":
        weights.write_bytes(b"\x80\x04cos\nsystem\n.")
    with pytest.raises(CheckpointError, match="Download the model again"):
        Pretrained(tmp_path).model()


def test_a_pooling_that_is_not_known_is_an_error(biomedclip: Path, tmp_path: Path) -> None:
    weights = torch.load(biomedclip / "open_clip_pytorch_model.bin", weights_only=True)
    weights = {k: v for k, v in weights.items() if not k.endswith("position_ids")}
    save_file(weights, tmp_path / "open_clip_model.safetensors")
    assert load_file(tmp_path / "open_clip_model.safetensors").keys() == weights.keys()
    write_config(tmp_path, {"timm_pool": "map"}, {})
    with pytest.raises(CheckpointError, match="pooling map"):
        Pretrained(tmp_path).model()


def test_a_folder_without_weights_names_them(biomedclip: Path, tmp_path: Path) -> None:
    config = biomedclip / "open_clip_config.json"
    (tmp_path / config.name).write_bytes(config.read_bytes())
    with pytest.raises(CheckpointError, match=r"open_clip_model\.safetensors"):
        Pretrained(tmp_path).model()


def test_a_roberta_is_refused(biomedclip: Path, tmp_path: Path) -> None:
    for file in biomedclip.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    write_config(tmp_path, {}, {"hf_model_name": "roberta-base"})
    with pytest.raises(CheckpointError, match="RoBERTa text tower"):
        Pretrained(tmp_path).model()


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"model_cfg": {"vision_cfg": 1, "text_cfg": {}}}']
)
def test_a_damaged_configuration_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "open_clip_config.json").write_text(text)
    with pytest.raises(CheckpointError, match="no OpenCLIP configuration"):
        Pretrained(tmp_path).model()
