"""Table B measured, and what it leaves out: mismatched pairs, and telling the two apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmedrag import presets
from mmedrag.datasets.records import readable
from mmedrag.datasets.sampling import evenly_spaced
from mmedrag.encoders.text import TextEncoder
from mmedrag.errors import CorpusError, MissingExtra
from mmedrag.measures.cosines import unit_rows
from mmedrag.measures.matching import matching
from mmedrag.paper.clinical_pairs import CLINICAL_PAIRS
from mmedrag.progress import Progress, silent
from mmedrag.types import Case
from mmedrag.views.section import Disagreement, Section, Table

PAIRS = 1200
"""Real pairs at most."""

PAPER = {"BERT-base-uncased": (0.7462, 0.6602), "BioClinicalBERT": (0.9023, 0.8701)}
"""Mean and least similarity of five pairs (Table B)."""

PUBLISHED: Mapping[str, str] = {
    "BERT-base-uncased": "google-bert/bert-base-uncased",
    "BioClinicalBERT": "emilyalsentzer/Bio_ClinicalBERT",
    "BioMedBERT": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext",
}
"""The paper's text encoders, by the hub id or local folder to give as a model."""

RANDOM = "BERT, random weights"
SHIPPED = "offline"


def evaluate_text_encoders(
    data: Sequence[Path] = (),
    *,
    models: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Section:
    """Measure text encoders on our clinical pairs and on real diagnosis-report pairs.

    Args:
        data: record files whose ``meta`` has ``case_diagnosis``; without them, our pairs only.
        models: further encoders by name: a folder or hub id, pooled by [CLS] as in the paper.
        progress: told of each encoder that is done.

    Raises:
        CheckpointError: where a model cannot be loaded.
        CorpusError: where no record of ``data`` has a diagnosis.
    """
    real = _real_pairs(data)
    figures: dict[str, dict[str, Any]] = {}
    for name, encoder in _encoders(models or {}):
        figures[name] = {"clinical": _on_clinical(encoder)}
        if real:
            figures[name]["real"] = _on(encoder, *zip(*real, strict=True))
        progress(1)
    missing = [name for name in PUBLISHED if name not in figures]
    return _section(figures, missing, len(real))


def _encoders(models: Mapping[str, str]) -> Iterator[tuple[str, TextEncoder]]:
    yield SHIPPED, presets.offline_encoders()[1]
    try:
        yield RANDOM, random_bert()
    except MissingExtra:
        if models:
            raise
    if models:
        from mmedrag.encoders.transformers import TransformersTextEncoder

        for name, source in models.items():
            yield name, TransformersTextEncoder.load(source, pooling="cls")


def random_bert(layers: int = 4, width: int = 256) -> TextEncoder:
    """A BERT that has learned nothing: [CLS] of random weights, the shipped vocabulary.

    Raises:
        MissingExtra: without PyTorch and transformers.
    """
    from mmedrag.encoders.transformers import TransformersTextEncoder
    from mmedrag.torch_import import open_torch

    torch, transformers = open_torch()
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    vocabulary = str(presets.MODELS / "minilm" / "vocab.txt")
    tokenizer = transformers.BertTokenizerFast(vocab_file=vocabulary)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=4 * width,
    )
    network = transformers.BertModel(config).eval()
    torch.random.set_rng_state(state)
    return TransformersTextEncoder(network, tokenizer, pooling="cls", window=128)


def _on_clinical(encoder: TextEncoder) -> dict[str, Any]:
    domains, queries, captions = zip(*CLINICAL_PAIRS, strict=True)
    figures = _on(encoder, queries, captions, [str(i) for i in range(len(queries))])
    own = np.einsum("ij,ij->i", _rows(encoder, queries), _rows(encoder, captions))
    return {
        **figures,
        "by_domain": {
            name: float(np.mean([s for s, d in zip(own, domains, strict=True) if d == name]))
            for name in dict.fromkeys(domains)
        },
    }


def _on(
    encoder: TextEncoder, queries: Sequence[str], items: Sequence[str], groups: Sequence[str]
) -> dict[str, Any]:
    return matching(_rows(encoder, queries), _rows(encoder, items), groups)


def _rows(encoder: TextEncoder, texts: Sequence[str]) -> Any:  # noqa: ANN401
    distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    return unit_rows(encoder.encode(list(distinct)))[[distinct[text] for text in texts]]


