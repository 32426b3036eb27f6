"""CoCa checkpoints (CONCH and OpenCLIP's own): tiny ones by the published names.

The reference is written out here from the published layout, layer by layer, on the same tensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmedrag.encoders.clip import load_towers
from mmedrag.encoders.pretrained import Pretrained
from mmedrag.errors import CheckpointError
from mmedrag.presets import build

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors  # noqa: E402
from torch.nn import functional  # noqa: E402

from mmedrag.training.export import export_towers  # noqa: E402

WIDTH, OUT, SIDE, PATCH, PLACES, POOL_HEADS = 64, 16, 16, 8, 9, 4
SPECIAL = ["<pad>", "<start_of_text>", "<end_of_text>"]
WORDS = ["\u0120left", "\u0120lung", "\u0120tumour", "\u0120no"]
BATCH = (
    ("left lung tumour", [1, 3, 4, 5, 2]),
    ("no", [1, 6, 2]),
    ("no tumour no tumour no tumour", [1, 6, 5, 6, 5, 6, 5, 2]),
)
"""Texts with their token ids; the last one fills every place but that of [CLS]."""

Tensors = dict[str, Any]


def drawn(shapes: Mapping[str, Sequence[int]], seed: int) -> Tensors:
    """Random tensors, wide enough apart that a wrong layer is noticed; norms around one."""
    random = torch.Generator().manual_seed(seed)
    found = {}
    for name, shape in shapes.items():
        value = torch.randn(*shape, generator=random) * (0.3 if len(shape) == 1 else 0.15)
        norm = name.endswith("weight") and len(shape) == 1
        found[name] = value + 1 if norm else value
    return found


def layers(prefix: str, names: Mapping[str, tuple[int, int]], norms: Sequence[str]) -> dict:
    """Shapes of linear layers ``(out, in)`` and layer norms below ``prefix``."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in names.items():
        shapes |= {f"{prefix}{name}.weight": shape, f"{prefix}{name}.bias": shape[:1]}
    for name in norms:
        shapes |= {f"{prefix}{name}.{kind}": (WIDTH,) for kind in ("weight", "bias")}
    return shapes


def clip_block(prefix: str) -> dict:
    wide = {"attn.out_proj": (WIDTH, WIDTH), "mlp.c_fc": (96, WIDTH), "mlp.c_proj": (WIDTH, 96)}
    inner = {
        f"{prefix}attn.in_proj_weight": (3 * WIDTH, WIDTH),
        f"{prefix}attn.in_proj_bias": (3 * WIDTH,),
    }
    return inner | layers(prefix, wide, ("ln_1", "ln_2"))


def timm_block(prefix: str) -> dict:
    wide = {
        "attn.qkv": (3 * WIDTH, WIDTH), "attn.proj": (WIDTH, WIDTH),
        "mlp.fc1": (96, WIDTH), "mlp.fc2": (WIDTH, 96),
    }  # fmt: skip
    return layers(prefix, wide, ("norm1", "norm2"))


def pooler(prefix: str, queries: int, dim: int) -> dict:
    shapes: dict[str, tuple[int, ...]] = {
        f"{prefix}query": (queries, dim),
        f"{prefix}attn.in_proj_bias": (3 * dim,),
        f"{prefix}attn.out_proj.weight": (dim, dim),
        f"{prefix}attn.out_proj.bias": (dim,),
        f"{prefix}attn.q_proj_weight": (dim, dim),
        f"{prefix}attn.k_proj_weight": (dim, WIDTH),
        f"{prefix}attn.v_proj_weight": (dim, WIDTH),
    }
    for norm, width in (("ln_q", dim), ("ln_k", WIDTH)):
        shapes |= {f"{prefix}{norm}.{kind}": (width,) for kind in ("weight", "bias")}
    return shapes


def text_shapes(vocabulary: int) -> dict:
    return {
        "text.text_projection": (WIDTH, OUT),
        "text.cls_emb": (WIDTH,),
        "text.token_embedding.weight": (vocabulary, WIDTH),
        "text.positional_embedding": (PLACES, WIDTH),
        **clip_block("text.transformer.resblocks.0."),
        **clip_block("text.transformer.resblocks.1."),
        **layers("text.", {}, ("ln_final",)),
    }


def conch_shapes() -> dict:
    tokens = (SIDE // PATCH) ** 2 + 1
    return {
        **text_shapes(len(SPECIAL) + len(WORDS)),
        "visual.trunk.cls_token": (1, 1, WIDTH),
        "visual.trunk.pos_embed": (1, tokens, WIDTH),
        "visual.trunk.patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH),
        "visual.trunk.patch_embed.proj.bias": (WIDTH,),
        **timm_block("visual.trunk.blocks.0."),
        **timm_block("visual.trunk.blocks.1."),
        **layers("visual.trunk.", {}, ("norm",)),
        **pooler("visual.attn_pool_contrast.", 1, OUT),
        "visual.ln_contrast.weight": (OUT,),
        "visual.ln_contrast.bias": (OUT,),
        "visual.proj_contrast": (OUT, OUT),
        **pooler("visual.attn_pool_caption.", 5, WIDTH),
        **layers("visual.", {}, ("ln_caption",)),
        **clip_block("text_decoder.resblocks.0."),
    }


def coca_shapes() -> dict:
    tokens = (SIDE // PATCH) ** 2 + 1
    return {
        **text_shapes(len(SPECIAL) + len(WORDS)),
        "visual.class_embedding": (WIDTH,),
        "visual.positional_embedding": (tokens, WIDTH),
        "visual.conv1.weight": (WIDTH, 3, PATCH, PATCH),
        **layers("visual.", {}, ("ln_pre",)),
        **clip_block("visual.transformer.resblocks.0."),
        **pooler("visual.attn_pool.", 5, OUT),
        "visual.ln_post.weight": (OUT,),
        "visual.ln_post.bias": (OUT,),
        "visual.proj": (OUT, OUT),
        **clip_block("text_decoder.resblocks.0."),
    }


TEXT = {"context_length": PLACES, "width": WIDTH, "heads": 2, "layers": 2, "embed_cls": True}


@pytest.fixture(scope="module")
def conch() -> Tensors:
    return drawn(conch_shapes(), 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, conch: Tensors) -> Path:
    """CONCH's weights, configuration and tokeniser under their published names."""
    folder = tmp_path_factory.mktemp("conch")
    torch.save(
        {f"module.{name}": value for name, value in conch.items()}, folder / "pytorch_model.bin"
    )
    vision = {
        "image_size": SIDE, "patch_size": PATCH, "attn_pooler_heads": POOL_HEADS,
        "attentional_pool_contrast": True, "attentional_pool_caption": True,
    }  # fmt: skip
    settings = {"embed_dim": OUT, "vision_cfg": vision, "text_cfg": TEXT, "multimodal_cfg": TEXT}
    (folder / "conch_ViT-B-16.json").write_text(json.dumps(settings))
    write_tokenizer(folder / "conch_byte_level_bpe_uncased.json")
    return folder


def write_tokenizer(path: Path) -> None:
    vocabulary = {word: i for i, word in enumerate(SPECIAL + WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start_of_text> $A <end_of_text>",
        special_tokens=[("<start_of_text>", 1), ("<end_of_text>", 2)],
    )
    tokenizer.save(str(path))


def norm(x: Any, state: Tensors, name: str, eps: float = 1e-5) -> Any:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (x.var(-1, unbiased=False, keepdim=True) + eps).sqrt()
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def linear(x: Any, state: Tensors, name: str) -> Any:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def attended(query: Any, key: Any, value: Any, heads: int, seen: Any = None) -> Any:
    """Rows ``(length, width)``; ``seen[i, j]`` says whether row i looks at row j."""
    mixed = []
    for q, k, v in zip(*(x.chunk(heads, dim=-1) for x in (query, key, value)), strict=True):
        scores = q @ k.T / q.shape[-1] ** 0.5
        if seen is not None:
            scores[~seen] = float("-inf")
        mixed.append(scores.softmax(-1) @ v)
    return torch.cat(mixed, dim=-1)


def clip_layer(x: Any, state: Tensors, name: str, heads: int, seen: Any = None) -> Any:
    inner = norm(x, state, f"{name}.ln_1")
    split = inner @ state[f"{name}.attn.in_proj_weight"].T + state[f"{name}.attn.in_proj_bias"]
    mixed = attended(*split.chunk(3, dim=-1), heads, seen)
    x = x + linear(mixed, state, f"{name}.attn.out_proj")
    hidden = functional.gelu(linear(norm(x, state, f"{name}.ln_2"), state, f"{name}.mlp.c_fc"))
    return x + linear(hidden, state, f"{name}.mlp.c_proj")


def pooled(tokens: Any, state: Tensors, name: str) -> Any:
    """Every query of an attentional pooler on tokens ``(length, width)``."""
    query, keys = (
        norm(state[f"{name}.query"], state, f"{name}.ln_q"),
        norm(tokens, state, f"{name}.ln_k"),
    )
    biases = state[f"{name}.attn.in_proj_bias"].chunk(3)
    parts = [
        x @ state[f"{name}.attn.{part}_proj_weight"].T + bias
        for x, part, bias in zip((query, keys, keys), "qkv", biases, strict=True)
    ]
    return linear(attended(*parts, POOL_HEADS), state, f"{name}.attn.out_proj")


def patches(pixels: Any, weight: Any) -> Any:
    """Pixels ``(3, s, s)`` to ``(places, width)``, row by row."""
    cut = [
        pixels[:, top : top + PATCH, left : left + PATCH].reshape(-1)
        for top in range(0, pixels.shape[1], PATCH)
        for left in range(0, pixels.shape[2], PATCH)
    ]
    return torch.stack(cut) @ weight.reshape(WIDTH, -1).T


def conch_image(state: Tensors, pixels: Any) -> Any:
    trunk = {k.removeprefix("visual.trunk."): v for k, v in state.items()}
    x = patches(pixels, trunk["patch_embed.proj.weight"]) + trunk["patch_embed.proj.bias"]
    x = torch.cat([trunk["cls_token"][0], x]) + trunk["pos_embed"][0]
    for i in range(2):
        split = linear(norm(x, trunk, f"blocks.{i}.norm1", 1e-6), trunk, f"blocks.{i}.attn.qkv")
        mixed = attended(*split.chunk(3, dim=-1), 1)
        x = x + linear(mixed, trunk, f"blocks.{i}.attn.proj")
        inner = linear(norm(x, trunk, f"blocks.{i}.norm2", 1e-6), trunk, f"blocks.{i}.mlp.fc1")
        x = x + linear(functional.gelu(inner), trunk, f"blocks.{i}.mlp.fc2")
    first = pooled(norm(x, trunk, "norm", 1e-6), state, "visual.attn_pool_contrast")[0]
    return norm(first, state, "visual.ln_contrast") @ state["visual.proj_contrast"]


def coca_image(state: Tensors, pixels: Any) -> Any:
    x = patches(pixels, state["visual.conv1.weight"])
    x = torch.cat([state["visual.class_embedding"][None], x])
    x = norm(x + state["visual.positional_embedding"], state, "visual.ln_pre")
    x = clip_layer(x, state, "visual.transformer.resblocks.0", 1)
    x = norm(pooled(x, state, "visual.attn_pool"), state, "visual.ln_post")
    return x[0] @ state["visual.proj"]


def text(state: Tensors, ids: Sequence[int]) -> Any:
    """A text's feature: filled up with 0, [CLS] last, its mask shifted by a place."""
    ids = [*ids, *[0] * (PLACES - 1 - len(ids))]
    seen = torch.ones(PLACES, PLACES).tril().bool()
    for place, token in enumerate(ids):
        seen[-1, place + 1] = token != 0
    x = torch.cat([state["text.token_embedding.weight"][ids], state["text.cls_emb"][None]])
    x = x + state["text.positional_embedding"]
    for i in range(2):
        x = clip_layer(x, state, f"text.transformer.resblocks.{i}", 2, seen)
    return norm(x[-1], state, "text.ln_final") @ state["text.text_projection"]


def unit(rows: Sequence[Any]) -> Any:
    return functional.normalize(torch.stack(list(rows)), dim=1).numpy()


def test_conch_features_are_those_of_the_reference(folder: Path, conch: Tensors) -> None:
    model = Pretrained(folder).model("cpu")
    pixels = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found = model.get_image_features(pixels)
    expected = torch.stack([conch_image(conch, image) for image in pixels])
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)
    encoder = load_towers(folder, device="cpu").texts
    expected = unit(text(conch, ids) for _, ids in BATCH)
    np.testing.assert_allclose(encoder.encode([t for t, _ in BATCH]), expected, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(["no"]), expected[1:2], atol=1e-5)  # alone


def test_open_clip_coca_gives_what_the_reference_gives(tmp_path: Path) -> None:
    state = drawn(coca_shapes(), 2)
    model = written(tmp_path, state).model("cpu")
    pixels = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    ids, mask = torch.tensor([[1, 6, 2, 9], [1, 3, 4, 2]]), torch.tensor([[1, 1, 1, 0], [1] * 4])
    ids[0, 3] = 5  # whatever fills up is not read
    with torch.inference_mode():
        images, texts = model.get_image_features(pixels), model.get_text_features(ids, mask)
    expected = torch.stack([coca_image(state, image) for image in pixels])
    np.testing.assert_allclose(images.numpy(), expected.numpy(), atol=1e-5)
    expected = torch.stack([text(state, row) for row in ([1, 6, 2], [1, 3, 4, 2])])
    np.testing.assert_allclose(texts.numpy(), expected.numpy(), atol=1e-5)


def written(folder: Path, state: Tensors, **vision: Any) -> Pretrained:
    """A checkpoint in OpenCLIP's own layout."""
    torch.save(state, folder / "open_clip_pytorch_model.bin")
    seen = {
        "image_size": SIDE, "attentional_pool": True, "attn_pooler_heads": POOL_HEADS,
        "head_width": WIDTH, **vision,
    }  # fmt: skip
    settings = {"model_cfg": {"vision_cfg": seen, "text_cfg": TEXT, "multimodal_cfg": TEXT}}
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    return Pretrained(folder)


@pytest.mark.parametrize("other", [{"attentional_pool": "parallel"}, {"pool_type": "avg"}])
def test_other_poolings_are_refused_by_name(tmp_path: Path, other: dict[str, Any]) -> None:
    ((name, value),) = other.items()
    with pytest.raises(CheckpointError, match=f"{name} {value}"):
        written(tmp_path, drawn(coca_shapes(), 2), **other).model()


def test_places_of_another_grid_are_scaled(folder: Path, tmp_path: Path, conch: Tensors) -> None:
    """From 2 x 2 to 4 x 4 places, bilinear between their centres."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = tmp_path / "conch_ViT-B-16.json"
    settings = json.loads(config.read_text())
    settings["vision_cfg"]["image_size"] = 2 * SIDE
    config.write_text(json.dumps(settings))
    found = Pretrained(tmp_path).model("cpu").visual.trunk.pos_embed[0].detach().numpy()
    published = conch["visual.trunk.pos_embed"][0].numpy()
    shares = np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]], np.float32)
    expected = np.einsum("ia,jb,abw->ijw", shares, shares, published[1:].reshape(2, 2, WIDTH))
    np.testing.assert_allclose(found[1:], expected.reshape(16, WIDTH), atol=1e-6)
    np.testing.assert_array_equal(found[0], published[0])


def test_the_preset_loads_the_folder_and_names_its_files(folder: Path, tmp_path: Path) -> None:
    assert build("conch", {"clip": str(folder)}).embedder.dim == OUT
    with pytest.raises(CheckpointError, match="CONCH's three files"):
        build("conch", {"clip": str(tmp_path / "nowhere")})


def test_a_coca_is_exported(folder: Path, tmp_path: Path) -> None:
    export = export_towers(str(folder), tmp_path / "exported")
    assert min(export.images, export.texts) > 0.99999