def _real_pairs(data: Sequence[Path]) -> list[tuple[str, str, str]]:
    """Diagnosis, caption, and the diagnosis once more as the group; spread over the files."""
    cases = [c for path in data for c in readable(path)[0]]
    pairs = [
        (diagnosis, c.text, diagnosis.lower())
        for c in cases
        if (diagnosis := _diagnosis(c)) and c.text
    ]
    if data and not pairs:
        raise CorpusError(
            "No record has a diagnosis in its meta", "Give records with meta.case_diagnosis."
        )
    return evenly_spaced(pairs, PAIRS)


def _diagnosis(case: Case) -> str:
    return str(case.meta.get("case_diagnosis") or "").strip()


def _section(
    figures: Mapping[str, Mapping[str, Any]], missing: Sequence[str], real: int
) -> Section:
    shipped = figures[SHIPPED]["clinical"]
    untrained = figures.get(RANDOM, {}).get("clinical")
    others = [f"{RANDOM} {untrained['matched']:.2f} for matched and "
              f"{untrained['mismatched']:.2f} for mismatched pairs"
              ] if untrained else []  # fmt: skip
    return Section(
        name="text-encoders",
        title="Text encoders",
        paper="section 4.2, Table B",
        protocol=(
            f"{len(CLINICAL_PAIRS)} query-caption pairs of our own over radiology, ophthalmology, "
            "pathology and CT/MRI (the paper does not print its five); cosine of query and "
            f"caption. Beside it {real} real pairs, diagnosis and caption of one case. Mismatched: "
            "every query with every caption of another group. The offline text encoder may have "
            "learned from the training part of the real pairs, never from ours."
        ),
        verdict=(
            "Mean similarity says nothing of alignment: "
            + "; ".join([f"the offline encoder has {shipped['matched']:.2f} for matched and "
                         f"{shipped['mismatched']:.2f} for mismatched pairs", *others])
            + f". What tells encoders apart is the AUROC: offline {shipped['AUROC']:.3f}"
            + (f", random {untrained['AUROC']:.3f}." if untrained else ".")
        ),
        tables=(_table("Table B: our clinical pairs", "clinical", figures, paper=True),
                *([_table("Diagnosis to caption, real cases", "real", figures)] if real else [])),
        disagreements=(_disagreement(figures),) if RANDOM in figures else (),
        notes=tuple(
            f"{name} was not loaded. To add it, give the model {name}={PUBLISHED[name]} (a hub id "
            "where there is a network, or a local folder)."
            for name in missing
        ),
        data={"encoders": dict(figures), "missing": list(missing)},
    )  # fmt: skip


def _disagreement(figures: Mapping[str, Mapping[str, Any]]) -> Disagreement:
    random = figures[RANDOM]["clinical"]
    return Disagreement(
        "Table B: BioClinicalBERT is better aligned than BERT-base",
        "0.9023 against 0.7462 mean similarity over five pairs",
        f"{random['matched']:.3f} for a BERT that has learned nothing "
        f"(mismatched pairs {random['mismatched']:.3f}, AUROC {random['AUROC']:.2f})",
        "A narrow cone of vectors gives every pair a high cosine; without mismatched pairs a mean "
        "similarity cannot be told from that.",
    )


def _table(
    title: str, side: str, figures: Mapping[str, Mapping[str, Any]], *, paper: bool = False
) -> Table:
    header = ("encoder", "pairs", "mean", "least", "mismatched mean", "AUROC", "R@1", "R@10",
              "MRR", "paper: mean", "paper: least")  # fmt: skip
    keys = ("matched", "least", "mismatched", "AUROC", "R@1", "R@10", "MRR")
    width = len(header) if paper else len(header) - 2
    rows = []
    for name, of in figures.items():
        lines = [f"{v:.4f}" for v in PAPER.get(name, ())] or ["", ""]
        cells = (name, str(of[side]["pairs"]), *(f"{of[side][k]:.3f}" for k in keys), *lines)
        rows.append(cells[:width])
    if paper:
        rows += [
            (name, "5", *[""] * len(keys), *(f"{v:.4f}" for v in PAPER[name]))
            for name in PAPER if name not in figures
        ]  # fmt: skip
    return Table(title, header[:width], tuple(rows))
